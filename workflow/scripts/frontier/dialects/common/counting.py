"""The number of tokens that arrived with each chunk: a chunk is not a token.

A server may name the tokens of each chunk, or count them so far; both are exact. Otherwise there is
only the number of all, which is shared out by the texts of the chunks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from frontier.dialects.common.streams import Stream, Timed
from frontier.requests import CountedBy

Count = Callable[[str], int]
"""The number of tokens of a text."""
SLACK = 1
"""Servers count the token that ends a text, or do not."""
SHARE = 0.01
"""A text has several tokenizations, of which a model may have generated another."""
MARKS = 4
"""Tokens around thoughts, which a server leaves out of their text."""


def tokens(
    stream: Stream, count: Count | None, stop: Sequence[str]
) -> tuple[list[int], CountedBy, str | None]:
    """The tokens of each piece of a stream, the source of their number, and a doubt.

    `count`: the checkpoint's tokenizer, if there is one. The doubt is a disagreement of the counts
    by more than the token that ends a text and those of a stop text, which may be counted or not.
    Thoughts that an endpoint counts and does not show were there with the first token that it does.
    Raises ValueError if nothing tells the number of tokens.
    """
    said = stream.counts.completion
    written = "".join(one.piece.thinking + one.piece.text for one in stream.pieces)
    exact = _by_ids(stream.pieces) or _by_counts(stream.pieces)
    seen = sum(exact) if exact else count(written) if count else None
    total = said if said is not None else seen
    if total is None or (seen is None and said is None):
        raise ValueError("nothing tells the number of tokens: no usage, and no tokenizer here")
    hidden = 0 if exact else _hidden(stream)
    shown = total - hidden
    doubt = None
    if seen is not None and abs(seen - shown) > _slack(stream, shown, count, stop):
        doubt = f"counts: {shown} tokens by the server, {seen} by what it sent"
    elif seen is None and shown > len(stream.pieces) + len(written.encode()):
        doubt = f"counts: {shown} tokens by the server, for {len(written)} characters"
    elif seen is None and _chunks(stream) - shown > _slack(stream, shown, count, stop):
        doubt = f"counts: {shown} tokens by the server, in {_chunks(stream)} chunks"
    each = _with_sum(exact or _by_text(stream, count, shown), shown)
    first = next((place for place, tokens in enumerate(each) if tokens), len(each) - 1)
    each[first] += hidden
    by: CountedBy = "tokenizer" if said is None and not exact else "usage"
    return each, by, doubt


def _hidden(stream: Stream) -> int:
    """The number of thoughts' tokens of which no event had a part."""
    shown = any(one.piece.thinking for one in stream.pieces)
    counts = stream.counts
    return 0 if shown else min(counts.thinking or 0, counts.completion or 0)


def _chunks(stream: Stream) -> int:
    """The number of chunks with a part of the text or of thoughts: each has a token, or more."""
    return sum(bool(one.piece.text or one.piece.thinking) for one in stream.pieces)


def _slack(stream: Stream, total: int, count: Count | None, stop: Sequence[str]) -> float:
    """The largest difference between counts that is no disagreement."""
    ends = max((count(text) for text in stop), default=0) if count else 0
    marks = MARKS if any(one.piece.thinking for one in stream.pieces) else 0
    return max(SLACK, SHARE * total) + ends + marks


def _by_ids(pieces: Sequence[Timed]) -> list[int] | None:
    """The tokens of each piece by their ids; None if a piece with text has none."""
    if any(one.piece.ids is None and (one.piece.text or one.piece.thinking) for one in pieces):
        return None
    if not any(one.piece.ids for one in pieces):
        return None
    return [len(one.piece.ids or ()) for one in pieces]


def _by_counts(pieces: Sequence[Timed]) -> list[int] | None:
    """The tokens of each piece by the counts so far; None if some piece with text has none."""
    each, before = [], 0
    for one in pieces:
        counts = one.piece.counts
        if counts is None or counts.completion is None:
            if one.piece.text or one.piece.thinking:
                return None
            each.append(0)
            continue
        each.append(counts.completion - before)
        before = counts.completion
    return each if before and min(each) >= 0 else None


def _by_text(stream: Stream, count: Count | None, total: int) -> list[int]:
    """The tokens of each piece by its text: one each, if there are as many.

    Otherwise by the tokenizer: a token may begin in one chunk and end in the next, so each text up
    to a chunk is counted. Without one, in equal parts.
    """
    texts = [one.piece.thinking + one.piece.text for one in stream.pieces]
    shown = [place for place, text in enumerate(texts) if text]
    if total in (len(shown), len(shown) + (stream.finish == "stop")) or not shown:
        return [int(bool(text)) for text in texts]
    each = [0] * len(texts)
    if count is None:
        for turn in range(total):
            each[shown[turn * len(shown) // total]] += 1
        return each
    before, so_far = 0, ""
    for place in shown:
        so_far += texts[place]
        now = max(before, count(so_far))
        each[place], before = now - before, now
    each[shown[0]] = max(each[shown[0]], 1)  # a first text is a first token
    return each


def _with_sum(each: list[int], total: int) -> list[int]:
    """The counts with the sum `total`: the last piece gets what is missing, or gives first.

    What no text shows belongs to the end: the token that ends a text, and those of a stop text.
    """
    found, missing = list(each), total - sum(each)
    for place in reversed(range(len(found))):
        change = max(missing, -found[place])
        found[place] += change
        missing -= change
    return found
