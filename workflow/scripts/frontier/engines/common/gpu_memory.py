"""Memory on GPUs by processes, as the driver counts it."""

from __future__ import annotations

from collections.abc import Collection

from frontier.machine.hardware import MAKERS


def held(accelerator: str, pids: Collection[int]) -> int | None:
    """Bytes that these processes hold on an accelerator's GPUs; None if unknown, or without any."""
    return MAKERS[accelerator].held(pids) if accelerator in MAKERS else None
