"""The engines of the catalogue that is shipped, and a test's own catalogues next to it."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from frontier.catalogue.configuration import FILES, read_catalogue
from frontier.catalogue.entries import Catalogue
from frontier.engine_block import EngineBlock

CONFIG = Path(__file__).resolve().parents[1] / "config"


@cache
def read() -> Catalogue:
    """The catalogue that is shipped."""
    return read_catalogue(CONFIG)


@cache
def engines() -> Mapping[str, EngineBlock]:
    """The blocks of config/engines.yaml, by their ids."""
    return read().engines


def catalogue(**sections: dict[str, Any]) -> Catalogue:
    """The catalogue that has these sections, the shipped engines (or others), and nothing else."""
    with tempfile.TemporaryDirectory() as folder:
        for stem, keys in FILES.items():
            path = Path(folder) / f"{stem}.yaml"
            if stem == "engines" and "engines" not in sections:
                path.write_bytes((CONFIG / path.name).read_bytes())
            else:
                content = {key: sections.get(key, {}) for key in keys}
                path.write_text(yaml.safe_dump(content), encoding="utf-8")
        return read_catalogue(Path(folder))
