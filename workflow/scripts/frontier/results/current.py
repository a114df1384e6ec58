"""The study's table, if it is what was written and of the cells as they are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from frontier.errors import UserError
from frontier.results import checksums, layout
from frontier.results.columns import StudyRow
from frontier.results.outputs import read_table
from frontier.values import sha256


def read_study(results: Path, columns: Iterable[str]) -> Sequence[StudyRow]:
    """The rows of results/study.parquet.

    Raises UserError if it is missing, altered, or older than one of its cells.
    """
    path, lock = layout.table(layout.STUDY, results=results), layout.lock(layout.STUDY, results)
    if not path.exists():
        raise UserError(f"{path}: no such file; run the study first")
    known = checksums.read(lock.read_bytes()) if lock.exists() else None
    if known is None or known["files"].get(path.name) != sha256(path):
        raise UserError(f"{path}: altered since it was written, or without {lock.name}")
    for name, digest in known["cells"].items():
        cell = results / f"{name}.json"
        if cell.exists() and sha256(cell) != digest:
            raise UserError(f"{path}: older than {cell}; run the study again")
    return read_table(path, "a study", columns).rows(named=True)
