"""Server-sent events, from bytes with the times at which they were read.

Source: WHATWG, "HTML Living Standard", section "Server-sent events",
https://html.spec.whatwg.org/multipage/server-sent-events.html. Unlike there, an event without a
blank line behind it counts if the stream ends, and bytes that are not UTF-8 are a fault.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import NamedTuple

from frontier.client import Read

_LINE = re.compile(rb"([^\r\n]*)(\r\n|\n|\r|\Z)")
_BOM = b"\xef\xbb\xbf"


class Event(NamedTuple):
    """An event, with the time of the read that completed it."""

    name: str
    """Its type; empty if it has none."""
    data: str
    ns: int
    late_ns: int
    """A bound: it may have been complete up to this long before."""
    read: int
    """The index of that read; several events may share it."""


@dataclass(frozen=True)
class Events:
    """The events of a stream."""

    events: tuple[Event, ...]
    fault: str | None
    """The reason why nothing was read behind the last event; None if all was."""


def parse(reads: Sequence[Read]) -> Events:
    """The events in the bytes of a stream, which do not depend on how these were split."""
    ends = list(accumulate(len(read.data) for read in reads))
    events: list[Event] = []
    for end, name, data in _blocks(b"".join(read.data for read in reads)):
        index = bisect_right(ends, end)
        try:
            event = Event(
                name.decode(), data.decode(), reads[index].ns, reads[index].late_ns, index
            )
        except UnicodeDecodeError as error:
            fault = f"event {len(events) + 1} is not UTF-8: {error.reason} at byte {error.start}"
            return Events(tuple(events), fault)
        events.append(event)
    return Events(tuple(events), None)


def _blocks(stream: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """The offset of the byte that completes an event, its name and data, for those with data."""
    name, data = b"", []
    start = len(_BOM) if stream.startswith(_BOM) else 0
    for line in _LINE.finditer(stream, start):
        field, _, value = line[1].partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data" and line[1]:
            data.append(value)
        elif field == b"event":
            name = value
        ended = line.start() == line.end() == len(stream)
        if not line[1] and (line[2] or ended):
            if data:
                # Of a line end of two bytes, the first one completes it.
                yield min(line.start(2), len(stream) - 1), name, b"\n".join(data)
            name, data = b"", []
