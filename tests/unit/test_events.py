"""Server-sent events: each form that servers send, however its bytes were split."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as some

from frontier.client import Read
from frontier.client.events import Events, parse


def read(*parts: bytes) -> Events:
    """The events of bytes that were read one part after the other, at 10, 20, … ns."""
    return parse([Read(10 * place, part, place) for place, part in enumerate(parts, start=1)])


FORMS = [
    (b"data: a\n\ndata: b\n\n", ["a", "b"]),
    (b"data:a\n\ndata:  b\n\n", ["a", " b"]),
    (b'data: {"a": 1} \n\n', ['{"a": 1} ']),
    (b"data: a\r\n\r\ndata: b\r\n\r\n", ["a", "b"]),
    (b"data: a\r\rdata: b\r\r", ["a", "b"]),
    (b"data: a\r\n\ndata: b\n\r\n", ["a", "b"]),
    (b": ping - 2026\r\n\r\ndata: a\n\n: ping\n\n:\n\n", ["a"]),
    (b"event: message\nid: 7\nretry: 10\ndata: a\n\n", ["a"]),
    (b"data: a\ndata: b\ndata\n\n", ["a\nb\n"]),
    (b"\xef\xbb\xbfdata: a\n\n", ["a"]),
    (b"data: a\n\ndata: [DONE]\n\n", ["a", "[DONE]"]),
    (b"data: a\n\ndata: [DONE]", ["a", "[DONE]"]),
    (b"data: a\n\ndata: b\n", ["a", "b"]),
    ("data: 中文🙂\n\ndata: é\n\n".encode(), ["中文🙂", "é"]),
    (b"\n\n\ndata: a\n\n\n\n", ["a"]),
    (b"event: a\n\nnothing\n\nother: b\n\n", []),
    (b"", []),
]


@pytest.mark.parametrize(("stream", "texts"), FORMS)
@given(cuts=some.lists(some.integers(0, 1000)))
def test_any_split_gives_the_same_events(stream: bytes, texts: list[str], cuts: list[int]) -> None:
    """An event's time is that of the first read after which nothing of it was missing."""
    whole = read(stream)
    assert [event.data for event in whole.events] == texts
    places = [0, *sorted(cut % (len(stream) + 1) for cut in cuts), len(stream)]
    parts = [stream[start:end] for start, end in pairwise(places)]
    found = read(*parts)
    assert [(one.name, one.data) for one in found.events] == [
        (one.name, one.data) for one in whole.events
    ]
    for place, event in enumerate(found.events):
        assert event.ns == 10 * (event.read + 1)
        assert event.late_ns == event.read + 1
        known = read(b"".join(parts[: event.read + 1])).events
        assert known[place] == event._replace(ns=10, late_ns=1, read=0)
        early = read(b"".join(parts[: event.read]) + b"data: more").events
        assert place >= len(early) or early[place].data != event.data


def test_several_events_in_a_read() -> None:
    """They share its time."""
    events = read(b"data: a\n\ndata: b\n\nda", b"ta: c\n\n").events
    assert [(event.data, event.ns, event.read) for event in events] == [
        ("a", 10, 0), ("b", 10, 0), ("c", 20, 1),
    ]  # fmt: skip


def test_a_character_in_two_reads() -> None:
    """An event that was cut inside a character is whole."""
    (event,) = read(b"data: \xe4", b"\xb8\xad\n", b"\n").events
    assert (event.data, event.ns) == ("中", 30)


@pytest.mark.parametrize("wrong", [b"\xff", b"\xe4\xb8", b"\xed\xa0\x80", b"\xc0\x80"])
def test_bytes_that_are_not_utf8(wrong: bytes) -> None:
    """They end the stream with a fault; nothing is replaced."""
    found = read(b"data: a\n\ndata: " + wrong + b"\n\ndata: b\n\n")
    assert [event.data for event in found.events] == ["a"]
    assert found.fault
    assert "event 2 is not UTF-8" in found.fault


def test_names() -> None:
    """An event has its type, and only it."""
    stream = b"event: delta\ndata: a\n\ndata: b\n\nevent: end\ndata: c\n\n"
    assert [event.name for event in read(stream).events] == ["delta", "", "end"]


@given(some.binary(max_size=200), some.lists(some.integers(0, 200)))
def test_any_bytes(stream: bytes, cuts: list[int]) -> None:
    """No bytes raise an error, and how they were split does not matter."""
    places = [0, *sorted(cut % (len(stream) + 1) for cut in cuts), len(stream)]
    found = read(*(stream[start:end] for start, end in pairwise(places)))
    whole = read(stream)
    assert [event.data for event in found.events] == [event.data for event in whole.events]
    assert found.fault == whole.fault
