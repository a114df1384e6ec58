"""The columns of a table: what their values look like, and which part of a question they are."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

from frontier.answers import numbers
from frontier.datasets.common import tables
from frontier.datasets.common.cells import is_missing, text_of
from frontier.datasets.common.files import DatasetFile, entries
from frontier.datasets.common.tables import Form
from frontier.datasets.table import Table
from frontier.errors import UserError
from frontier.values import at

LOOKED_AT = 10_000
"""Rows that are looked at."""
TRIED = 50
"""Rows by which the form of a text file is found out."""
LONGEST_NAME = 1000
MOST_PARTS = 26
ENCODINGS = ("utf-8", "utf-16", "cp1252")
DELIMITERS = (None, ";", "\t", "|", ",")


@dataclass(frozen=True)
class Column:
    """A column's values in the rows that are looked at, as text; "" for an empty cell."""

    name: str
    values: tuple[str, ...]
    lists: bool = False
    """Some cells are lists."""
    part_of: str = ""
    """The column of lists, all of the same length, whose values at one place these are."""

    @cached_property
    def given(self) -> tuple[str, ...]:
        """The values that are not empty."""
        return tuple(one for one in self.values if one.strip())

    @cached_property
    def counts(self) -> Counter[str]:
        """The different values."""
        return Counter(self.given)

    @property
    def empty(self) -> int:
        """The number of empty cells."""
        return len(self.values) - len(self.given)

    @cached_property
    def longest(self) -> str:
        """The longest value."""
        return max(self.given, key=len, default="")

    @cached_property
    def words(self) -> float:
        """Words per value, on average; a letter of a script without spaces counts as one."""
        found = sum(len(re.findall(r"[^\W㐀-鿿぀-ヿ]+|[㐀-鿿぀-ヿ]", one)) for one in self.given)
        return found / max(1, len(self.given))

    def share(self, test: Any) -> float:
        """The share of its values that pass a test."""
        return sum(map(bool, map(test, self.given))) / max(1, len(self.given))


@dataclass(frozen=True)
class Looked:
    """A table's columns, and the keys of `sample:` by which it is read."""

    columns: dict[str, Column]
    form: dict[str, Any]
    rows: int
    whole: bool
    """All rows were looked at."""


def look(path: Path) -> Looked:
    """Reads the first rows of a table. Raises UserError if it is none that can be read."""
    if not path.exists():
        raise UserError(f"{path}: no such file or folder")
    files = list(entries(path, Table.FILES))
    if not files:
        raise UserError(f"{path}: no table: its name must end in {', '.join(tables.SUFFIXES)}")
    form = _form(files[0])
    found: list[Mapping[str, Any]] = []
    for entry in files:
        rows = list(_rows(entry, form, LOOKED_AT + 1 - len(found)))
        if found and rows and rows[0].keys() != found[0].keys():
            raise UserError(
                f"{path}: {files[0].where} and {entry.where} have different columns; name one file"
            )
        found += rows
        if len(found) > LOOKED_AT:
            break
    if not found:
        raise UserError(f"{path}: the table has no rows")
    whole = len(found) <= LOOKED_AT
    found = found[:LOOKED_AT]
    names = list(dict.fromkeys(name for values in found for name in values))
    names = [name for name in names if 0 < len(name) <= LONGEST_NAME]
    columns = {name: _column(name, found) for name in names}
    columns |= {part.name: part for name in names for part in _parts(name, found)}
    return Looked(columns, form, len(found), whole)


def _column(name: str, rows: Sequence[Mapping[str, Any]]) -> Column:
    cells = [row.get(name) for row in rows]
    texts = tuple("" if is_missing(one) else text_of(one, name) for one in cells)
    return Column(name, texts, any(isinstance(one, list) for one in cells))


def _parts(name: str, rows: Sequence[Mapping[str, Any]]) -> Iterator[Column]:
    """A column for each place in the lists of a column, if they all have as many texts.

    Such lists may also be in objects, as `text` of the column.
    """
    for path in (name, f"{name}.text"):
        lists = [at(row, path) for row in rows]
        lengths = {len(one) if isinstance(one, list) else 0 for one in lists}
        (length,) = lengths if len(lengths) == 1 else (0,)
        for place in range(length if length <= MOST_PARTS else 0):
            cells = [one[place] for one in lists]
            if not any(isinstance(one, list | dict | bytes) for one in cells):
                texts = tuple("" if is_missing(one) else text_of(one, name) for one in cells)
                yield Column(f"{path}.{place}", texts, part_of=name)


def _form(entry: DatasetFile) -> dict[str, Any]:
    """The keys by which a text file can be read. Raises the first reader's error if none can."""
    first: UserError | None = None
    for encoding in ENCODINGS:
        for delimiter in DELIMITERS:
            for quoted in (None, True, False):
                keys = {"encoding": encoding, "delimiter": delimiter, "quoted": quoted}
                try:
                    rows = list(_rows(entry, keys, TRIED))
                except UserError as error:
                    first = first or error
                    continue
                if delimiter is None or (rows and len(rows[0]) > 1):
                    return {name: one for name, one in keys.items() if one not in (None, "utf-8")}
            if entry.name.suffix.lower() not in tables.DELIMITERS:
                break
    raise first or UserError(f"{entry.where}: cannot be read")


def _rows(entry: DatasetFile, keys: Mapping[str, Any], most: int) -> Iterator[Mapping[str, Any]]:
    form = Form((), keys.get("delimiter"), keys.get("quoted"), keys.get("encoding", "utf-8"))
    names = _parquet_names(entry) if entry.name.suffix.lower() == tables.PARQUET else ()
    for _, _, values in islice(tables.records(entry, form, names), most):
        yield values


def _parquet_names(entry: DatasetFile) -> tuple[str, ...]:
    if entry.path is None:
        return ()
    import pyarrow as pa  # type: ignore[import-untyped]
    from pyarrow import parquet

    try:
        return tuple(parquet.read_schema(entry.path).names)
    except (pa.ArrowException, OSError) as error:
        raise UserError(f"{entry.where}: unreadable Parquet file ({error})") from None


def is_number(text: str) -> bool:
    """True for a text that is a number and nothing else."""
    return numbers.value(text) is not None


def is_json(text: str) -> bool:
    """True for a JSON object, or a list that holds some."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return False
    return isinstance(found, dict) or (
        isinstance(found, list) and any(isinstance(one, dict) for one in found)
    )
