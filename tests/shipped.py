"""The catalogue that is shipped, for tests that need its engines."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from frontier.catalogue.configuration import read_catalogue
from frontier.engine_block import EngineBlock

CONFIG = Path(__file__).resolve().parents[1] / "config"


@cache
def engines() -> dict[str, EngineBlock]:
    """The blocks of config/engines.yaml, by their ids."""
    return read_catalogue(CONFIG).engines
