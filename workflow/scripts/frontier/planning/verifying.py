"""Verification of all finished results against the checksums recorded with them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from frontier.errors import UserError
from frontier.host import locks
from frontier.results import bundles, checksums, layout
from frontier.values import read_json, sha256


def verify(root: Path) -> tuple[int, list[str]]:
    """The number of files with a checksum below a checkout, and a line for each mismatch."""
    results = root / layout.RESULTS
    found = [*_cells(results), *_tables(results), *_inputs(root / layout.RESOURCES)]
    faults = [f"{path}: altered since it was written" for path, whole in found if not whole]
    try:
        bundles.check_added(results)
        found += [(path, True) for path in bundles.added(results)]
    except UserError as error:
        faults.append(str(error))
    return len(found), faults


def _cells(results: Path) -> Iterator[tuple[Path, bool]]:
    """The cells computed here, their tables of requests, and their measurements."""
    for cell in layout.cells(results):
        summary = checksums.read(cell.read_bytes())
        yield cell, summary is not None
        table = layout.requests_of(cell)
        if summary is not None:
            yield table, _is(table, summary.get("table_sha256"))
        for measurement in layout.measurements_of(cell):
            recorded = checksums.read(measurement.read_bytes())
            yield measurement, recorded is not None
            requests = measurement.with_name(layout.REQUESTS)
            if recorded is not None and requests.exists():
                yield requests, _is(requests, recorded.get("requests_sha256"))


def _tables(results: Path) -> Iterator[tuple[Path, bool]]:
    """The tables, the report and its charts."""
    for name in (*layout.TABLES, layout.REPORT):
        path = layout.lock(name, results)
        if not path.exists():
            continue
        lock = checksums.read(path.read_bytes())
        yield path, lock is not None
        for file, digest in (lock or {}).get("files", {}).items():
            written = layout.written(file, results)
            yield written, _is(written, digest)


def _inputs(resources: Path) -> Iterator[tuple[Path, bool]]:
    """Datasets, samples, checkpoints and quantized checkpoints, including large files."""
    if not resources.is_dir():
        return
    # Environments are checked before each use.
    folders = (one for one in sorted(resources.iterdir()) if one.is_dir() and one.name != "envs")
    for path in (lock for folder in folders for lock in sorted(folder.rglob(locks.NAME))):
        if not locks.lock_is_whole(path):
            yield path, False
            continue
        files: dict[str, Any] = read_json(path).get("files", {})
        for name, facts in files.items():
            yield path.with_name(name), _is(path.with_name(name), facts["sha256"])


def _is(path: Path, digest: str | None) -> bool:
    return path.is_file() and sha256(path) == digest
