"""YAML as it is read here: what is accepted, and the one line for everything else."""

from __future__ import annotations

import json
import os
import re
import string
import time
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
import yaml
from hypothesis import given

from frontier.catalogue.reading import parse, read_yaml
from frontier.errors import UserError, one_line

BOMB = "a0: &a0 [lol]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12)
)
MERGE_BOMB = "a0: &a0 {k: v}\n" + "".join(
    f"a{n}: &a{n} {{x{n}: {{}}, <<: [{', '.join([f'*a{n - 1}'] * 9)}]}}\n" for n in range(1, 12)
)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("base: &b {hub: x, prompt: plain}\nchat: {<<: *b, prompt: chat}", {"base": {"hub": "x", "prompt": "plain"}, "chat": {"hub": "x", "prompt": "chat"}}),
        ("a: &a {x: 1}\nb: &b {<<: *a, x: 2}\nc: {<<: *b}\nd: {<<: [*a, *b], y: 3}", {"a": {"x": 1}, "b": {"x": 2}, "c": {"x": 2}, "d": {"x": 1, "y": 3}}),
        ("a: 1e-3\nb: 1_000\nc: 0x1F\nd: -0.5\ne: 1e5", {"a": 0.001, "b": 1000, "c": 31, "d": -0.5, "e": 100000.0}),
        ("a: 2024-07-26\n'no': no\n\"1\": [yes, ~]", {"a": "2024-07-26", "no": False, "1": [True, None]}),
        ('a: "\\n\\e[1m"', {"a": "\n\x1b[1m"}),
        ("\ufeffa: é", {"a": "é"}),
        ('{"json": [1, 2.5, null, true]}', {"json": [1, 2.5, None, True]}),
    ],
)  # fmt: skip
def test_what_is_read(tmp_path: Path, text: str, value: dict[str, Any]) -> None:
    """Merge keys, the numbers of YAML 1.2, a date as it is written, a byte order mark."""
    (tmp_path / "a.yaml").write_text(text, encoding="utf-8")
    assert read_yaml(tmp_path / "a.yaml") == value


def is_text(text: str) -> bool:
    """Whether a text is one in YAML 1.2 too, whose 1e5 is a number and by PyYAML's rules is not."""
    return not re.fullmatch(r"[-+]?[0-9][0-9_]*[eE][-+]?[0-9]+", text)


@given(
    st.dictionaries(
        st.text(string.ascii_letters, min_size=1),
        st.recursive(
            st.none() | st.booleans() | st.integers(-(2**63) + 1, 2**63 - 1)
            | st.floats(-1e18, 1e18, allow_nan=False) | st.text(string.printable).filter(is_text),
            lambda part: st.lists(part, max_size=3) | st.dictionaries(st.text("abc"), part, max_size=3),
            max_leaves=10,
        ),
        min_size=1,
    )
)  # fmt: skip
def test_what_pyyaml_writes_is_read_as_it_was(value: dict[str, Any]) -> None:
    """All of our types that a dump can contain, quoted by its rules."""
    assert parse(yaml.safe_dump(value), "here") == value
    assert parse(json.dumps(value), "here") == value


REFUSED = {
    "key that is a number": ("a: 1\n123: x", r"line 2 the key '123' is a number to YAML: put it in quotes"),
    "key that is a fraction": ("4.5: x", "line 1 the key '4.5' is a number"),
    "key that is no value": ("~: x", "line 1 the key '~' is no value to YAML: put it in quotes"),
    "empty key": ("? \n: x", "line 1 the key '' is no value"),
    "key that is a truth": ("a:\n  no: x", "line 2 the key 'no' is true or false to YAML: put it in quotes"),
    "key that is a date": ("2024-01-01: x", "line 1 the key '2024-01-01' is a date to YAML: put it in quotes"),
    "key that is a list": ("[1, 2]: x", "line 1 the key of this line is a list"),
    "key given twice": ("a: 1\nb: 2\na: 3", "line 3 key 'a' is given twice"),
    "merge given twice": ("b: &b {x: 1}\na: {<<: *b, <<: *b}", "line 2 key '<<' is given twice"),
    "merge of text": ("a: {<<: x}", "line 1 expected a mapping or list of mappings for merging"),
    "no date": ("a: 2024-13-45", "line 1 '2024-13-45' is not a date: put text in quotes"),
    "no number by its tag": ("a: !!int abc", "line 1 'abc' is not a whole number"),
    "no truth by its tag": ("a: !!bool abc", "line 1 'abc' is neither true nor false"),
    "no date by its tag": ("a: !!timestamp abc", "line 1 'abc' is not a date"),
    "many digits": ("a: " + "9" * 5000, r"line 1 '999+\.\.\.999+' is too large a number"),
    "large number": ("a: 10000000000000000000", "line 1 '10000000000000000000' is too large a number"),
    "large fraction": ("a: 1.0e+300", r"line 1 '1\.0e\+300' is too large a number"),
    "infinite": ("a: .inf", r"line 1 '\.inf' is not a finite number"),
    "infinite by overflow": ("a: 1e999", "line 1 '1e999' is not a finite number"),
    "not a number": ("a: .nan", r"line 1 '\.nan' is not a finite number"),
    "octal": ("a: 010", "line 1 '010' is 8 to YAML: write that, or put it in quotes as text"),
    "sexagesimal": ("a: 8:49", "line 1 '8:49' is 529 to YAML"),
    "equals": ("a: =", "line 1 '=' is a default value to YAML: put text in quotes"),
    "Python object": ("a: !!python/object/apply:os.getcwd []", "line 1 'tag:yaml.org,2002:python/object/apply:os.getcwd' is not a known type"),
    "nested brackets": ("a: " + "[" * 2000 + "]" * 2000, "line 1 is nested too deeply"),
    "nested by aliases": ("a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}]\n" for n in range(1, 99)), r"line \d+ is nested too deeply"),
    "aliases of aliases": (BOMB, r"line \d+ its aliases expand to more than 1,000,000 values"),
    "merges of merges": (MERGE_BOMB, r"line \d+ its aliases expand to more than 1,000,000 values"),
    "list in itself": ("a: &a [*a]", "line 1 holds itself"),
    "unknown alias": ("a: *b", "line 1 found undefined alias 'b'"),
    "NUL in quotes": ('a: "\\0"', "line 1 .* contains a NUL character"),
    "half a character": ('a: "\\ud800"', "line 1 .* contains half a character"),
    "bell": ("a: 1\nb: x\x07", 'line 2 the character U\\+0007 is not allowed in YAML: delete it, or write "\\\\u0007"'),
    "vertical tab": ("a: x\x0by", r"line 1 the character U\+000B"),
    "NUL": ("a: x\0", r"line 1 the character U\+0000 is not allowed in YAML: delete it$"),
    "tab": ("a:\n\tb: 1", "line 2 found character"),
    "open quotes": ("a: 'x\nb: 1\n", "found unexpected end of stream .*, line 1"),
    "two documents": ("a: 1\n---\nb: 2", "but found another document"),
    "list": ("[a]", "expected keys and values, found \\['a'\\]"),
    "nothing": ("# a comment\n", "is empty: expected keys and values"),
    "code for Snakemake": ("__use_yte__: true\na: 1", "__use_yte__ would let Snakemake run code from this file"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused(tmp_path: Path, case: str) -> None:
    """One short line with the file and its line, soon."""
    text, message = REFUSED[case]
    path = tmp_path / "a.yaml"
    path.write_text(text, encoding="utf-8")
    begun = time.process_time()
    with pytest.raises(UserError, match=message) as refusal:
        read_yaml(path)
    line = one_line(refusal.value).replace(str(tmp_path), "")
    assert line.startswith("/a.yaml: ")
    assert len(line) < 200
    assert line.isprintable()
    assert time.process_time() - begun < 20


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a: 1\nb: caf\xe9", "line 2 is not UTF-8 .byte 0xE9.: save the file as UTF-8"),
        ("a: 1".encode("utf-16"), "UTF-16, not UTF-8"),
        ("a: 1".encode("utf-16-le"), r"line 1 the character U\+0000"),
    ],
)
def test_other_encodings(tmp_path: Path, content: bytes, message: str) -> None:
    """Latin-1 and UTF-16."""
    (tmp_path / "a.yaml").write_bytes(content)
    with pytest.raises(UserError, match=message):
        read_yaml(tmp_path / "a.yaml")


def test_what_is_no_file(tmp_path: Path) -> None:
    """A folder, a device that never ends, a pipe, nothing, and paths that no file can have."""
    os.mkfifo(tmp_path / "pipe")
    for path, message in {
        tmp_path: "a folder or device, not a file",
        Path("/dev/zero"): "a folder or device, not a file",
        tmp_path / "pipe": "a folder or device, not a file",
        tmp_path / "none": "no such file",
        Path("x" * 5000): "File name too long|no such file",
        Path("a\0b"): "no such file|no path",
    }.items():
        with pytest.raises(UserError, match=message) as refusal:
            read_yaml(path)
        assert len(one_line(refusal.value)) < 300
