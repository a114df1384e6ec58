"""What aggregate, compare and render share: the cells they read, the lock of what they wrote."""

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
from frontier.results.columns import Column, Kind
from frontier.results.layout import Place
from frontier.values import sha256

# What spreadsheets begin a formula with, or skip before one; full-width signs count as the others.
FORMULA = r"^[=+\-@＝＋－＠\t\r\n]"
NUMBER = r"^[+-]?[0-9.]+(?:[eE][+-]?[0-9]+)?$"


class Axes(BaseModel):
    """A study's cells: the variants that each device may run, each at every task, every way."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    variants: dict[str, tuple[str, ...]]
    """Variants by device."""
    tasks: tuple[str, ...]
    scenarios: tuple[str, ...] = (SINGLE_STREAM,)

    def paths(self, results: Path) -> list[Path]:
        """Where the cells lie below results/."""
        return [
            Place(variant, device, task, scenario).summary_in(results)
            for device, variants in self.variants.items()
            for variant in variants
            for task in self.tasks
            for scenario in self.scenarios
        ]


def cell_paths(axes: Axes | None, results: Path, listed: Path | None) -> list[Path]:
    """The cells of the spec's study and those added, or those in a file with one path a line.

    Raises UserError where there are none, or an added one is not as it was sent.
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
    raise UserError(f"{listed}: names no cell")


def read_requests(path: Path, columns: Iterable[str], also: str | None = None) -> pl.DataFrame:
    """Some columns of a cell's requests, and `also` one that earlier releases did not write.

    Raises UserError naming the file and what it lacks.
    """
    try:
        wanted = list(columns)
        if also and also in pl.read_parquet_schema(path):
            wanted.append(also)
        return pl.read_parquet(path, columns=wanted)
    except FileNotFoundError:
        raise UserError(f"{path}: no such file (it lies beside the cell's JSON)") from None
    except (pl.exceptions.PolarsError, OSError) as error:
        raise UserError(f"{path}: not the requests of a cell: {error}") from None


TYPES: Mapping[Kind, pl.DataType] = {
    "text": pl.String(), "number": pl.Float64(), "count": pl.Int64(), "flag": pl.Boolean(),
}  # fmt: skip


def schema(columns: Iterable[Column]) -> dict[str, pl.DataType]:
    """The types of columns by their names, as a table has them."""
    return {column.name: TYPES[column.kind] for column in columns}


def read_table(path: Path, what: str, columns: Iterable[str]) -> pl.DataFrame:
    """Some columns of a Parquet file of ours; `what` it should be, e.g. "a study".

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
    """A table as CSV whose texts no spreadsheet takes for a formula: an apostrophe goes before.

    Texts come from models, datasets and other machines. Numbers stay as they are, also as text.
    """
    texts = pl.selectors.string()
    formula = texts.str.contains(FORMULA) & ~texts.str.contains(NUMBER)
    safe = table.with_columns(pl.when(formula).then("'" + texts).otherwise(texts).name.keep())
    names = {name: f"'{name}" for name in table.columns if re.match(FORMULA, name)}
    return safe.rename(names).write_csv().encode()


def write_lock(path: Path, identity: Any, files: Iterable[Path], **facts: Any) -> None:
    """Write the job's identity, each written file's hash by its name, and what they are made of."""
    hashes = {file.name: sha256(file) for file in files}
    checksums.write(
        path, {"layout": layout.VERSION, "identity": identity, "files": hashes, **facts}
    )
