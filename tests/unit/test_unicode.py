"""Text that files and tables cannot hold is mended where it comes in and where it goes out."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from frontier.host.files import write_text
from frontier.results import checksums
from frontier.unicode import parse_json, well_formed
from frontier.values import read_json, read_lines

ANY = st.text(st.characters(exclude_categories=()))  # surrogates too


@given(st.text())
def test_text_without_surrogates_is_as_it_was(text: str) -> None:
    assert well_formed(text) == text
    assert parse_json(json.dumps(text)) == text


@given(ANY)
def test_any_text_becomes_one_that_utf_8_holds(text: str) -> None:
    mended = well_formed(text)
    assert mended.encode().decode() == mended
    assert parse_json(json.dumps({text: [text]})) == {mended: [mended]}


@given(st.characters(min_codepoint=0x10000))
def test_a_pair_of_surrogates_is_a_letter(letter: str) -> None:
    code = ord(letter) - 0x10000
    pair = chr(0xD800 + (code >> 10)) + chr(0xDC00 + (code & 0x3FF))
    assert well_formed(f"a{pair}b") == f"a{letter}b"


@given(ANY)
def test_what_is_written_with_a_checksum_is_read_again(text: str) -> None:
    assert checksums.read(checksums.line({"text": text})) == {"text": well_formed(text)}


def test_files_are_read_and_written_well_formed(tmp_path: Path) -> None:
    path = tmp_path / "some.json"
    path.write_text(r'{"text": "a\ud800b", "sound": "\ud83d\ude00"}', encoding="utf-8")
    for value in (read_json(path), *read_lines(path)):
        assert value == {"text": "a\ufffdb", "sound": "\U0001f600"}
        assert pl.DataFrame([value])["text"].to_list() == ["a\ufffdb"]
    write_text(path, "a\ud800b")
    assert path.read_text(encoding="utf-8") == "a\ufffdb"
