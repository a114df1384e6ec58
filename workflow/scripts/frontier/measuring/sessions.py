"""Sessions: a process that works on a measurement, and its facts from the start."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from frontier.machine import hardware, packages
from frontier.measuring import contention
from frontier.results.journal import Journal
from frontier.results.records import Record
from frontier.results.session import Loaded, Session


def here(request: str | None, weights_sha256: str | None, references: Iterable[str]) -> Session:
    """The start of this process, its requests' identity, its weights, machine and packages.

    `references`: the code's references outside the project, whose packages are recorded.
    A job may give different weights from the same inputs, so these have a digest as well. Its
    number is 0, until a journal gives it another.
    """
    return Session(
        session=0,
        started=datetime.now(UTC).isoformat(timespec="microseconds"),
        request=request,
        weights_sha256=weights_sha256,
        hardware=hardware.describe(),
        packages=packages.versions(references),
    )


def loaded_in(journal: Journal, session: int | None, records: Sequence[Record]) -> dict[str, Any]:
    """The facts of a measurement from the session that loaded, if any, and over all sessions."""
    if session is None:
        return {"memory": None}
    run = journal.facts[session].loaded
    facts = {name: one for name, one in run.given().items() if name in Loaded.model_fields}
    if run.load_average:
        facts["contention"] = contention.summary(journal, records, run.load_average)
    return {**facts, "memory": journal.peaks(), "loaded_in": session}
