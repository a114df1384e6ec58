"""Sessions: a process that works on a measurement, and its facts from the start."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from frontier.machine import hardware, packages


def here(
    request: str | None, weights_sha256: str | None, references: Iterable[str]
) -> dict[str, Any]:
    """The start of this process, its requests' identity, its weights, machine and packages.

    `references`: the code's references outside the project, whose packages are recorded.
    A job may give different weights from the same inputs, so these have a digest as well.
    """
    return {
        "started": datetime.now(UTC).isoformat(timespec="microseconds"),
        "request": request,
        "weights_sha256": weights_sha256,
        "hardware": hardware.describe(),
        "packages": packages.versions(references),
    }
