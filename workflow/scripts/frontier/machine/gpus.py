"""The GPUs that a job has to itself, and sees."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from frontier.host import leases
from frontier.machine import hardware
from frontier.machine.visible_gpus import VARIABLE


@contextmanager
def reserved(user: str, gpu: str | None, count: int) -> Iterator[list[str]]:
    """Hold `count` GPUs whose name contains `gpu`, and let CUDA see no others, in this block.

    Gives their ids; a job that holds none sees none. Waits while other jobs of ours hold them.
    Raises UserError where the host has not as many, or others use them.
    """
    if not count:
        os.environ[VARIABLE] = ""
        yield []
        return
    fitting = {one.uuid: one.name for one in hardware.fitting(user, gpu, count)}
    with leases.leased(user, fitting, count, hardware.foreign_use) as held:
        os.environ[VARIABLE] = ",".join(held)
        yield held
