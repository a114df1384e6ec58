"""Streams of events: what is an answer, which tokens came when, and what is none."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frontier.client.events import Event, Events
from frontier.dialects import BrokenError, Dialect, protocol
from frontier.dialects.common.answers import answer
from frontier.dialects.common.streams import Stream, read
from frontier.requests import Generation

DONE = "[DONE]"
MS = 1_000_000


def events(*data: Any, fault: str | None = None) -> Events:
    """Events a millisecond apart, the first after one; JSON but for text."""
    texts = [one if isinstance(one, str) else json.dumps(one) for one in data]
    found = [Event("", text, (at + 1) * MS, at, at) for at, text in enumerate(texts)]
    return Events(tuple(found), fault)


def text(content: str, finish: str | None = None, **more: Any) -> dict[str, Any]:
    """A chunk of completions."""
    own = {key: more.pop(key) for key in ("token_ids",) if key in more}
    return {"choices": [{"index": 0, "text": content, "finish_reason": finish, **own}], **more}


def delta(finish: str | None = None, **content: Any) -> dict[str, Any]:
    """A chunk of a chat."""
    return {"choices": [{"index": 0, "delta": content, "finish_reason": finish}]}


def usage(completion: int, prompt: int = 4, **details: Any) -> dict[str, Any]:
    """The chunk with the counts."""
    return {
        "choices": [],
        "usage": {"prompt_tokens": prompt, "completion_tokens": completion} | details,
    }


def stream(api: str, *data: Any, whole: bool = True) -> Stream:
    """The stream of a protocol."""
    return read(events(*data), protocol(Dialect(api=api)), whole)


def answered(api: str, *data: Any, count: Any = None, stop: Sequence[str] = ()) -> Generation:
    """The answer, sent at 0."""
    return answer(stream(api, *data), 0, 7, 4, count, stop)


def times(found: Generation) -> list[tuple[int, int]]:
    """The arrivals, in milliseconds."""
    return [(one.ns // MS, one.tokens) for one in found.arrivals]


def letters(content: str) -> int:
    """A tokenizer with a token for each letter."""
    return len(content)


def test_the_first_token_is_neither_a_role_nor_an_empty_chunk() -> None:
    """TTFT is that of the third event; the end is that of the reason, not of the counts."""
    found = answered(
        "chat", delta(role="assistant", content=""), delta(), delta(content="a"), delta(content="b"),
        delta("stop"), usage(3), DONE,
    )  # fmt: skip
    assert (found.text, found.finish_reason, found.prompt_tokens) == ("ab", "stop", 4)
    assert times(found) == [(3, 1), (4, 1), (5, 1)]
    assert (found.end_ns, found.counted_by) == (5 * MS, "usage")
    assert found.late_ns == (7, 2, 3, 4, 4)


def test_an_empty_text_with_a_token_is_a_token() -> None:
    """The first half of a character, by its id."""
    found = answered(
        "completions", text("", token_ids=[5]), text("é", token_ids=[6]), text("", "stop", token_ids=[0]),
        usage(3), DONE,
    )  # fmt: skip
    assert times(found) == [(1, 1), (2, 1), (3, 1)]
    assert found.doubts == ()


def test_counts_so_far_tell_the_tokens_of_each_chunk() -> None:
    """Three in one, none in another, whatever the text."""
    parts = [
        text("abc", usage={"prompt_tokens": 4, "completion_tokens": 3}),
        text("", usage={"prompt_tokens": 4, "completion_tokens": 4}),
        text("d", "length", usage={"prompt_tokens": 4, "completion_tokens": 5}),
    ]
    assert times(answered("completions", *parts, usage(5), DONE)) == [(1, 3), (2, 1), (3, 1)]


@pytest.mark.parametrize(
    ("chunks", "total", "finish", "expected"),
    [
        (["a", "b", "c"], 3, "length", [1, 1, 1]),
        (["a", "b", "c"], 4, "stop", [1, 1, 1, 1]),
        (["ab", "c"], 3, "length", [2, 1]),
        (["abcd", "e"], 6, "stop", [4, 1, 1]),
        (["abc"], 8, "stop", [3, 5]),
        (["ab", "cd"], 3, "length", [2, 1]),
    ],
)
def test_a_chunk_is_not_a_token(
    chunks: list[str], total: int, finish: str, expected: list[int]
) -> None:
    """The tokenizer divides a count at the end; what no text shows belongs to the end."""
    parts = [*map(text, chunks[:-1]), text(chunks[-1]), text("", finish)]
    found = answered("completions", *parts, usage(total), DONE, count=letters, stop=["#####"])
    assert [one.tokens for one in found.arrivals] == expected
    assert found.tokens == total


def test_without_counts_the_tokenizer_counts() -> None:
    """The result says so; without one either, nothing is known."""
    parts = [text("ab"), text("c", "length"), DONE]
    found = answered("completions", *parts, count=letters)
    assert (times(found), found.counted_by, found.doubts) == ([(1, 2), (2, 1)], "tokenizer", ())
    with pytest.raises(ValueError, match="no usage, and no tokenizer"):
        answered("completions", *parts)


@pytest.mark.parametrize(("total", "doubted"), [(9, True), (5, False), (4, False), (3, True)])
def test_counts_that_disagree_are_doubtful(total: int, doubted: bool) -> None:
    """They are doubtful if they differ by more than the end; the server's are taken."""
    parts = [text("a"), text("b"), text("cd"), text("e", "stop"), usage(total), DONE]
    found = answered("completions", *parts, count=letters)
    assert (bool(found.doubts), found.tokens) == (doubted, total)


def test_thoughts_are_no_answer() -> None:
    """They have their own field, under either name; the first answer token has its own time."""
    for name in ("reasoning", "reasoning_content"):
        found = answered(
            "chat", delta(**{name: "Hm, "}), delta(**{name: "yes"}), delta(content="4"),
            delta("stop"), usage(4), DONE,
        )  # fmt: skip
        assert (found.thinking, found.text) == ("Hm, yes", "4")
        assert (times(found)[0], found.first_answer_ns) == ((1, 1), 3 * MS)


def test_thoughts_in_the_text_are_no_answer() -> None:
    """Between marks, also those that the template opened; cut off, there is no answer at all."""
    parts = [
        text("<think>"),
        text("Hm"),
        text("</think>"),
        text("\n\n"),
        text("4", "stop"),
        usage(5),
    ]
    found = answered("completions", *parts, DONE)
    assert (found.text, found.thinking) == ("\n\n4", "<think>Hm</think>")
    assert found.first_answer_ns == 5 * MS
    found = answered("completions", text("Hm"), text("</think>"), text("4", "stop"), usage(3), DONE)
    assert (found.text, found.first_answer_ns) == ("4", 3 * MS)
    found = answered("completions", text("<think>"), text("Hm", "length"), usage(2), DONE)
    assert (found.text, found.first_answer_ns, found.tokens) == ("", None, 2)
    assert answered("completions", text("4", "stop"), usage(1), DONE).first_answer_ns is None


def test_thoughts_that_are_counted_and_not_shown() -> None:
    """They came before the first token that was: the time per token is that of those shown."""
    parts = [delta(content="a"), delta(content="b"), delta("stop")]
    counts = usage(503)
    counts["usage"]["completion_tokens_details"] = {"reasoning_tokens": 500}
    found = answered("chat", *parts, counts, DONE)
    assert (times(found), found.tokens, found.doubts) == ([(1, 501), (2, 1), (3, 1)], 503, ())
    found = answered("chat", *parts, usage(503), DONE)
    assert found.doubts == ("counts: 503 tokens by the server, for 2 characters",)
    long = [
        delta(content="a text that a filter held back and sent at once. "),
        delta("stop"),
        usage(12),
    ]
    assert answered("chat", *long, DONE).doubts == ()


@pytest.mark.parametrize(
    ("reason", "ours"),
    [("stop", "stop"), ("eos_token", "stop"), ("stop_sequence", "stop"), ("length", "length"), ("content_filter", "content_filter"), ("refusal", "content_filter"), ("SAFETY", "content_filter")],
)  # fmt: skip
def test_reasons_for_the_end(reason: str, ours: str) -> None:
    """Servers' words, and an empty one in the chunks before."""
    parts = [text("a", ""), text("b", reason), usage(2), DONE]
    assert answered("completions", *parts).finish_reason == ours


def test_the_end_of_a_stream() -> None:
    """`[DONE]`, or a reason and the proper end of the body."""
    good = [text("a"), text("b", "length"), usage(2)]
    assert stream("completions", *good, whole=True).text == "ab"
    assert stream("completions", *good, DONE, whole=False).text == "ab"
    for data, whole in ((good, False), (good[:1], True), ([text("a"), DONE], True), ([], True)):
        with pytest.raises(BrokenError, match=r"cut|without a reason|empty answer"):
            stream("completions", *data, whole=whole)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ('{"choices": [{"text": ', "malformed JSON"),
        ("[1, 2]", "not an event"),
        (
            {"error": {"message": "CUDA error", "code": 500}},
            "an error within the stream: CUDA error",
        ),
        ({"object": "error", "message": "went wrong"}, "went wrong"),
        ({"choices": "many"}, "of another shape"),
        ({"choices": [{"text": "a", "token_ids": ["x"]}]}, "of another shape"),
        (text("", "abort"), "aborted"),
        (text("", "because"), "unknown reason 'because'"),
    ],
)
def test_no_answer(data: Any, words: str) -> None:
    """Each in one line, after tokens that looked well."""
    with pytest.raises(BrokenError, match=words) as broken:
        stream("completions", text("a"), data, text("b", "stop"), usage(2), DONE)
    assert "\n" not in str(broken.value)


def test_bytes_that_are_no_text() -> None:
    """A fault of the events is one of the answer, unless it comes behind the end."""
    good = [text("a", "stop"), usage(1), DONE]
    with pytest.raises(BrokenError, match="not UTF-8"):
        read(events(text("a"), fault="event 2 is not UTF-8"), protocol(Dialect()), whole=True)
    assert (
        read(events(*good, fault="event 4 is not UTF-8"), protocol(Dialect()), whole=True).text
        == "a"
    )


def test_an_answer_that_is_no_stream() -> None:
    """A whole message has no times; a tool is no answer."""
    message = {"choices": [{"index": 0, "message": {"content": "4"}, "finish_reason": "stop"}]}
    with pytest.raises(BrokenError, match="as a whole"):
        stream("chat", message)
    call = delta(tool_calls=[{"function": {"name": "add"}}])
    with pytest.raises(BrokenError, match="called a tool"):
        stream("chat", call, DONE)


def test_azures_filters_are_no_tokens() -> None:
    """Neither the first chunk without choices nor the annotations."""
    first = {"choices": [], "prompt_filter_results": [{"prompt_index": 0}]}
    note = {"choices": [{"index": 0, "content_filter_results": {}, "finish_reason": None}]}
    found = answered(
        "chat",
        first,
        delta(content="a"),
        note,
        delta(content="b"),
        note,
        delta("stop"),
        usage(3),
        DONE,
    )
    assert (found.text, times(found)) == ("ab", [(2, 1), (4, 1), (6, 1)])


def test_the_responses_protocol() -> None:
    """Typed events; the last one has usage and there is no [DONE]."""
    created = {"type": "response.created", "response": {"model": "m-1"}}
    parts = [{"type": "response.output_text.delta", "delta": one} for one in ("a", "b")]
    thought = {"type": "response.reasoning_summary_text.delta", "delta": "Hm"}
    counts = {"input_tokens": 9, "output_tokens": 4, "input_tokens_details": {"cached_tokens": 8}}
    end = {"type": "response.completed", "response": {"model": "m-1", "usage": counts}}
    found = answered("responses", created, thought, *parts, end)
    assert (found.text, found.thinking, found.finish_reason) == ("ab", "Hm", "stop")
    assert (found.prompt_tokens, found.tokens, found.cached_tokens) == (4, 4, 8)
    cut = {
        "type": "response.incomplete",
        "response": {"usage": counts, "incomplete_details": {"reason": "max_output_tokens"}},
    }
    assert answered("responses", *parts, cut).finish_reason == "length"
    failed = {"type": "response.failed", "response": {"error": {"message": "overloaded"}}}
    with pytest.raises(BrokenError, match="overloaded"):
        stream("responses", *parts, failed)


@given(
    chunks=st.lists(st.text(st.sampled_from("abc "), max_size=5), min_size=1, max_size=12),
    extra=st.integers(0, 5),
    counted=st.booleans(),
    tokenizer=st.booleans(),
)
def test_tokens_add_up(chunks: list[str], extra: int, counted: bool, tokenizer: bool) -> None:
    """However they are counted: to the server's number, with times in order, none without a token."""
    total = len("".join(chunks)) + extra
    parts = [*map(text, chunks), text("", "stop")]
    if counted or not tokenizer:
        parts.append(usage(total))
    found = answered("completions", *parts, DONE, count=letters if tokenizer else None)
    assert found.tokens == (total if counted or not tokenizer else total - extra)
    assert all(one.tokens > 0 for one in found.arrivals)
    places = [one.ns for one in found.arrivals] + [found.end_ns]
    assert places == sorted(places)
    assert len(found.late_ns) == len(found.arrivals) + 2
    shown = next((at for at, one in enumerate(chunks, 1) if one), None)
    if shown and found.arrivals:
        assert found.arrivals[0].ns == shown * MS
    assert found.text == "".join(chunks)


KEYS = ["choices", "delta", "text", "usage", "error", "finish_reason", "index", "completion_tokens"]
KEYS += [
    "type",
    "response",
    "prompt_tokens_details",
    "cached_tokens",
    "model",
    "token_ids",
    "content",
]
KINDS = st.sampled_from(["response.completed", "response.output_text.delta", "stop", "a"])
JSONS = st.recursive(
    st.none() | st.booleans() | st.integers() | KINDS,
    lambda one: st.lists(one, max_size=3) | st.dictionaries(st.sampled_from(KEYS), one, max_size=5),
    max_leaves=16,
)


@given(
    data=st.lists(st.text(max_size=30) | JSONS, max_size=5),
    api=st.sampled_from(["completions", "chat", "responses"]),
)
def test_anything_is_an_answer_or_a_reason(data: list[Any], api: str) -> None:
    """Nothing else is raised, whatever a server sends."""
    reason = None
    try:
        found = stream(api, *data, DONE)
    except BrokenError as broken:
        reason = str(broken)
    if reason is None:
        answer(found, 0, 0, 1, letters, ())
    else:
        assert "\n" not in reason


def test_a_tool_call_is_no_answer() -> None:
    """The model was asked for a text."""
    called = {"choices": [{"index": 0, "delta": {"tool_calls": [{"id": "1"}]}}]}
    with pytest.raises(BrokenError, match="called a tool"):
        stream("chat", called, DONE)
