"""Reserves GPUs for a job and hides the others."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from frontier.host import leases
from frontier.machine import hardware


@contextmanager
def reserved(
    user: str, gpu: str | None, count: int, accelerator: str = "cuda"
) -> Iterator[list[str]]:
    """Reserves `count` GPUs whose name contains `gpu`, and hides all others.

    Yields their ids; a job without any sees none. Waits while other jobs of ours hold them.
    Raises UserError if the host has too few, or other processes use them.
    """
    if not count:
        _hide_all()
        yield []
        return
    maker = hardware.maker(accelerator)
    fitting = {one.uuid: one for one in hardware.fitting(user, gpu, count, accelerator)}
    names = {uuid: one.name for uuid, one in fitting.items()}
    with leases.leased(user, names, count, partial(hardware.foreign_use, maker)) as held:
        _hide_all()
        maker.show([fitting[uuid].shown_as for uuid in held])
        yield held


def _hide_all() -> None:
    """Leaves no maker's GPUs visible."""
    for one in hardware.MAKERS.values():
        one.hide()
