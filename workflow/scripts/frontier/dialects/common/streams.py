"""A stream of events, read into what it answers; or the reason why it is not an answer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from frontier.client.events import Event, Events
from frontier.dialects import BrokenError, Counts, Piece, Protocol, WithheldError
from frontier.dialects.common.errors import filtered, message_of
from frontier.errors import one_line
from frontier.requests import WITHHELD
from frontier.text import shown
from frontier.unicode import parse_json

DONE = "[DONE]"
FINISHED = {
    "stop": "stop", "eos": "stop", "eos_token": "stop", "stop_sequence": "stop", "end_turn": "stop",
    "stop_str": "stop", "length": "length", "max_tokens": "length", "max_output_tokens": "length",
    **dict.fromkeys(("content_filter", "content_filtered", "guardrail_intervened"), WITHHELD),
    **dict.fromkeys(("refusal", "safety", "prohibited_content", "blocklist", "spii"), WITHHELD),
}  # fmt: skip
"""Servers' reasons for the end of an answer, in lower case, and ours. The words of filters other
than `content_filter` (Amazon's, Anthropic's, Google's) were not tried with their servers."""


class Timed(NamedTuple):
    """A piece of an answer with its times, as its event has them."""

    ns: int
    late_ns: int
    """A bound: it may have arrived up to this long before."""
    piece: Piece


@dataclass
class Stream:
    """A whole answer."""

    pieces: list[Timed] = field(default_factory=list)
    """Those with text, thoughts, tokens or the end."""
    finish: str = ""
    """Ours: stop, length or content_filter."""
    counts: Counts = field(default_factory=Counts)
    """The last that the server gave."""
    models: list[str] = field(default_factory=list)
    """The names of the model that it gave, each once."""
    fingerprints: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """All of the answer's text, thoughts of their own field left out."""
        return "".join(timed.piece.text for timed in self.pieces)


def read(events: Events, protocol: Protocol, whole: bool) -> Stream:
    """The answer in a stream; `whole`: its body came to its proper end.

    An answer is complete with `[DONE]` and a reason for its end, or with that reason and the proper
    end of the body. Raises BrokenError for anything else: an error object, invalid JSON or UTF-8,
    an aborted answer, a stream that was cut.
    """
    found, done = Stream(), False
    for event in events.events:
        if event.data.strip() == DONE:
            done = True
            break
        piece = _piece(event, protocol)
        if piece.counts:
            found.counts = piece.counts
        for names, name in ((found.models, piece.model), (found.fingerprints, piece.fingerprint)):
            if name and name not in names:
                names.append(name)
        content = piece.text or piece.thinking or piece.ids or piece.finish
        if content or (_counted(piece) and not found.finish):
            found.pieces.append(Timed(event.ns, event.late_ns, piece))
        if piece.finish:
            found.finish = _finish(piece.finish)
    if events.fault and not done:
        raise BrokenError(events.fault)
    if not events.events:
        raise BrokenError("an empty answer with status 200")
    if not found.finish:
        how = "ended with [DONE]" if done else "was cut"
        raise BrokenError(f"the stream {how} without a reason for the end of the answer")
    if not done and not whole:
        raise BrokenError("the stream was cut before its end")
    return found


def _counted(piece: Piece) -> bool:
    """True if a chunk tells how many tokens there are so far: it may have one without text."""
    return bool(piece.counts and piece.counts.completion)


def _piece(event: Event, protocol: Protocol) -> Piece:
    """The content of one event."""
    try:
        value = parse_json(event.data)
    except (ValueError, RecursionError):
        raise BrokenError(f"malformed JSON in the stream: {shown(event.data)}") from None
    if not isinstance(value, dict):
        raise BrokenError(f"not an event of a stream: {shown(event.data)}")
    if value.get("error") or event.name == "error" or value.get("object") == "error":
        kind = WithheldError if filtered(value) else BrokenError
        raise kind(f"an error within the stream: {message_of(value)}")
    try:
        return protocol.piece(value)
    except (LookupError, TypeError, AttributeError, ValueError) as error:
        shape = f"{type(error).__name__}: {one_line(error)}"
        raise BrokenError(f"an event of another shape ({shape}): {shown(event.data)}") from None


def _finish(reason: str) -> str:
    """Our word for the end. Raises BrokenError for one that is not the end of an answer."""
    if reason.lower() in FINISHED:
        return FINISHED[reason.lower()]
    if reason == "abort":
        raise BrokenError("the server aborted the answer")
    raise BrokenError(f"the answer ended with the unknown reason {shown(reason)}")
