"""Whether another run is alive in this folder: the kernel's word, which no kill can make stale."""

from __future__ import annotations

import fcntl
from pathlib import Path
from typing import IO


def alone(path: Path) -> tuple[bool, IO[bytes]]:
    """Whether no other live process has called this for `path`, and the open file that says so.

    Every caller keeps a shared lock for as long as the file stays open, that is for its life, and
    the kernel takes it back however that ends. Whoever gets the exclusive lock first was alone.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    file = path.open("ab")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        first = True
    except BlockingIOError:
        first = False
    fcntl.flock(file, fcntl.LOCK_SH)
    return first, file
