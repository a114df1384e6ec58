"""Loaders: readers of the rows in each dataset's own format.

Each file here has one loader: a class whose fields are the keys of a task's `sample:` block besides
size and seed, found by the file's name, which is the dataset's `loader`.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Literal, Self, get_args

from frontier.blocks import Decides, Entry
from frontier.chosen import Chosen
from frontier.registry import Registry

References = Literal["none", "one", "several"]
"""The number of right answers of a row."""


@dataclass(frozen=True)
class Row:
    """One example of a dataset, the same on every machine."""

    id: str
    fields: Mapping[str, str]
    """The fields for a task's prompt template."""
    reference: str
    """The right answer; "" in a dataset without."""
    stratum: str
    """The row's group; a sample takes equally many rows from each."""
    also_accepted: tuple[str, ...] = ()
    """Further right answers."""
    cut: tuple[str, ...] = ()
    """The fields that are longer in the dataset."""
    wrong: tuple[str, ...] = ()
    """Wrong answers, among which the right ones are to be found."""


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

    def using(self, names: Sequence[str]) -> Self:
        """The loader with these fields, those that a task's prompt and scorer read.

        By default its fields are fixed; a reader of any table takes the columns of these names.
        """
        return self

    def references(self) -> References:
        """The number of right answers of a row, as far as the keys say it."""
        return "one"

    def offers_choices(self) -> bool:
        """Whether its rows have wrong answers too."""
        return False

    def splits(self) -> tuple[str, ...] | None:
        """The values of its key `split`; () if it has no such key, None if any word is one."""
        field = type(self).model_fields.get("split")
        return tuple(map(str, get_args(field.annotation))) if field else ()

    def check(self, place: Path) -> None:
        """Looks at a local dataset, a folder or a file, while planning; reads little of it.

        Raises UserError for what `rows` would refuse in any row.
        """

    def plugins(self) -> tuple[str, ...]:
        """Dotted names of further modules that decide the rows."""
        return ()


LOADERS: Registry[Loader] = Registry("datasets", Loader, mark=Decides)
CHOSEN = Chosen(LOADERS)
AnyLoader = Annotated[Loader, CHOSEN]
"""A loader with its keys, as a field of a specification."""
