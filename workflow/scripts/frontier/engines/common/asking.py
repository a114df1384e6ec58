"""An exchange with a server as its answer, or as the reason why there is none."""

from __future__ import annotations

import re
from dataclasses import dataclass

from frontier.client import Exchange, events
from frontier.dialects import BrokenError, Protocol, WithheldError
from frontier.dialects.common.errors import Meaning, refusal
from frontier.dialects.common.streams import Stream, read
from frontier.errors import Reason
from frontier.requests import Generate, Generation

OK = 200
AGAIN = ("refused", "reset", "closed", "connect-timeout", "unreachable")
"""Failures before the first byte that may pass."""
REFUSED = ("unresolved", "certificate", "tls", "redirect")
"""Failures that every other request would meet as well."""
LONGEST_WAIT_S = 60.0
TOKENIZATIONS = 2.0
"""Factor by which the tokens of a text may differ from those that were generated."""
DATED = re.compile(r"-\d{3,}(-\d+)*(-preview)?|[@:].*")
"""Endings that endpoints add to the name that was asked for; `-mini` would be another model."""


@dataclass(frozen=True)
class NoAnswer:
    """The reason why an exchange has no answer."""

    meaning: Meaning
    reason: Reason
    retry_after_s: float | None = None
    broken: bool = False
    """Whether the connection broke, as it does when a server ends."""

    @property
    def withheld(self) -> bool:
        """Whether the server's filter let no answer pass, which is an outcome and no fault."""
        return self.meaning == "withheld"

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
    parsed = events.parse(exchange.reads)
    if not (failure or parsed.events or parsed.fault) and exchange.body.strip():
        said = refusal(OK, exchange.headers, exchange.body).reason
        return NoAnswer("invalid", f"not a stream of events; {said}")
    try:
        return read(parsed, protocol, whole=failure is None)
    except BrokenError as error:
        how = f" ({failure.message})" if failure else ""
        meaning: Meaning = "withheld" if isinstance(error, WithheldError) else "failed"
        return NoAnswer(meaning, f"{error}{how}", broken=failure is not None)


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


def not_as_asked(
    read: Generation, request: Generate, own: int | None, stream: Stream, name: str | None = None
) -> NoAnswer | None:
    """The reason why an answer is none to its request; None if it is.

    `own`: the prompt's tokens by the checkpoint's tokenizer, if known. A server may have read less
    of the prompt than that, generated more than it was allowed to, or stopped for want of room.
    `name`: the model's, if answers must have it: another one may have answered.
    """
    most = request.max_new_tokens
    if own is not None and read.prompt_tokens < own - 1:
        return NoAnswer(
            "too-long", f"the server read {read.prompt_tokens} of the prompt's {own} tokens"
        )
    # A text has several tokenizations: the tokenizer's may be another than the one generated.
    factor = TOKENIZATIONS if read.counted_by == "tokenizer" else 1.0
    if read.tokens > most * factor:
        return NoAnswer("failed", f"{read.tokens} tokens, more than the {most} asked for")
    if read.finish_reason == "length" and read.tokens < (most - 1) / factor:
        return NoAnswer("failed", f"cut off after {read.tokens} of {most} tokens")
    if others := [one for one in stream.models if name and not named_alike(one, name)]:
        return NoAnswer("refused", f"asked for {name!r}, answered by {others[0]!r}")
    return None


def named_alike(reported: str, asked: str) -> bool:
    """True if a model's name in an answer is the one asked for, or a dated version of it."""
    found, wanted = (name.rpartition("/")[2] for name in (reported, asked))
    added = found.removeprefix(wanted) if found.startswith(wanted) else None
    return added == "" or (added is not None and DATED.fullmatch(added) is not None)
