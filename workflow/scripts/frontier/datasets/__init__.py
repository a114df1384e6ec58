"""Loaders: how the rows of each dataset's own format are read.

A loader is a module in this package; its file's name is its registration. It has four names:

    FILES: re.Pattern[str]                  the names of the files it reads, without folder and .gz
    class Options(pydantic.BaseModel)       the keys of a task's `sample:` that are its own
    def fields(options: Options) -> tuple[str, ...]    what a prompt may use of its rows
    def rows(folder: Path, options: Options) -> Iterator[Row]
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from dataclasses import dataclass
from types import ModuleType

from frontier.errors import UserError, did_you_mean


@dataclass(frozen=True)
class Row:
    """One example of a dataset, the same on every machine."""

    id: str
    fields: Mapping[str, str]
    """What a task's prompt template may use."""
    reference: str
    stratum: str
    """The group from which a sample takes as many as from each other group."""


def names() -> list[str]:
    """The loaders there are."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__) if not module.ispkg)


def load(name: str) -> ModuleType:
    """A loader by its name. Raises UserError with the nearest one where there is none."""
    if name not in names():
        raise UserError(f"no dataset loader {name!r}{did_you_mean(name, names())}")
    return importlib.import_module(f"{__name__}.{name}")
