"""Shared by aggregate, compare and render: the cells that they read, the locks of their outputs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import polars as pl
from pydantic import BaseModel, ConfigDict

from frontier.catalogue.ids import SINGLE_STREAM
from frontier.errors import UserError
from frontier.results import bundles, checksums, layout
from frontier.results.columns import Column, Kind, StudyRow
from frontier.results.layout import Place
from frontier.values import sha256

# Characters that start a formula in spreadsheets, or are skipped before one, full-width ones too.
FORMULA = r"^[=+\-@＝＋－＠\t\r\n]"
NUMBER = r"^[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?$"


class Axes(BaseModel):
    """A study's cells: the variants on each device, for every task and scenario."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    variants: dict[str, tuple[str, ...]]
    """Variants by device."""
    tasks: tuple[str, ...]
    scenarios: tuple[str, ...] = (SINGLE_STREAM,)
    reference: str | None = None
    """The variant with which all others are compared."""

    def paths(self, results: Path) -> list[Path]:
        """The paths of the cells below results/."""
        return [
            Place(variant, device, task, scenario).summary_in(results)
            for device, variants in self.variants.items()
            for variant in variants
            for task in self.tasks
            for scenario in self.scenarios
        ]


def cell_paths(axes: Axes | None, results: Path, listed: Path | None) -> list[Path]:
    """The cells of the spec's study and the added ones, or those in a file with one path per line.

    Raises UserError if there are none, or an added one was altered.
    """
    if listed is None:
        if axes is None:
            raise UserError("no cells given: the spec names no study, and there is no --cells-from")
        bundles.check_added(results)
        return [*axes.paths(results), *bundles.added_cells(results)]
    try:
        lines = listed.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        raise UserError(f"{listed}: no such file") from None
    if paths := [Path(line.strip()) for line in lines if line.strip()]:
        return paths
    raise UserError(f"{listed}: lists no cells")


def read_requests(path: Path, columns: Iterable[str], also: Iterable[str] = ()) -> pl.DataFrame:
    """Some columns of a cell's requests, and those of `also` that it has.

    Raises UserError naming the file and what it lacks.
    """
    try:
        known = pl.read_parquet_schema(path)
        wanted = [*columns, *(name for name in also if name in known)]
        return pl.read_parquet(path, columns=wanted)
    except FileNotFoundError:
        raise UserError(f"{path}: no such file (it belongs next to the cell's JSON)") from None
    except (pl.exceptions.PolarsError, OSError) as error:
        raise UserError(f"{path}: not the requests of a cell: {error}") from None


def described(row: StudyRow) -> str:
    """The cell of a row, for messages."""
    place = Place(row["variant"], row["device"], row["task"], row["scenario"])
    return f"{place.variant} on {place.device} for {place.summary.stem}"


TYPES: Mapping[Kind, pl.DataType] = {
    "text": pl.String(), "number": pl.Float64(), "count": pl.Int64(), "flag": pl.Boolean(),
}  # fmt: skip


def schema(columns: Iterable[Column]) -> dict[str, pl.DataType]:
    """The types of a table's columns by name."""
    return {column.name: TYPES[column.kind] for column in columns}


def read_table(path: Path, what: str, columns: Iterable[str]) -> pl.DataFrame:
    """Some columns of one of our Parquet files; `what` it should be, e.g. "a study".

    Raises UserError for a file that is not one.
    """
    try:
        table = pl.read_parquet(path)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise UserError(f"{path}: not {what}: {error}") from None
    wanted = list(columns)
    if lacking := [name for name in wanted if name not in table.columns]:
        raise UserError(f"{path}: not {what}: it lacks the column {lacking[0]!r}")
    return table.select(wanted)


def csv(table: pl.DataFrame) -> bytes:
    """A table as CSV in which no text is a formula in spreadsheets: an apostrophe precedes it.

    Texts come from models, datasets and other machines. Numbers stay as they are, even as text.
    """
    texts = pl.selectors.string()
    formula = texts.str.contains(FORMULA) & ~texts.str.contains(NUMBER)
    safe = table.with_columns(pl.when(formula).then("'" + texts).otherwise(texts).name.keep())
    names = {name: f"'{name}" for name in table.columns if re.match(FORMULA, name)}
    return safe.rename(names).write_csv().encode()


def write_lock(path: Path, identity: Any, files: Iterable[Path], **facts: Any) -> None:
    """Writes a lock: the job's identity, the hash of each output by name, and further facts."""
    hashes = {file.name: sha256(file) for file in files}
    checksums.write(
        path, {"layout": layout.VERSION, "identity": identity, "files": hashes, **facts}
    )
