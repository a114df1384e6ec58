"""The answer in a stream as a request's own: counted, cut at its stop texts, with its doubts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from frontier.client import Exchange
from frontier.dialects import Counts, Dialect
from frontier.dialects.common.answers import answer
from frontier.dialects.common.streams import Stream
from frontier.engines import Generate, Generation, ServerFacts
from frontier.engines.common.secrecy import concealed
from frontier.engines.common.sending import Sending, Sent
from frontier.engines.common.stopping import Written


def whole(
    stream: Stream, exchange: Exchange, sending: Sending, sent: Sent, request: Generate
) -> Generation:
    """The answer before it is cut. Raises ValueError if nothing tells the number of tokens."""
    said, own = stream.counts.prompt, sent.prompt_tokens
    prompt_tokens = said if said is not None else own or 0
    count = sending.count if sending.prompting else None
    times = exchange.sent_ns, exchange.sending_ns
    return answer(stream, *times, prompt_tokens, count, request.stop)


def cut(read: Generation, request: Generate, headers: Mapping[str, str]) -> Generation:
    """The answer as other engines give it: before its stop text, and without what is secret."""
    written = Written(read.text)
    ended = written.cut(request.stop) is not None
    return replace(
        read,
        text=concealed(written.answer(request.stop), headers),
        thinking=concealed(read.thinking, headers),
        finish_reason="stop" if ended else read.finish_reason,
    )


def with_drafts(read: Generation, counts: Counts, dialect: Dialect) -> Generation:
    """The answer with the numbers of tokens that were drafted and accepted, as far as is known."""
    drafted, accepted = counts.drafted, counts.accepted
    if drafted is None and counts.timed and dialect.drafts == "timings":
        drafted = 0
    if drafted is not None:
        accepted = accepted or 0
    return replace(read, drafted_tokens=drafted, accepted_tokens=accepted)


def cache_doubts(read: Generation, facts: ServerFacts | None) -> Iterator[str]:
    """The doubt whether the prefix cache, according to its setting, is off."""
    if read.cached_tokens and facts and facts.prefix_cache is False:
        yield f"cache: {read.cached_tokens} of its prompt's tokens, from one that is turned off"
