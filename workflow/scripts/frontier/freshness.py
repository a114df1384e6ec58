"""Whether a finished result still is what the catalogue, the code and its inputs would make.

File times are never asked. What is expensive lies at a path with its identity in it, so there it
is enough to look whether the file exists; a cell, the table and the report have fixed names and
carry their identity, and the digests of what they were made from, inside.
"""

from __future__ import annotations

import json
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from frontier.exchange import bundles
from frontier.files import sha256
from frontier.plan import Cell
from frontier.steps import Steps


def _read(path: Path) -> dict[str, Any]:
    """A JSON file's mapping; empty where the file is missing or broken, hence never fresh."""
    try:
        value = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def _identity(content: dict[str, Any]) -> Any:
    """The digest that a result carries, if it does."""
    made_of = content.get("identity")
    return made_of.get("digest") if isinstance(made_of, dict) else None


class Freshness:
    """Answers for the cells, the table and the report below a root folder; each asked once."""

    def __init__(self, steps: Steps, root: Path = Path()) -> None:
        """Nothing is read yet."""
        self.steps, self.root = steps, root
        self.cell = cache(self._cell)
        self._digest = cache(lambda cell: sha256(root / cell_path(cell)))
        self.study = cache(self._study)
        self.comparisons = cache(self._comparisons)

    def _cell(self, cell: Cell) -> bool:
        path = self.root / cell_path(cell)
        result = _read(path)
        if _identity(result) != self.steps.score(cell).identity:
            return False
        if not path.with_suffix(".parquet").is_file():
            return False
        if not cell.planned:
            return True
        measurement = _read(self.root / measurement_path(self.steps, cell))
        # Absent: deleted after scoring, which loses nothing that is in the cell.
        return measurement.get("requests_sha256") in (None, result.get("requests_sha256"))

    def _study(self) -> bool:
        """Whether results/study.* is made of the cells as they are."""
        return self._made_of_cells("study", self.steps.aggregate.identity)

    def _comparisons(self) -> bool:
        """Whether results/comparisons.* is made of the cells as they are."""
        return self._made_of_cells("comparisons", self.steps.compare.identity)

    def _made_of_cells(self, table: str, identity: str) -> bool:
        lock = _read(self.root / f"results/{table}.lock.json")
        return (
            _identity(lock) == identity
            and self._written(lock)
            and self._added == {name: told for name, told in lock["cells"].items() if "@" in name}
            and all(
                self.cell(cell) and self._digest(cell) == lock["cells"].get(cell.name)
                for cell in self.steps.cells
            )
        )

    def report(self) -> bool:
        """Whether results/report.html and its charts are made of the tables as they are."""
        lock = _read(self.root / "results/report.lock.json")
        return (
            _identity(lock) == self.steps.render.identity
            and self._written(lock)
            and self.study()
            and self.comparisons()
            and all(
                sha256(self.root / f"results/{table}.parquet") == lock[f"{table}_sha256"]
                for table in ("study", "comparisons")
            )
        )

    @cached_property
    def _added(self) -> dict[str, str]:
        """The digests of the cells that were added from elsewhere, by their places."""
        results = self.root / "results"
        return {
            str(path.relative_to(results).with_suffix("")): digest
            for path, digest in bundles.added_cells(results).items()
        }

    def _written(self, lock: dict[str, Any]) -> bool:
        """Whether every file that a lock names is there."""
        places = (self.root / "results", self.root / "results/charts")
        return all(any((place / name).is_file() for place in places) for name in lock["files"])


def cell_path(cell: Cell) -> Path:
    """Where a cell's summary lies."""
    return Path("results", cell.variant, cell.device, f"{cell.task}.json")


def measurement_path(steps: Steps, cell: Cell) -> Path:
    """Where a planned cell's measurement lies."""
    folder = Path("results", cell.variant, cell.device, cell.task)
    return folder / steps.measure(cell).identity / "measurement.json"
