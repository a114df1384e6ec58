"""Adoption of earlier measurements as current after an update of the code or of packages.

An adopted measurement is a copy of the earlier one at the current one's place, with a note in each
of its sessions: the earlier identity, the time, the reason and the differences. The original stays
unchanged, so deleting the copy undoes the adoption.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import filelock
from pydantic import JsonValue

from frontier.errors import UserError
from frontier.explaining.difference_lines import line, lines
from frontier.explaining.differences import Difference, differences, leaves, of_an_update, weight
from frontier.explaining.keys import named
from frontier.host.files import write_bytes
from frontier.planning.cells import Cell
from frontier.planning.jobs import Jobs
from frontier.planning.steps import Steps
from frontier.results import checksums, layout, measurement
from frontier.results.layout import MEASUREMENT, REQUESTS
from frontier.results.records import rebind
from frontier.results.session import Adoption, Session
from frontier.text import visible
from frontier.values import sha256


@dataclass(frozen=True)
class Candidate:
    """An earlier measurement of a cell that differs from the current one in code or versions."""

    cell: Cell
    folder: Path
    differs: tuple[Difference, ...]

    @property
    def reasons(self) -> list[str]:
        """The differences, each in one line; those of an input after its name."""
        return list(lines(self.differs))

    @property
    def beyond(self) -> list[str]:
        """The reasons that no update of the code or of packages can cause."""
        return [
            f"{where}{line(one)}"
            for where, one in leaves(self.differs)
            if not of_an_update(where, one)
        ]


def candidate(steps: Steps, cell: Cell, root: Path = Path()) -> Candidate:
    """The closest earlier measurement of a cell that can be adopted.

    Raises UserError if there is none, with the differences of the closest one.
    """
    if not cell.planned:
        raise UserError(f"{cell.place.summary}: is left out ({cell.outcome}): nothing to adopt")
    place = root / steps.measurement(cell)
    if place.exists():
        raise UserError(
            f"{cell.place.summary}: its measurement is current, there is nothing to adopt"
        )
    job = Jobs(steps).measure(cell)
    found = [
        Candidate(
            cell,
            path.parent,
            named(differences(identity, job.step.depends_on), job, steps.catalogue),
        )
        for path in layout.measurements_of(root / cell.place.summary)
        if (identity := _identity(path)) is not None
    ]
    if not found:
        raise UserError(
            f"{cell.place.summary}: no earlier measurement of it is complete and in this layout"
        )
    nearest = min(found, key=lambda one: weight(one.differs))
    if refused := nearest.beyond:
        words = "; ".join(refused[:3])
        raise UserError(
            f"{cell.place.summary}: more than code and versions differs: {visible(words, 400)}"
        )
    _check_sample(steps, nearest, root)
    return nearest


def _identity(path: Path) -> JsonValue:
    """The recorded identity of a measurement; None if it is incomplete or in another layout."""
    found, requests = measurement.unaltered(path.read_bytes()), path.with_name(REQUESTS)
    if found is None or not requests.exists() or sha256(requests) != found.requests_sha256:
        return None
    return found.spec.get("identity")


def _check_sample(steps: Steps, found: Candidate, root: Path) -> None:
    """Raises UserError unless the current sample is the one that was measured."""
    task = found.cell.task
    identity = steps.sample(task).identity
    earlier = measurement.read(found.folder / MEASUREMENT)
    if earlier.identity and earlier.identity.inputs.get("sample") == identity:
        return
    sample = layout.sample(task, identity)
    if not (root / sample).exists():
        raise UserError(
            f"{found.cell.place.summary}: the code that draws samples differs too; draw it first: "
            f"snakemake --cores 1 {sample}"
        )
    if sha256(root / sample) != earlier.sample_sha256:
        raise UserError(f"{found.cell.place.summary}: {sample} is not the sample that was measured")


def adopt(steps: Steps, found: Candidate, because: str, root: Path = Path()) -> Path:
    """Writes the adopted copy; returns its measurement.json.

    Raises UserError if the original is altered meanwhile, or another process measures the cell.
    """
    earlier = measurement.read(found.folder / MEASUREMENT)
    before = earlier.identity.digest if earlier.identity else ""
    now = json.loads(steps.measure(found.cell).spec_with_identity)["identity"]
    note = Adoption.of(
        {
            "from": before,
            "when": datetime.now(UTC).isoformat(timespec="seconds"),
            "because": because,
            "differs": found.reasons,
        }
    )
    path = root / steps.measurement(found.cell)
    requests = (found.folder / REQUESTS).read_bytes()
    try:
        requests = rebind(requests, before, now["digest"])
    except ValueError as error:
        raise UserError(f"{found.folder / REQUESTS}: {error}") from None
    with _unmeasured(path.parent):
        write_bytes(path.with_name(REQUESTS), requests)
        changed = {
            "spec": earlier.spec | {"identity": now},
            "sessions": tuple(_noted(session, note) for session in earlier.sessions),
            "requests_sha256": hashlib.sha256(requests).hexdigest(),
            "copied_from": before,
        }
        # Last: without it there is no measurement.
        checksums.write(path, earlier.model_copy(update=changed).as_json())
    return path


def _noted(session: Session, note: Adoption) -> Session:
    return session.model_copy(update={"adopted": (*session.adopted, note)})


def _unmeasured(folder: Path) -> filelock.BaseFileLock:
    """The lock of a cell's journal. Raises UserError if a process is measuring the cell."""
    folder.mkdir(parents=True, exist_ok=True)
    if (folder / layout.JOURNAL).exists():
        raise UserError(f"{folder}: is partly measured already; the next run continues it")
    return filelock.FileLock(folder / layout.JOURNAL_LOCK, timeout=0)


def undo(cells: Iterable[Cell], root: Path = Path()) -> list[Path]:
    """Deletes the adopted copies of cells, and their scores; returns the deleted paths.

    Raises UserError, deleting nothing, if a measurement continued from an adopted one.
    """
    copies: list[Path] = []
    for cell in cells:
        for path in layout.measurements_of(root / cell.place.summary):
            found = measurement.unaltered(path.read_bytes())
            if not found or not found.adopted:
                continue
            if found.copied_from is None:
                raise UserError(
                    f"{path.parent}: contains new requests as well as adopted ones; delete it to "
                    "measure all of them"
                )
            copies.append(path.parent)
    for folder in copies:
        summary = layout.scored_of(folder / MEASUREMENT)
        for file in (summary, layout.requests_of(summary)):
            file.unlink(missing_ok=True)
        shutil.rmtree(folder)
    return copies
