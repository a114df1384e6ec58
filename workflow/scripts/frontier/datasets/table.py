"""Any table: CSV, TSV, JSON lines or Parquet, packed or not; a folder of them, or a hub's.

A prompt's fields are the columns of the same names; nested values are reached by a path, such as
`answers.text` or `choices.0`. Cells are taken as they are in the file. What a row lacks is refused
with its number, and nothing is guessed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Self

from pydantic import AfterValidator, Field

from frontier import patterns
from frontier.blocks import Count, Decides
from frontier.datasets import Loader, References, Row
from frontier.datasets.common import tables
from frontier.datasets.common.cells import cell, is_missing, shortened, text_of
from frontier.datasets.common.files import DatasetFile, entries
from frontier.datasets.common.filters import Filter, Wanted
from frontier.datasets.common.tables import Form, Record
from frontier.datasets.common.text_lines import known_encoding
from frontier.errors import UserError, did_you_mean
from frontier.text import shown

MOST_STRATA = 10_000
"""Groups; some rows of each are in memory while a sample is drawn."""
ColumnName = Annotated[str, Field(min_length=1, max_length=1000)]


def _distinct(names: tuple[str, ...]) -> tuple[str, ...]:
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"two columns are named {shown(name)}")
    return names


class Table(Loader):
    """Rows of a table, with one or several right answers each."""

    FILES = re.compile(r".*\.(csv|tsv|jsonl|ndjson|json|parquet)", re.IGNORECASE)

    reference: Annotated[ColumnName | tuple[ColumnName, ...] | None, Decides("sample")] = None
    """The column with the right answer, or several columns whose values are all accepted. A list in
    a cell is several answers too. Without it there is none, for scorers that need none."""
    wrong: Annotated[ColumnName | tuple[ColumnName, ...] | None, Decides("sample")] = None
    """The column with wrong answers, or several, for tasks whose `choices` are those of a row."""
    separator: Annotated[str | None, Field(min_length=1, max_length=20), Decides("sample")] = None
    """The text between several answers in one cell, such as ";"; spaces around them go."""
    labels: Annotated[dict[str, str], Decides("sample")] = Field(default_factory=dict)
    """Names of the reference's values, such as {"0": negative, "1": positive}; no other value may
    occur."""
    columns: Annotated[dict[str, ColumnName], Decides("sample")] = Field(default_factory=dict)
    """Columns of other names than the prompt's fields, as {field: column}."""
    may_be_empty: Annotated[tuple[str, ...], Decides("sample")] = ()
    """Fields that some rows may lack; in all others an empty cell is an error."""
    longest: Annotated[dict[str, Count], Decides("sample")] = Field(default_factory=dict)
    """The most characters of a field, as {field: number}; longer texts end there, between words,
    and are counted (`cut_questions`)."""
    id: Annotated[ColumnName | None, Decides("sample")] = None
    """The column that names a row; by default the file's name and the row's number."""
    stratum: Annotated[ColumnName | None, Decides("sample")] = None
    """The column of groups, from which a sample takes equal shares."""
    filter: Annotated[dict[ColumnName, Wanted], Decides("sample")] = Field(default_factory=dict)
    """The rows to use: {column: value}, {column: [values]} or {column: {other_than: [values]}}."""
    split: Annotated[str | None, Field(pattern=r"^\w+$"), Decides("sample")] = None
    """The files whose path has this word, such as `test` in main/test-00000-of-00001.parquet."""
    files: Annotated[Annotated[str, AfterValidator(patterns.check)] | None, Decides("sample")] = (
        None
    )
    """A regular expression for the names of the files to read, without .gz; its named groups are
    further columns: "(?P<subject>.+)_test\\.csv"."""
    header: Annotated[tuple[ColumnName, ...], AfterValidator(_distinct), Decides("sample")] = ()
    """The columns' names of CSV and TSV files without a header row."""
    delimiter: Annotated[str | None, Field(min_length=1, max_length=1), Decides("sample")] = None
    """The character between cells; by default a comma in .csv, a tab in .tsv."""
    quoted: Annotated[bool | None, Decides("sample")] = None
    """Whether cells may be in quotation marks; by default they may in CSV, in TSV not."""
    encoding: Annotated[str, AfterValidator(known_encoding), Decides("sample")] = "utf-8"
    """The encoding of text files, such as cp1252 or utf-16."""

    def using(self, names: Sequence[str]) -> Self:
        """The loader with columns for these fields too, of the same names if not given others."""
        further = {name: name for name in names if name not in self.columns}
        columns = {**self.columns, **further}
        for key, named in (("may_be_empty", self.may_be_empty), ("longest", self.longest)):
            for name in named:
                if name not in columns:
                    raise ValueError(f"{key}: no field {name!r}{did_you_mean(name, columns)}")
        return self.model_copy(update={"columns": columns})

    def fields(self) -> tuple[str, ...]:
        """The fields that `columns` names, and those of the task's prompt."""
        return tuple(self.columns)

    def offers_choices(self) -> bool:
        """Whether there are columns of wrong answers."""
        return bool(self.wrong)

    def references(self) -> References:
        """Several if a separator or several columns are given; lists in cells are only seen."""
        if self.reference is None:
            return "none"
        return "several" if self.separator or isinstance(self.reference, tuple) else "one"

    def splits(self) -> None:
        """None: any word of the files' paths."""
        return

    def check(self, place: Path) -> None:
        """Looks for the columns in the first row of the first file."""
        for entry, groups in self._entries(place):
            for where, _, values in tables.records(entry, self._form, self._read(groups)):
                cells = {**values, **groups}
                for name in self._needed:
                    cell(cells, name, where)
                return

    def rows(self, folder: Path) -> Iterator[Row]:
        """The rows that pass the filter; their numbers are those of the file.

        Raises UserError naming the file and row, or the column with the nearest name.
        """
        chosen = Filter(self.filter)
        strata: set[str] = set()
        for entry, groups in self._entries(folder):
            stem = str(entry.name.with_suffix(""))
            for where, number, values in tables.records(entry, self._form, self._read(groups)):
                cells = {**values, **groups}
                texts = {name: text_of(cell(cells, name, where), where) for name in self.filter}
                if chosen.passes(texts):
                    row = self._row(cells, f"{stem}-{number:06d}", where)
                    strata.add(row.stratum)
                    if len(strata) > MOST_STRATA:
                        raise UserError(
                            f"{where}: {self.stratum!r} has more than {MOST_STRATA:,} different "
                            "values; a stratum is a group of rows"
                        )
                    yield row
        if fault := chosen.fault():
            raise UserError(f"{folder}: {fault}")
        if not strata:
            why = "no row passes the filter" if self.filter else "the table has no rows"
            raise UserError(f"{folder}: {why}")

    @property
    def _form(self) -> Form:
        return Form(self.header, self.delimiter, self.quoted, self.encoding)

    @property
    def _references(self) -> tuple[str, ...]:
        return _several(self.reference)

    @property
    def _needed(self) -> tuple[str, ...]:
        """The columns that are read."""
        others = [name for name in (self.id, self.stratum) if name]
        found = (*self.columns.values(), *self._references, *_several(self.wrong), *others)
        found = (*found, *self.filter)
        return tuple(dict.fromkeys(found))

    def _read(self, groups: Mapping[str, str]) -> tuple[str, ...]:
        return tuple(name for name in self._needed if name not in groups)

    def _entries(self, folder: Path) -> Iterator[tuple[DatasetFile, dict[str, str]]]:
        """The files to read, each with the columns that its name has."""
        others: list[str] = []
        found = False
        for entry in entries(folder, self.FILES):
            words = re.split(r"[\W_]+", str(entry.name).casefold())
            if self.split and self.split.casefold() not in words:
                others.append(entry.where)
                continue
            groups: dict[str, str] = {}
            if self.files:
                match = patterns.whole(self.files, entry.name.name, "files")
                if match is None:
                    others.append(entry.where)
                    continue
                groups = {name: text or "" for name, text in match.groupdict().items()}
            found = True
            yield entry, groups
        if not found:
            wanted = " of that name" if others else f": their names end in {_SUFFIXES}"
            there = f"; there are: {', '.join(others[:5])}" if others else ""
            raise UserError(f"{folder}: no table{wanted}{there}")

    def _row(self, cells: Record, number: str, where: str) -> Row:
        fields, cut = {}, []
        for field, column in self.columns.items():
            value = cell(cells, column, where)
            if is_missing(value) and field not in self.may_be_empty:
                raise UserError(
                    f"{where}: {column!r} is empty; if it may be, give may_be_empty: [{field}]"
                )
            text = text_of(value, where)
            fields[field] = shortened(text, self.longest.get(field))
            if fields[field] != text:
                cut.append(field)
        named = text_of(cell(cells, self.id, where), where) if self.id else number
        if not named.strip():
            raise UserError(f"{where} has no id ({self.id!r} is empty)")
        stratum = text_of(cell(cells, self.stratum, where), where) if self.stratum else ""
        accepted: list[str] = [""]
        wrong: list[str] = []
        if self.reference is not None:
            accepted = self._answers(cells, self._references, "reference", where)
        if self.wrong:
            wrong = self._answers(cells, _several(self.wrong), "wrong answer", where)
        others = tuple(accepted[1:])
        return Row(named, fields, accepted[0], stratum, others, tuple(cut), tuple(wrong))

    def _answers(self, cells: Record, columns: tuple[str, ...], what: str, where: str) -> list[str]:
        """The right or the wrong answers of a row, each once."""
        found: list[str] = []
        for column in columns:
            value = cell(cells, column, where)
            for one in value if isinstance(value, list) else [value]:
                if self.separator and isinstance(one, str):
                    found += [part.strip() for part in one.split(self.separator)]
                else:
                    found.append(text_of(one, where))
        answers = [one for one in dict.fromkeys(found) if one.strip()]
        if not answers:
            names = " and ".join(map(repr, columns))
            raise UserError(f"{where} has no {what} ({names} is empty)")
        return [self._named(one, where) for one in answers] if self.labels else answers

    def _named(self, value: str, where: str) -> str:
        if value not in self.labels:
            hint = did_you_mean(value, self.labels)
            raise UserError(f"{where}: {shown(value)} is not one of the labels{hint}")
        return self.labels[value]


def _several(given: str | tuple[str, ...] | None) -> tuple[str, ...]:
    return (given,) if isinstance(given, str) else given or ()


_SUFFIXES = ", ".join(tables.SUFFIXES)
