"""The reason why a job would run: the differences from the closest earlier result.

The closest result is the one with the fewest differences among the results on disk for the same
names with other identities.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any, Literal

from frontier.errors import UserError
from frontier.explaining.differences import Difference, differences, weight
from frontier.explaining.keys import named
from frontier.host import locks
from frontier.planning.freshness import Freshness
from frontier.planning.jobs import Job
from frontier.planning.pending import broken_lock
from frontier.planning.step import Measuring
from frontier.results import checksums, layout
from frontier.values import read_json

Kind = Literal["new", "deleted", "altered", "unfinished", "differs", "input", "forced", "scorable"]
TABLES = {"aggregate": layout.STUDY, "compare": layout.COMPARISONS, "render": layout.REPORT}
ASKING = ("measure", "judge")
"""The rules that run measure.py."""


@dataclass(frozen=True)
class Cause:
    """The reason why a job would run.

    `files`: the deleted or altered files. `nearest`: the file of the closest earlier result, with
    its differences. `inputs`: the names of its inputs that are rebuilt as well. `takes_over`: True
    if there are answers to the same cell's requests from another sample.
    """

    kind: Kind
    files: tuple[Path, ...] = ()
    nearest: Path | None = None
    differences: tuple[Difference, ...] = ()
    inputs: tuple[str, ...] = ()
    takes_over: bool = False

    def as_json(self) -> dict[str, Any]:
        """The cause as JSON, always with the same keys."""
        return {
            "cause": self.kind,
            "files": list(map(str, self.files)),
            "nearest": self.nearest and str(self.nearest),
            "differences": [one.as_json() for one in self.differences],
            "inputs_made_again": list(self.inputs),
            "takes_over": self.takes_over,
        }


class Why:
    """Finds the reasons for jobs that would run, given all of them."""

    def __init__(self, fresh: Freshness, jobs: Iterable[Job]) -> None:
        """Nothing is read yet."""
        self.fresh, self.root = fresh, fresh.root
        self._running = {job.output: job for job in jobs}
        self._records = cache(self._earlier)

    def cause(self, job: Job) -> Cause:
        """The reason why a job would run."""
        again = tuple(name for name, one in job.reads.items() if one.output in self._running)
        outputs = self._outputs(job)
        if altered := self._altered(job, outputs):
            return Cause("altered", altered, inputs=again)
        gone = tuple(path for path in outputs if not (self.root / path).exists())
        records = self._records(job)
        digests = {str(record.get("digest")) for record in records.values()}
        if gone and (job.step.identity in digests or self._was_there(job, outputs, records)):
            return Cause("deleted", gone, inputs=again)
        if job.rule in ASKING and (self.root / job.output).with_name(layout.JOURNAL).exists():
            return Cause("unfinished", inputs=again)
        if job.rule == "score" and self._scorable(job):
            return Cause("scorable", inputs=again)
        if job.step.identity in digests:
            # Its identity is current, but an input was rebuilt since, or will be.
            return Cause("input", inputs=again or self._changed_inputs(job))
        if not records:
            return Cause("new", inputs=again)
        nearest, found = self._nearest(job, records)
        asked = isinstance(job.step, Measuring) and job.step.request
        known = asked and any(one.get("request") == asked for one in records.values())
        differing = named(found, job, self.fresh.steps.catalogue)
        return Cause("differs", (), nearest, differing, again, bool(known))

    def _scorable(self, job: Job) -> bool:
        return any(
            cell.name == job.about and self.fresh.scorable(cell) for cell in self.fresh.steps.cells
        )

    def _nearest(
        self, job: Job, records: Mapping[Path, dict[str, Any]]
    ) -> tuple[Path, tuple[Difference, ...]]:
        """The record that differs least from a job's; the most recent of several."""
        found = [
            (path, differences(record, job.step.depends_on)) for path, record in records.items()
        ]
        return min(
            found,
            key=lambda one: (*weight(one[1]), -(self.root / one[0]).stat().st_mtime_ns, one[0]),
        )

    def _outputs(self, job: Job) -> list[Path]:
        """The outputs of a job whose existence is checked."""
        if job.rule in ASKING:
            return [job.output, job.output.with_name(layout.REQUESTS)]
        if job.rule == "score":
            return [job.output, layout.requests_of(job.output)]
        if job.rule in TABLES:
            files = (self._content(_lock(job)) or {}).get("files")
            names = files if isinstance(files, dict) else {}
            return [_lock(job), *(layout.written(name) for name in names)]
        return [job.output]

    def _altered(self, job: Job, outputs: list[Path]) -> tuple[Path, ...]:
        """The outputs that were altered."""
        if job.rule in ("measure", "score", *TABLES):
            return tuple(path for path in outputs if path in self.fresh.altered)
        return (layout.lock_beside(job.output),) if broken_lock(self.root, job) else ()

    def _was_there(self, job: Job, outputs: list[Path], records: Mapping[Path, Any]) -> bool:
        """True if something else on the disk shows that a missing output once existed."""
        if records and job.rule in ("score", *TABLES):
            return False  # it exists, built from other inputs
        if job.rule in TABLES:
            files = [layout.table(TABLES[job.rule], end) for end in ("parquet", "html")]
            return any((self.root / file).exists() for file in files)
        if job.rule == "score":
            return job.about in self._tabled or any((self.root / path).exists() for path in outputs)
        if job.rule == "measure":
            return not records and job.about in self._tabled
        return job.step.identity in self._read_by(job)

    def _changed_inputs(self, job: Job) -> tuple[str, ...]:
        """The inputs of a current result that have changed on disk."""
        if job.rule in ("aggregate", "compare"):
            listed = _block((self._content(_lock(job)) or {}).get("cells"))
            found = self.fresh.cells_now()
            return tuple(
                sorted(name for name in listed | found if listed.get(name) != found.get(name))
            )
        return ("measurement",) if job.rule == "score" else ("study", "comparisons")

    def _earlier(self, job: Job) -> dict[Path, dict[str, Any]]:
        """The records of all results for the same names, including the job's own."""
        if job.rule in TABLES:
            paths = [_lock(job)]
        elif job.rule == "score":
            paths = [job.output]
        else:
            name = layout.MEASUREMENT if job.rule in ASKING else locks.NAME
            found = (self.root / job.output.parent.parent).glob(f"*/{name}")
            paths = sorted(path.relative_to(self.root) for path in found)
        records = {path: record for path in paths if (record := self._record(path))}
        if job.rule == "measure":
            # It may have been deleted after scoring; the cell has its record.
            cell = layout.scored_of(job.output)
            scored = _block((self._record(cell) or {}).get("upstream")).get("measurement")
            digests = [record.get("digest") for record in records.values()]
            if isinstance(scored, dict) and scored.get("digest") not in digests:
                records[cell] = scored
        return records

    def _record(self, path: Path) -> dict[str, Any] | None:
        """The recorded identity of a result; None if it has none."""
        content = self._content(path) or {}
        holder = content.get("spec") if path.name == layout.MEASUREMENT else content
        if isinstance(found := _block(holder).get("identity"), dict):
            return found
        if "pins" in content:
            spec = {name: content.get(name) for name in ("name", "pins", "python")}
            return {"rule": "environment", "digest": path.parent.name, "spec": spec}
        return None

    def _content(self, path: Path) -> dict[str, Any] | None:
        """A result's JSON; None if it is missing or altered."""
        try:
            if path.name == locks.NAME:
                found = read_json(self.root / path)
                return found if isinstance(found, dict) else None
            return checksums.read((self.root / path).read_bytes())
        except (OSError, UserError, RecursionError):
            return None

    def _read_by(self, job: Job) -> set[str]:
        """The digests of the inputs of earlier results, for the jobs that need this one."""
        readers = [one for one in self._running.values() if _needs(one, job)]
        measurements = [one.reads["measurement"] for one in readers if "measurement" in one.reads]
        records = (
            record for one in (*readers, *measurements) for record in self._records(one).values()
        )
        return {digest for record in records for digest in _digests(record)}

    @cached_property
    def _tabled(self) -> set[str]:
        """The cells from which a table was built."""
        locks = (self._content(layout.lock(name)) for name in TABLES.values())
        return {name for lock in locks for name in _block((lock or {}).get("cells"))}


def _lock(job: Job) -> Path:
    """The lock of a table or of the report."""
    return layout.lock(TABLES[job.rule])


def _needs(job: Job, other: Job) -> bool:
    """True if a job depends on another, directly or not."""
    return any(one.output == other.output or _needs(one, other) for one in job.reads.values())


def _block(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _digests(record: Any) -> Iterator[str]:
    """The digests of everything upstream of a record."""
    yield from map(str, _block(_block(record).get("fetched")).values())
    for one in _block(_block(record).get("upstream")).values():
        yield str(_block(one).get("digest"))
        yield from _digests(one)
