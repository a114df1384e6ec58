"""The journal of a measurement: what a kill can do to it."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from frontier.arrivals import Arrival
from frontier.errors import UserError
from frontier.measuring import contention
from frontier.results import checksums
from frontier.results.journal import Journal, restore
from frontier.results.records import Record, read, rebind
from frontier.results.session import Peaks, Run, WarmUp
from frontier.scenarios.single_stream import SingleStream
from measurements import WARM_UP, a_measurement, a_session


def record(number: int, session: int = 0, text: str = "positive", end_ns: int = 5) -> Record:
    """A request."""
    return Record(f"r{number}", "", text, 1, 2, "stop", 3, 3, [Arrival(4, 1)], end_ns, session)


def journal_of(path: Path, count: int, text: str = "positive", identity: str = "me") -> Journal:
    """A measurement with so many requests done."""
    journal = Journal(path, a_session(hardware={"host": "a"}), identity)
    journal.begin({})
    for number in range(count):
        journal.append(record(number, text=text), {})
    return journal


@settings(max_examples=40)
@given(cut=st.integers(0, 2000), text=st.text(st.characters(codec="utf-8")))
def test_cut_anywhere_keeps_every_whole_record(
    tmp_path_factory: pytest.TempPathFactory, cut: int, text: str
) -> None:
    """Whole records survive any truncation, and the journal can continue."""
    path = tmp_path_factory.mktemp("journal") / "journal.jsonl"
    journal_of(path, 5, text)
    content = path.read_bytes()[:cut]
    path.write_bytes(content)
    whole = max(0, content.count(b"\n") - 1)

    second = Journal(path, a_session(hardware={"host": "b"}), "me")
    assert second.records == [record(number, text=text) for number in range(whole)]
    second.begin({})
    second.append(record(7, second.session), {})
    requests = path.with_name("requests.jsonl")
    second.finish(requests, second.records, ["r7", *(f"r{n}" for n in range(5))])
    assert [one.id for one in read(requests)] == ["r7", *(f"r{n}" for n in range(whole))]
    assert Journal(path, a_session(), "me").records[-1] == record(7, second.session)


GARBAGE = st.sampled_from([
    b"garbage", b"\xff\x00\xfe", b"{}", b"[]", b"null", b"", b'{"id": "r9"}', b"\r", b'{"session": "x"}',
])  # fmt: skip


@settings(max_examples=40)
@given(
    at=st.integers(0, 6),
    garbage=GARBAGE | st.binary(max_size=50).filter(lambda one: b"\n" not in one),
)
def test_garbage_between_lines(
    tmp_path_factory: pytest.TempPathFactory, at: int, garbage: bytes
) -> None:
    """No damage, wherever it is, loses a record; the journal is as it was."""
    path = tmp_path_factory.mktemp("journal") / "journal.jsonl"
    journal_of(path, 5)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:at], garbage + b"\n", *lines[at:]]))
    assert Journal(path, a_session(), "me").records == [record(number) for number in range(5)]
    assert path.read_bytes() == b"".join(lines)


@settings(max_examples=40)
@given(data=st.data())
def test_one_altered_byte(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """Costs the record that it is in, at most; a session's own line costs its records."""
    path = tmp_path_factory.mktemp("journal") / "journal.jsonl"
    journal_of(path, 5)
    content = bytearray(path.read_bytes())
    at = data.draw(st.integers(0, len(content) - 1), label="place")
    content[at] ^= data.draw(st.integers(1, 255), label="bits")
    path.write_bytes(content)
    found = Journal(path, a_session(), "me").records
    first, line = content.find(b"\n"), bytes(content[:at]).count(b"\n")
    assert all(one == record(int(one.id[1:])) for one in found)
    assert len(found) >= (3 if line and at != first else 0)  # a line's end is two lines'


def test_what_is_left_out_is_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One line reports it, once; a line cut off by a kill is not reported."""
    path = tmp_path / "journal.jsonl"
    journal_of(path, 3)
    path.write_bytes(path.read_bytes() + b"x\ny\nz")
    Journal(path, a_session(), "me")
    recorded = capsys.readouterr().err
    assert recorded == f"{path}: 2 line(s) were altered; their requests are asked again\n"
    path.write_bytes(path.read_bytes() + b"z")
    Journal(path, a_session(), "me")
    assert capsys.readouterr().err == ""


def test_another_measurements_records_are_not_taken(tmp_path: Path) -> None:
    """A journal that was copied from another model's cell; nor a request twice."""
    path = tmp_path / "journal.jsonl"
    journal_of(path, 3, identity="another")
    assert Journal(path, a_session(), "me").records == []
    path.unlink()
    journal_of(path, 3)
    path.write_bytes(path.read_bytes() + path.read_bytes().splitlines(keepends=True)[1])
    assert Journal(path, a_session(), "me").records == [record(number) for number in range(3)]


def test_sessions_are_counted_and_kept(tmp_path: Path) -> None:
    """Each process that worked on a measurement is known by its facts."""
    path = tmp_path / "journal.jsonl"
    journal_of(path, 1)
    second = Journal(path, a_session(hardware={"host": "b"}), "me")
    assert second.session == 1
    assert [(one.session, one.hardware["host"]) for one in second.sessions] == [(0, "a"), (1, "b")]
    assert asdict(second.records[0])["session"] == 0


def test_what_loading_showed_is_kept(tmp_path: Path) -> None:
    """Some of it is stored when the session begins, the rest at its end, which a kill may cut off."""
    path = tmp_path / "journal.jsonl"
    journal = Journal(path, a_session(loaded={}), "me")
    journal.loaded(Run(warmup=WarmUp.of(WARM_UP), room=None))
    journal.begin({})
    journal.append(record(0), {})
    begun = {"room": None, "warmup": WARM_UP}
    assert Journal(path, a_session(), "me").sessions[0].loaded.as_json() == begun
    peaks = {"device_peak_bytes": None, "host_peak_bytes": 7}
    journal.loaded(Run(memory=Peaks.of(peaks)))
    again, asked = Journal(path, a_session(), "me"), SingleStream()
    assert again.facts[0].loaded.as_json() == begun | {"memory": peaks}
    assert again.peaks() == Peaks.of(peaks)
    assert (asked.answered(again, ["r0"]), asked.answered(again, ["r0", "r1"])) == (0, None)
    path.write_bytes(path.read_bytes()[:-9])
    cut = Journal(path, a_session(), "me")
    assert cut.facts[0].loaded.as_json() == begun
    assert asked.answered(cut, ["r0"]) is None, "nobody knows the memory: it is loaded again"


def test_finished_requests_are_restored(tmp_path: Path) -> None:
    """Unaltered records are restored; the other requests run again, in the same sessions."""
    journal = journal_of(tmp_path / "journal.jsonl", 5)
    records = [replace(one, foreign_cores=0.5) for one in journal.records]
    requests = tmp_path / "requests.jsonl"
    journal.finish(requests, records, [f"r{n}" for n in range(5)])
    lines = requests.read_bytes().splitlines(keepends=True)
    edited = lines[1].replace(b"positive", b"negative")
    requests.write_bytes(b"".join([lines[0], edited, *lines[2:4], lines[4][:40]]))
    load = {"foreign_cores": 0.5, "foreign_gpu_processes": 2}
    sessions = [one.as_json() for one in journal.sessions]
    recorded = a_measurement(sessions=sessions, contention=load)
    restore(requests, recorded, "another")
    assert Journal(tmp_path / "journal.jsonl", a_session(), "another").records == []
    restore(requests, recorded, "me")
    again = Journal(tmp_path / "journal.jsonl", a_session(hardware={"host": "b"}), "me")
    assert again.records == [records[n] for n in (0, 2, 3)]
    assert [(one.session, one.hardware["host"]) for one in again.sessions] == [(0, "a"), (1, "b")]
    assert contention.with_loads(again) == again.records
    assert contention.summary(again, again.records).foreign_gpu_processes == 2


def test_former_layout_is_named(tmp_path: Path) -> None:
    """It had a time for each token instead of arrivals, and is not read in part."""
    line = record(0).line()
    former = {key: one for key, one in line.items() if key not in ("arrivals", "due_ns")}
    path = tmp_path / "requests.jsonl"
    path.write_text(f"{json.dumps(line)}\n{json.dumps(former | {'token_ns': [4]})}\n")
    with pytest.raises(UserError, match=r"requests\.jsonl: written by an earlier release .*again"):
        read(path)
    for odd, words in ((former, "'arrivals', 'due_ns'"), ({**line, "x": 1}, "'x'"), ([], "'id'")):
        path.write_text(f"{json.dumps(line)}\n{json.dumps(odd)}\n")
        with pytest.raises(UserError, match=f"line 2 is not a request: .*{words}"):
            read(path)


def test_records_are_taken_to_another_identity() -> None:
    """Whole and in this layout, or not at all."""
    lines = [record(number).line() for number in range(2)]
    content = b"".join(checksums.line(line, "me") for line in lines)
    assert rebind(content, "me", "you") == b"".join(checksums.line(line, "you") for line in lines)
    with pytest.raises(ValueError, match="altered"):
        rebind(content, "me too", "you")
    former = {key: one for key, one in lines[0].items() if key != "arrivals"} | {"token_ns": [4]}
    with pytest.raises(ValueError, match="written by an earlier release"):
        rebind(content + checksums.line(former, "me"), "me", "you")


@given(st.lists(st.tuples(st.integers(0, 10**12), st.integers(1, 9)), max_size=30))
def test_arrivals_are_read_as_written(chunks: list[tuple[int, int]]) -> None:
    """They are pairs in JSON, and arrivals again when read."""
    one = replace(record(0), arrivals=[Arrival(*chunk) for chunk in chunks])
    line = json.loads(json.dumps(one.line()))
    assert line["arrivals"] == [[ns, tokens] for ns, tokens in chunks]
    again = Record.of_line(line)
    assert again == one
    assert all(type(arrival) is Arrival for arrival in again.arrivals)


def test_unreadable_files_are_reported(tmp_path: Path) -> None:
    """The file, and the line of it that is broken."""
    from frontier.values import read_json, read_lines

    broken = tmp_path / "broken.jsonl"
    broken.write_text('{"a": 1}\n{"a": \n')
    with pytest.raises(UserError, match=r"broken\.jsonl: line 2 is not JSON"):
        read_lines(broken)
    with pytest.raises(UserError, match=r"broken\.jsonl: unreadable JSON"):
        read_json(broken)
    with pytest.raises(UserError, match=r"nowhere: No such file"):
        read_json(tmp_path / "nowhere")


def test_a_failure_is_asked_again_and_an_answer_is_not(tmp_path: Path) -> None:
    """The next process asks; the record of the answer then replaces that of the failure."""
    path = tmp_path / "journal.jsonl"
    journal = journal_of(path, 2)
    lost = replace(record(2), text="", tokens=0, arrivals=[], failure="HTTP 503", retries=3)
    journal.append(lost, {})
    assert journal.answered_ids == {"r0", "r1"}

    second = Journal(path, a_session(), "me")
    assert second.records[-1] == lost
    second.begin({})
    second.append(found := record(2, second.session), {})
    assert second.answered_ids == {"r0", "r1", "r2"}
    assert Journal(path, a_session(), "me").records == [record(0), record(1), found]


def test_a_line_has_only_the_facts_that_are_known(tmp_path: Path) -> None:
    """Those that only servers give are missing for others, and read as they were written."""
    assert "retries" not in record(0).line()
    rich = replace(
        record(0), thinking="Hm", first_answer_ns=7, cached_tokens=16, retries=2,
        doubts=("counts: 3, 9",), late_ns=(1, 2, 3), counted_by="usage",
    )  # fmt: skip
    assert Record.of_line(json.loads(json.dumps(rich.line()))) == rich
    assert Record.of_line(record(0).line() | {"other": 1}) is None


def at_a_rate(number: int, rate: float | None, repetition: int = 0) -> Record:
    """A request at a rate of arrivals."""
    return replace(record(number), rate=rate, repetition=repetition)


def test_a_request_is_recorded_at_each_rate(tmp_path: Path) -> None:
    """Several times, each on its own; what is repeated is removed first, and nothing else."""
    path = tmp_path / "journal.jsonl"
    journal = Journal(path, a_session(), "me")
    journal.begin({})
    asked = [at_a_rate(n, rate, r) for rate in (None, 2.5) for r in (0, 1)[: 1 + bool(rate)]
             for n in (0, 1)]  # fmt: skip
    journal.extend(asked[:2], {"own": 1})
    journal.extend(asked[2:], {"own": 2})
    again = Journal(path, a_session(), "me")
    assert again.records == asked
    assert {key: again.ended[key]["own"] for key in again.ended} == {
        "r0": 1, "r1": 1, "r0 0 at 2.5": 2, "r1 0 at 2.5": 2, "r0 1 at 2.5": 2, "r1 1 at 2.5": 2,
    }  # fmt: skip
    again.discard(asked[4:])
    assert Journal(path, a_session(), "me").records == asked[:4]
    again.begin({})
    again.extend(asked[4:], {})
    again.finish(tmp_path / "requests.jsonl", again.records, ["r1", "r0"])
    assert read(tmp_path / "requests.jsonl") == [asked[1], asked[0], *asked[2:]]
