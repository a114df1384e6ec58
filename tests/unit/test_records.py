"""The journal of a measurement: what a kill can do to it."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frontier.errors import UserError
from frontier.records import Journal, Record


def record(number: int, session: int = 0, text: str = "positive") -> Record:
    """A request."""
    return Record(f"r{number}", "", text, 1, 2, "stop", 3, [4], 5, session)


@given(cut=st.integers(0, 2000), text=st.text())
def test_cut_anywhere_keeps_every_whole_record(
    tmp_path_factory: pytest.TempPathFactory, cut: int, text: str
) -> None:
    """However many bytes are left, whole records are kept, and the journal can go on."""
    path = tmp_path_factory.mktemp("journal") / "journal.jsonl"
    first = Journal(path, {"host": "a"})
    for number in range(5):
        first.append(record(number, text=text))
    content = path.read_bytes()[:cut]
    path.write_bytes(content)
    whole = max(0, content.count(b"\n") - 1)

    second = Journal(path, {"host": "b"})
    assert second.records == [record(number, text=text) for number in range(whole)]
    second.append(record(7, second.session))
    second.finish(path.with_name("requests.jsonl"), ["r7", *(f"r{n}" for n in range(5))])
    lines = path.with_name("requests.jsonl").read_bytes().splitlines()
    assert [json.loads(line)["id"] for line in lines] == ["r7", *(f"r{n}" for n in range(whole))]
    assert Journal(path, {}).records[-1] == record(7, second.session)


def test_sessions_are_counted_and_kept(tmp_path: Path) -> None:
    """Each process that worked on a measurement is known by its facts."""
    path = tmp_path / "journal.jsonl"
    Journal(path, {"host": "a"}).append(record(0))
    second = Journal(path, {"host": "b"})
    assert second.session == 1
    assert second.sessions == [{"host": "a"}, {"host": "b"}]
    assert asdict(second.records[0])["session"] == 0


def test_unreadable_files_are_told(tmp_path: Path) -> None:
    """The file, and the line of it that is broken."""
    from frontier.files import read_json, read_lines

    broken = tmp_path / "broken.jsonl"
    broken.write_text('{"a": 1}\n{"a": \n')
    with pytest.raises(UserError, match=r"broken\.jsonl: line 2 is not JSON"):
        read_lines(broken)
    with pytest.raises(UserError, match=r"broken\.jsonl: unreadable JSON"):
        read_json(broken)
    with pytest.raises(UserError, match=r"nowhere: No such file"):
        read_json(tmp_path / "nowhere")
