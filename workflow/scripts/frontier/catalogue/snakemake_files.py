"""Has Snakemake read the files of `--configfile` as this project reads them.

Snakemake reads them before the Snakefile: it runs code that it finds there (`__use_yte__`), and
prints pages for a file that is missing or no YAML. profiles/default/config.yaml, which it reads
earlier still, calls `install`; without that profile the Snakefile refuses the same files, later.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from frontier.catalogue.reading import read_yaml
from frontier.errors import UserError, one_line

read: list[Path] | None = None
"""The files that `load` has read; None where `install` was not called, as in a cluster's jobs."""


def install() -> None:
    """Put our reader in the place of Snakemake's (9.27: settings/types.py calls it)."""
    from snakemake.settings import types

    global read
    read = []
    types.load_configfile = load


def bypassed(given: Sequence[Path]) -> bool:
    """Whether Snakemake read these files by a reader of its own although `install` was called."""
    return read is not None and len(read) < len(given)


def load(path: Path) -> dict[str, Any]:
    """A configuration file's content; ends Snakemake with one line where there is none."""
    if read is not None:
        read.append(path)
    try:
        return read_yaml(path)
    except UserError as error:
        print(f"error: {one_line(error)}", file=sys.stderr, flush=True)
        os._exit(1)
