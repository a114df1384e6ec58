"""Loaders: how the rows of each dataset's own format are read.

Each file here is one loader: a class whose fields are the keys of a task's `sample:` block beside
size and seed, found by the file's name, which is the dataset's `loader`.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

from frontier.blocks import Decides, Entry
from frontier.chosen import Chosen
from frontier.registry import Registry


@dataclass(frozen=True)
class Row:
    """One example of a dataset, the same on every machine."""

    id: str
    fields: Mapping[str, str]
    """What a task's prompt template may use."""
    reference: str
    stratum: str
    """The group from which a sample takes as many as from each other group."""


class Loader(Entry, ABC):
    """How the rows of a dataset's own format are read."""

    FILES: ClassVar[re.Pattern[str]]
    """The names of the files that are read, without folder and .gz."""

    @abstractmethod
    def fields(self) -> tuple[str, ...]:
        """What a task's prompt may use of a row."""

    @abstractmethod
    def rows(self, folder: Path) -> Iterator[Row]:
        """The rows in a dataset's folder, the same on every machine and in the same order.

        Raises UserError naming file and row of what is malformed, or what was looked for in vain.
        """

    def plugins(self) -> tuple[str, ...]:
        """Dotted names of the modules that decide the rows beside the loader's own."""
        return ()


LOADERS: Registry[Loader] = Registry("datasets", Loader, mark=Decides)
CHOSEN = Chosen(LOADERS)
AnyLoader = Annotated[Loader, CHOSEN]
"""A loader with its keys, as a field of a specification."""
