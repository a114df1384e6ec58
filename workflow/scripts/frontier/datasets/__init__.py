"""Loaders: readers of the rows in each dataset's own format.

Each file here has one loader: a class whose fields are the keys of a task's `sample:` block besides
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
    """The fields for a task's prompt template."""
    reference: str
    stratum: str
    """The row's group; a sample takes equally many rows from each."""


class Loader(Entry, ABC):
    """A reader of the rows in a dataset's own format."""

    FILES: ClassVar[re.Pattern[str]]
    """Matches the names of the files that are read, without folder and .gz."""

    @abstractmethod
    def fields(self) -> tuple[str, ...]:
        """The fields that a task's prompt may use."""

    @abstractmethod
    def rows(self, folder: Path) -> Iterator[Row]:
        """The rows in a dataset's folder, the same on every machine and in the same order.

        Raises UserError naming the file and row of an error, or the files that are missing.
        """

    def plugins(self) -> tuple[str, ...]:
        """Dotted names of further modules that decide the rows."""
        return ()


LOADERS: Registry[Loader] = Registry("datasets", Loader, mark=Decides)
CHOSEN = Chosen(LOADERS)
AnyLoader = Annotated[Loader, CHOSEN]
"""A loader with its keys, as a field of a specification."""
