"""Freshness: whether a finished result is what the catalogue, the code and its inputs would give.

File times do not matter. Expensive results have their identity in their path, so it is enough that
the file exists; a cell, the table and the report have fixed names and record their identity and the
digests of their inputs.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from frontier.fetching.contents import Digests
from frontier.planning.cells import Cell
from frontier.planning.step import Step
from frontier.planning.steps import Steps
from frontier.results import bundles, checksums, layout
from frontier.results.measurement import Measurement
from frontier.values import first_fault


def _identity(content: dict[str, Any]) -> Any:
    """The digest recorded in a result, if any."""
    depends_on = content.get("identity")
    return depends_on.get("digest") if isinstance(depends_on, dict) else None


# Next to Snakemake's metadata: when a file is moved or copied, its bytes are read again.
DIGESTS = Path(".snakemake/digests.json")


class Freshness:
    """The freshness of the cells, the table and the report below a root folder, each computed once.

    Files altered since they were written are not fresh, and `tell` receives a line about each.
    """

    def __init__(
        self, steps: Steps, root: Path = Path(), tell: Callable[[str], None] = lambda _: None
    ) -> None:
        """Loads only the digests of files that earlier runs cached."""
        self.steps, self.root, self._tell = steps, root, tell
        self.altered: set[Path] = set()
        self._former = False
        self.digests = Digests(root / DIGESTS)
        self.cell = cache(self._cell)
        self.measured = cache(self._measured)
        self.judged = cache(self._judged)
        self._summary = cache(lambda cell: self._read(cell.place.summary, "scored again"))
        self.study = cache(self._study)
        self.comparisons = cache(self._comparisons)

    def _report(self, path: Path, words: str) -> None:
        """Reports and remembers an altered file."""
        self.altered.add(path)
        self._tell(f"{path}: {words}")

    def _read(self, path: Path, what: str) -> tuple[dict[str, Any], str]:
        """A JSON file's mapping and its digest; both empty if it is missing or altered."""
        try:
            content = (self.root / path).read_bytes()
        except OSError:
            return {}, ""
        value = checksums.read(content)
        if value is None:
            self._report(path, f"altered since it was written; it is {what}")
        elif value.get("layout") != layout.VERSION:
            if not self._former:
                self._tell(
                    f"{path}: written by another release, in another layout; such files are {what}"
                )
            self._former = True
            value = None
        return value or {}, hashlib.sha256(content).hexdigest()

    def _whole(self, path: Path, digest: Any, what: str) -> bool:
        """True if a file exists and is unaltered."""
        found = self.digests.of(self.root / path)
        if found not in (None, digest):
            self._report(path, f"altered since it was written; {what}")
        return bool(found == digest)

    def _cell(self, cell: Cell) -> bool:
        result, _ = self._summary(cell)
        if _identity(result) != self.steps.score(cell).identity:
            return False
        if self.scorable(cell):
            return False
        if not self._whole(cell.place.requests, result["table_sha256"], "the cell is scored again"):
            return False
        if not cell.planned:
            return True
        if self.judged(cell)[1]:
            return False
        measured, altered = self.measured(cell)
        if altered or measured is None:  # deleted after scoring, which loses nothing the cell has
            return not altered
        return bool(measured.requests_sha256 == result["requests_sha256"])

    def scorable(self, cell: Cell) -> bool:
        """True if a cell has no score because of the machine that scored it, unlike this one."""
        score = self._summary(cell)[0].get("score")
        if not (isinstance(score, dict) and score.get("unavailable")):
            return False
        return self.steps.catalogue.scorers[cell.task].unavailable() is None

    def _measured(self, cell: Cell) -> tuple[Measurement | None, bool]:
        """A planned cell's measurement, and whether it must be measured again.

        None if the file is missing or altered. It must be measured again if the file or its
        requests exist and were altered.
        """
        return self._measurement(self.steps.measurement(cell), self.steps.measure(cell))

    def _judged(self, cell: Cell) -> tuple[Measurement | None, bool]:
        """The measurement of a planned cell's judge, like `_measured`."""
        judging = self.steps.judging(cell)
        return self._measurement(judging.measurement, judging.measure) if judging else (None, False)

    def _measurement(self, path: Path, step: Step) -> tuple[Measurement | None, bool]:
        """A measurement, and whether it must be measured again."""
        requests = path.with_name(layout.REQUESTS)
        if not ((self.root / path).exists() and (self.root / requests).exists()):
            return None, False
        content, _ = self._read(path, "measured again")
        if not content:
            return None, True
        try:
            found = Measurement.of(content)
        except ValidationError as invalid:
            self._report(path, f"{first_fault(invalid)}; it is measured again")
            return None, True
        if not found.identity or found.identity.digest != step.identity:
            self._report(path, "is another cell's; this one is measured again")
            return None, True
        words = "its intact requests are used, the others are measured again"
        return found, not self._whole(requests, found.requests_sha256, words)

    def to_measure(self, cell: Cell) -> bool:
        """True if a planned cell's measurement is missing or altered."""
        measured, altered = self.measured(cell)
        return altered or not measured

    def to_judge(self, cell: Cell) -> bool:
        """True if the measurement of a planned cell's judge is missing or altered."""
        measured, altered = self.judged(cell)
        return altered or not measured

    def cells_now(self) -> dict[str, str]:
        """The current digests of the study's cells and of the added ones."""
        own = {cell.name: self._summary(cell)[1] for cell in self.steps.cells}
        return own | self._added

    def _study(self) -> bool:
        """True if the study's table was built from the current cells."""
        return self._reads_cells(layout.STUDY, self.steps.aggregate.identity)

    def _comparisons(self) -> bool:
        """True if the comparisons were built from the current cells."""
        return self._reads_cells(layout.COMPARISONS, self.steps.compare.identity)

    def _reads_cells(self, table: str, identity: str) -> bool:
        lock, _ = self._read(layout.lock(table), "rebuilt")
        return (
            _identity(lock) == identity
            and self._written(lock)
            and self._added == {name: value for name, value in lock["cells"].items() if "@" in name}
            and all(
                self.cell(cell) and self._summary(cell)[1] == lock["cells"].get(cell.name)
                for cell in self.steps.cells
            )
        )

    def report(self) -> bool:
        """True if the report and its charts were built from the current tables."""
        lock, _ = self._read(layout.lock(layout.REPORT), "rebuilt")
        return (
            _identity(lock) == self.steps.render.identity
            and self._written(lock)
            and self.study()
            and self.comparisons()
            and all(
                self.digests.of(self.root / layout.table(table)) == lock[f"{table}_sha256"]
                for table in (*layout.TABLES, layout.RATINGS)
            )
        )

    @cached_property
    def _added(self) -> dict[str, str]:
        """The digests of the cells added from other machines, by place."""
        results = self.root / layout.RESULTS
        return {
            layout.name_of(path): digest for path, digest in bundles.added_cells(results).items()
        }

    def _written(self, lock: dict[str, Any]) -> bool:
        """True if every file named by a lock exists and is unaltered."""
        return all(
            self._whole(layout.written(name), digest, "it is rebuilt")
            for name, digest in lock["files"].items()
        )
