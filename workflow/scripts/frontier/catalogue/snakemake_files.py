"""Makes Snakemake read the files of `--configfile` with this project's reader.

Snakemake reads them before the Snakefile: it runs code that it finds there (`__use_yte__`), and
prints pages of output for a file that is missing or not YAML. profiles/default/config.yaml, which
it reads earlier still, calls `install`; without that profile the Snakefile rejects them later.
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
"""The files read by `load`; None if `install` was not called, as in a cluster's jobs."""


def install() -> None:
    """Replaces Snakemake's reader with ours (9.27: settings/types.py calls it)."""
    from snakemake.settings import types

    global read
    read = []
    types.load_configfile = load


def bypassed(given: Sequence[Path]) -> bool:
    """True if Snakemake read these files with its own reader although `install` was called."""
    return read is not None and len(read) < len(given)


def load(path: Path) -> dict[str, Any]:
    """A configuration file's content; ends Snakemake with one line if it cannot be read."""
    if read is not None:
        read.append(path)
    try:
        return read_yaml(path)
    except UserError as error:
        print(f"error: {one_line(error)}", file=sys.stderr, flush=True)
        os._exit(1)
