"""The rows of tables: CSV, TSV, JSON lines, JSON arrays and Parquet, read one after another.

Values are as the file has them: a cell of a CSV file is text, and "None" or "NA" are words like
any other. Memory does not grow with a file, except with a JSON array.
"""

from __future__ import annotations

import codecs
import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from frontier.datasets.common import archives
from frontier.datasets.common.files import MAX_ROW, DatasetFile
from frontier.datasets.common.text_lines import text_lines
from frontier.errors import UserError, did_you_mean
from frontier.text import shown
from frontier.unicode import parse_json

Record = Mapping[str, Any]
MAX_ARRAY = 1 << 27
"""Bytes of a JSON array, which is read at once."""
DELIMITERS = {".csv": ",", ".tsv": "\t"}
LINES, PARQUET = (".jsonl", ".ndjson", ".json"), ".parquet"
SUFFIXES = (*DELIMITERS, *LINES, PARQUET)
OTHER_DELIMITERS = {";": ";", "\t": "\\t", "|": "|", ",": ","}


@dataclass(frozen=True)
class Form:
    """The form of text files."""

    header: tuple[str, ...] = ()
    """The columns' names of a CSV file without a header row."""
    delimiter: str | None = None
    """The character between cells; None: by the file's name."""
    quoted: bool | None = None
    """Whether cells may be in quotation marks; None: in CSV they may, in TSV none is."""
    encoding: str = "utf-8"

    @property
    def is_utf8(self) -> bool:
        """Whether it is UTF-8, with or without a byte order mark."""
        return codecs.lookup(self.encoding).name in ("utf-8", "utf-8-sig")


def records(
    entry: DatasetFile, form: Form, columns: tuple[str, ...]
) -> Iterator[tuple[str, int, Record]]:
    """Each row with its place in messages, its number and its values by column.

    Numbers count from 1, as a spreadsheet or an editor does, header and empty lines included.
    `columns` are those that must be read, of a Parquet file only these. Raises UserError naming
    the file and row for what cannot be read.
    """
    suffix = entry.name.suffix.lower()
    if suffix == PARQUET:
        return _parquet(entry, columns)
    if suffix in LINES:
        return _json(entry, form)
    return _delimited(entry, form, DELIMITERS[suffix])


def _delimited(entry: DatasetFile, form: Form, default: str) -> Iterator[tuple[str, int, Record]]:
    delimiter = form.delimiter or default
    quoted = form.quoted if form.quoted is not None else delimiter != "\t"
    csv.field_size_limit(MAX_ROW)
    rows = csv.reader(
        text_lines(entry, form.encoding),
        delimiter=delimiter,
        quoting=csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE,
        strict=True,
    )
    header, number = list(form.header), 0
    while True:
        number += 1
        try:
            cells = next(rows, None)
        except csv.Error as error:
            hint = "; if quotation marks are plain text, give quoted: false" if quoted else ""
            raise UserError(
                f"{entry.where}: row {number} (line {rows.line_num}): {error}{hint}"
            ) from None
        if cells is None:
            break
        where = f"{entry.where}: row {number}"
        if rows.line_num != number:
            where += f" (up to line {rows.line_num})"
        if not cells:
            continue
        if not header:
            header = _header(cells, where, delimiter)
            continue
        if len(cells) != len(header):
            raise UserError(f"{where} has {len(cells)} cells instead of {len(header)}")
        if delimiter == "\t" and form.quoted is None:
            _refuse_quotes(cells, where)
        values = [cell.replace("\r\n", "\n") if "\r" in cell else cell for cell in cells]
        yield where, number, dict(zip(header, values, strict=True))


def _header(cells: list[str], where: str, delimiter: str) -> list[str]:
    if len(set(cells)) < len(cells):
        twice = next(name for name in cells if cells.count(name) > 1)
        raise UserError(f"{where}: two columns are named {shown(twice)}")
    others = [name for name in OTHER_DELIMITERS if name != delimiter and name in cells[0]]
    if len(cells) == 1 and others:
        raise UserError(
            f"{where}: has one column, {shown(cells[0])}; give its delimiter, such as "
            f'delimiter: "{OTHER_DELIMITERS[others[0]]}"'
        )
    return cells


def _refuse_quotes(cells: list[str], where: str) -> None:
    """Raises UserError for a TSV cell in quotation marks, which may or may not be part of it."""
    for cell in cells:
        if len(cell) > 1 and cell[0] == cell[-1] == '"':
            raise UserError(
                f"{where}: {shown(cell)} is in quotation marks: give quoted: true if they only "
                "enclose the cell, quoted: false if they belong to it"
            )


def _json(entry: DatasetFile, form: Form) -> Iterator[tuple[str, int, Record]]:
    begun = False
    for number, line in enumerate(text_lines(entry, form.encoding), start=1):
        if not line.strip():
            continue
        if not begun and line.lstrip().startswith("[") and entry.name.suffix.lower() == ".json":
            yield from _array(entry, form)
            return
        begun = True
        where = f"{entry.where}: row {number}"
        try:
            value = parse_json(line)
        except (ValueError, RecursionError) as error:
            raise UserError(f"{where} is not JSON: {error}") from None
        yield where, number, _object(value, where)


def _array(entry: DatasetFile, form: Form) -> Iterator[tuple[str, int, Record]]:
    with archives.damage_reported(lambda: f"{entry.where}: damaged"), entry.open() as file:
        raw = file.read(MAX_ARRAY)
    if len(raw) == MAX_ARRAY:
        raise UserError(
            f"{entry.where}: is an array of more than {MAX_ARRAY:,} bytes: write it as JSON lines"
        )
    try:
        found = parse_json(raw.decode("utf-8-sig" if form.is_utf8 else form.encoding))
    except (ValueError, RecursionError) as error:
        raise UserError(f"{entry.where}: not JSON: {error}") from None
    for number, value in enumerate(found, start=1):
        where = f"{entry.where}: row {number}"
        yield where, number, _object(value, where)


def _object(value: Any, where: str) -> Record:
    if not isinstance(value, dict):
        raise UserError(f"{where} is {shown(value)}, not an object with a value for each column")
    return value


def _parquet(entry: DatasetFile, columns: tuple[str, ...]) -> Iterator[tuple[str, int, Record]]:
    if entry.path is None:
        raise UserError(f"{entry.where}: a Parquet file must be unpacked to be read")
    # Imported here, since it takes a while, which checking options need not cost.
    import pyarrow as pa  # type: ignore[import-untyped]
    from pyarrow import parquet

    try:
        # Without read-ahead, memory is that of a few pages and not of the file's row groups.
        with parquet.ParquetFile(entry.path, buffer_size=1 << 20, pre_buffer=False) as file:
            known = file.schema_arrow.names
            wanted = list(dict.fromkeys(_top(name, known, entry.where) for name in columns))
            number = 0
            for batch in file.iter_batches(batch_size=1000, columns=wanted):
                for values in batch.to_pylist():
                    number += 1
                    yield f"{entry.where}: row {number}", number, values
    except (pa.ArrowException, OSError) as error:
        raise UserError(f"{entry.where}: unreadable Parquet file ({error})") from None


def _top(name: str, known: list[str], where: str) -> str:
    """The column that has a value: itself, or the one before the first dot of a path."""
    for one in (name, name.partition(".")[0]):
        if one in known:
            return one
    raise UserError(f"{where}: no column {name!r}{did_you_mean(name, known)}")
