"""The HTTP client of served models, with exact times, in a process of its own.

`Client` plays calls and returns their bytes, each read with its time. Nothing is parsed meanwhile
but the framing of HTTP; `events` reads the streams afterwards. All times are nanoseconds of
`time.perf_counter_ns`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

Kind = Literal[
    "unresolved",
    "refused",
    "unreachable",
    "certificate",
    "tls",
    "connect-timeout",
    "first-byte-timeout",
    "read-timeout",
    "timeout",
    "reset",
    "closed",
    "cut",
    "redirect",
    "malformed",
    "too-large",
]
"""closed: ended by the server before the first byte; cut: ended by it in the middle."""


@dataclass(frozen=True)
class Call:
    """A request to send."""

    id: str
    path: str
    """Appended to the path of the client's URL; with a query, if any."""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Besides Host, Content-Length, Accept-Encoding; never printed: it may hold a key."""
    body: bytes = field(default=b"", repr=False)
    due_ns: int = 0
    """The time at which it is due; one that has passed means at once."""
    method: Literal["GET", "POST"] = "POST"
    root: str | None = None
    """The path before its own, if not that of the client's URL."""


@dataclass(frozen=True)
class Limits:
    """The limits of each call, in seconds and bytes."""

    connect_s: float = 10.0
    """The limit for the connection, TLS included."""
    first_byte_s: float = 600.0
    """The limit from sending to the first byte of the response."""
    between_s: float = 120.0
    """Between two reads."""
    whole_s: float = 3600.0
    """The limit from sending to the end."""
    body_bytes: int = 64 * 2**20


class Read(NamedTuple):
    """Bytes of a body that were read together, without the framing."""

    ns: int
    """The time at which the last of them arrived, by the kernel, or were read, if it gives none."""
    data: bytes
    late_ns: int
    """A bound: the first of them may have arrived up to this long before."""


@dataclass(frozen=True)
class Failure:
    """The reason why a call has no complete response."""

    kind: Kind
    message: str
    """One line, without anything secret."""


@dataclass(slots=True)
class Outcome:
    """The fate of a call, and the limits of its times."""

    due_ns: int = 0
    """The time at which it was due; for a call that was due at once, the start of the play."""
    sent_ns: int = 0
    """The time immediately before its first byte was sent; 0 if it was not sent."""
    sending_ns: int = 0
    """The time until the kernel had accepted the first bytes."""
    fresh: bool = False
    """Whether no connection was open when it was due, so that one was opened."""
    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    """Names in lower case; repeated ones are joined by commas."""
    first_byte_ns: int = 0
    """The time at which the first byte of the response, headers included, arrived; 0 if none."""
    reads: list[Read] = field(default_factory=list)
    end_ns: int = 0
    """The time at which the last byte arrived, or the call failed."""
    late_ns: int = 0
    """A bound: the end may have been up to this long before `end_ns`."""
    failure: Failure | None = None

    def bounds(self, times_ns: Iterable[int]) -> tuple[int, ...]:
        """The bounds of the errors of the start and of these times, of which each is a read's.

        The start may have been up to its bound later, the others up to theirs earlier.
        """
        late: dict[int, int] = {}
        for read in self.reads:
            late[read.ns] = max(late.get(read.ns, 0), read.late_ns)
        return (self.sending_ns, *(late[ns] for ns in times_ns))

    @property
    def body(self) -> bytes:
        """The whole body."""
        return b"".join(read.data for read in self.reads)


@dataclass(slots=True, kw_only=True)
class Exchange(Outcome):
    """A call with its outcome."""

    call: Call
