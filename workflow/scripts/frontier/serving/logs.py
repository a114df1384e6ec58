"""The output of a server: its last lines in messages, and what they say about how it ended."""

from __future__ import annotations

import mmap
import re
from collections.abc import Sequence
from pathlib import Path

from frontier.text import visible

LINES = 5
LONGEST_LINE = 160
TAIL_BYTES = 1 << 16
MEMORY = re.compile(
    r"out of memory|OutOfMemory|cannot allocate memory|can't allocate memory|bad_alloc"
    r"|unable to allocate|failed to allocate|MemoryError|no available memory for the cache"
    r"|insufficient memory|not enough memory",
    re.IGNORECASE,
)
"""Words by which servers say that their memory was too small."""


def tail(path: Path, secrets: Sequence[str] = (), start: int = 0) -> str:
    """The end of a log from byte `start` on, without its secrets."""
    try:
        with path.open("rb") as file:
            file.seek(max(start, path.stat().st_size - TAIL_BYTES))
            text = file.read().decode(errors="replace")
    except OSError:
        return ""
    for secret in filter(None, secrets):
        text = text.replace(secret, "***")
    return text


def last_lines(text: str, count: int = LINES) -> str:
    """The last lines that say something, as one line."""
    lines = [line for one in text.splitlines() if (line := " ".join(one.split()))]
    if not lines:
        return "its log is empty"
    return "its log ends: " + " | ".join(visible(line, LONGEST_LINE) for line in lines[-count:])


def lacks_memory(text: str) -> bool:
    """True if the end of a log says that there was too little memory."""
    return bool(MEMORY.search(text))


def oom_kills() -> int | None:
    """The processes that this kernel has killed for lack of memory; None if it does not count."""
    try:
        counters = Path("/proc/vmstat").read_text(encoding="ascii")
    except OSError:
        return None
    found = re.search(r"^oom_kill (\d+)$", counters, re.MULTILINE)
    return int(found[1]) if found else None


def erase(path: Path, secret: bytes) -> None:
    """Overwrites each occurrence of a text in a file."""
    if not path.exists() or not path.stat().st_size or not secret:
        return
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as content:
        at = content.find(secret)
        while at >= 0:
            content[at : at + len(secret)] = b"*" * len(secret)
            at = content.find(secret, at + len(secret))
