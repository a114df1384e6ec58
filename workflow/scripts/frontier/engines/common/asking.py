"""An exchange with a server as its answer, or as the reason why there is none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from frontier.client import Exchange, events
from frontier.dialects import BrokenError, Protocol
from frontier.dialects.common.errors import Meaning, refusal
from frontier.dialects.common.streams import Stream, read
from frontier.engines.common.stopping import Written
from frontier.errors import Reason
from frontier.requests import Generate, Generation

OK = 200
AGAIN = ("refused", "reset", "closed", "connect-timeout", "unreachable")
"""Failures before the first byte that may pass."""
REFUSED = ("unresolved", "certificate", "tls", "redirect")
"""Failures that every other request would meet as well."""
LONGEST_WAIT_S = 60.0


@dataclass(frozen=True)
class NoAnswer:
    """The reason why an exchange has no answer."""

    meaning: Meaning
    reason: Reason
    retry_after_s: float | None = None
    broken: bool = False
    """Whether the connection broke, as it does when a server ends."""

    def wait_s(self, attempt: int) -> float:
        """The time until the next attempt: as the server says, else 1 s, 2 s, 4 s, …"""
        if self.retry_after_s is not None:
            return self.retry_after_s
        return min(2.0**attempt, LONGEST_WAIT_S)


def answered(exchange: Exchange, protocol: Protocol) -> Stream | NoAnswer:
    """The answer in an exchange, or why there is none."""
    if exchange.status != OK:
        return failed(exchange)
    failure = exchange.failure
    try:
        return read(events.parse(exchange.reads), protocol, whole=failure is None)
    except BrokenError as error:
        how = f" ({failure.message})" if failure else ""
        return NoAnswer("failed", f"{error}{how}", broken=failure is not None)


def failed(exchange: Exchange) -> NoAnswer:
    """The reason why an exchange failed; `again` only before the first byte of an answer."""
    failure, status = exchange.failure, exchange.status
    if failure and failure.kind in REFUSED:
        return NoAnswer("refused", failure.message)
    if status is None:
        again = failure is not None and failure.kind in AGAIN and not exchange.first_byte_ns
        reason = failure.message if failure else "no response"
        return NoAnswer("again" if again else "failed", reason, broken=True)
    if failure:
        return NoAnswer("failed", failure.message, broken=True)
    found = refusal(status, exchange.headers, exchange.body)
    return NoAnswer(found.meaning, found.reason, found.retry_after_s)


def not_as_asked(read: Generation, request: Generate, own: int | None) -> NoAnswer | None:
    """The reason why an answer is none to its request; None if it is.

    `own`: the prompt's tokens by the checkpoint's tokenizer, if known. A server may have read less
    of the prompt than that, generated more than it was allowed to, or stopped for want of room.
    """
    most = request.max_new_tokens
    if own is not None and read.prompt_tokens < own - 1:
        return NoAnswer(
            "too-long", f"the server read {read.prompt_tokens} of the prompt's {own} tokens"
        )
    if read.tokens > most:
        return NoAnswer("failed", f"{read.tokens} tokens, more than the {most} asked for")
    if read.finish_reason == "length" and read.tokens < most - 1:
        return NoAnswer("failed", f"cut off after {read.tokens} of {most} tokens")
    return None


def cut(read: Generation, stop: Sequence[str]) -> Generation:
    """An answer up to the first of its stop texts."""
    written = Written(read.text)
    finish = read.finish_reason if written.cut(stop) is None else "stop"
    return replace(read, text=written.answer(stop), finish_reason=finish)


def named_alike(reported: str, asked: str) -> bool:
    """True if a model's name in an answer is the one asked for, or a dated version of it."""
    found, wanted = (name.rpartition("/")[2] for name in (reported, asked))
    return found == wanted or any(found.startswith(wanted + mark) for mark in "-@:")


def without_key(text: str, headers: Mapping[str, str]) -> str:
    """The text without what the headers have, a key, which an endpoint may repeat."""
    for value in headers.values():
        secret = value.removeprefix("Bearer ")
        text = text.replace(secret, "[key]") if secret else text
    return text
