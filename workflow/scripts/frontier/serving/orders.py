"""The order that says what a supervisor starts, as a line of JSON."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Order:
    """A server to start."""

    arguments: list[str]
    environment: dict[str, str]
    mark: str
    log: str
    folder: str
    """Removed when the server has ended."""
    key: str = ""
    """A digest of all that decides whether a later cell needs the same server."""
    keep_at: str = ""
    """The socket at which it may wait; empty if it may not."""
    keep_s: float = 0.0
    """The time for which it does."""
    memory_bytes: int | None = None
    """Its processes are killed when they use more."""
    secrets: list[str] = field(default_factory=list)
    """Texts that do not stay in the log."""
    last: list[list[str]] = field(default_factory=list)
    """Commands that are run in the end, such as those that remove a container."""

    def line(self) -> bytes:
        """The order as the supervisor reads it."""
        return json.dumps(asdict(self)).encode() + b"\n"


def read_order() -> tuple[Order, bytes] | None:
    """The order from standard input and what follows it; None if it was closed before."""
    content = b""
    while b"\n" not in content:
        part = os.read(0, 1 << 16)
        if not part:
            return None
        content += part
    line, _, rest = content.partition(b"\n")
    given: dict[str, Any] = json.loads(line)
    return Order(**given), rest
