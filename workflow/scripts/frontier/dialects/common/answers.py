"""A stream as the answer to a request: its text, its thoughts, its times and their doubts."""

from __future__ import annotations

from collections.abc import Sequence

from frontier.answers.thoughts import THOUGHT
from frontier.arrivals import Arrival
from frontier.dialects.common.counting import Count, tokens
from frontier.dialects.common.streams import Stream
from frontier.requests import Generation


def answer(
    stream: Stream,
    start_ns: int,
    sending_ns: int,
    prompt_tokens: int,
    count: Count | None,
    stop: Sequence[str],
) -> Generation:
    """The generation of a stream whose request was sent at `start_ns`; not cut at stop texts.

    `sending_ns`: the time that sending took, by which the start may be wrong.
    `prompt_tokens`: the number by the server, or by the checkpoint's tokenizer. The thoughts of a
    reasoning model are its own field's, or between marks in the text. One that did not end has no
    answer. Raises ValueError if nothing tells the number of tokens.
    """
    each, by, doubt = tokens(stream, count, stop)
    arrived = [(one, many) for one, many in zip(stream.pieces, each, strict=True) if many]
    late_ns = [one.late_ns for one, _ in arrived]
    marked = "".join(found[0] for found in THOUGHT.finditer(stream.text))
    thinking = "".join(one.piece.thinking for one in stream.pieces) + marked
    end_ns = stream.pieces[-1].ns - start_ns
    return Generation(
        text=THOUGHT.sub("", stream.text),
        prompt_tokens=prompt_tokens,
        finish_reason=stream.finish,
        start_ns=start_ns,
        arrivals=[Arrival(one.ns - start_ns, many) for one, many in arrived],
        end_ns=end_ns,
        counted_by=by,
        thinking=thinking,
        first_answer_ns=_first_answer(stream, start_ns) if thinking else None,
        cached_tokens=stream.counts.cached,
        doubts=(doubt,) if doubt else (),
        late_ns=(sending_ns, *late_ns, stream.pieces[-1].late_ns),
    )


def _first_answer(stream: Stream, start_ns: int) -> int | None:
    """The arrival of the first text behind the thoughts; None if there was none."""
    marks = list(THOUGHT.finditer(stream.text))
    behind = marks[-1].end() if marks else 0
    length = 0
    for one in stream.pieces:
        length += len(one.piece.text)
        if stream.text[behind:length].strip():
            return one.ns - start_ns
    return None
