"""Sessions: a process that works on a measurement, and its facts from the start."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from frontier.machine import hardware, packages, surroundings
from frontier.results.session import Session


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
        surroundings=surroundings.describe(),
    )
