"""Reserves GPUs for a job and hides the others."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from frontier.host import leases
from frontier.machine import hardware
from frontier.machine.visible_gpus import VARIABLE


@contextmanager
def reserved(user: str, gpu: str | None, count: int) -> Iterator[list[str]]:
    """Reserves `count` GPUs whose name contains `gpu`, and hides all others from CUDA.

    Yields their ids; a job without any sees none. Waits while other jobs of ours hold them.
    Raises UserError if the host has too few, or other processes use them.
    """
    if not count:
        os.environ[VARIABLE] = ""
        yield []
        return
    fitting = {one.uuid: one.name for one in hardware.fitting(user, gpu, count)}
    with leases.leased(user, fitting, count, hardware.foreign_use) as held:
        os.environ[VARIABLE] = ",".join(held)
        yield held
