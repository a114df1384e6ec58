"""Where results lie is written in one file, whose paths can be read back."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cells import ROOT
from frontier.catalogue import ids
from frontier.results import layout
from frontier.results.layout import Place

LAYOUT = "workflow/scripts/frontier/results/layout.py"
FILES = (
    *(layout.MEASUREMENT, layout.REQUESTS, layout.JOURNAL, layout.JOURNAL_LOCK),
    *(f"{name}.{ending}" for name in layout.TABLES for ending in ("parquet", "csv", "lock.json")),
    *("report.html", "report.lock.json", "sample.jsonl", "texts.jsonl"),
)
PATH = re.compile(
    rf"(^|/)(results(/|$)|(added|charts)/|({'|'.join(map(re.escape, FILES))})$)|/(added|charts)$"
)
SPELLS_LOCK = ("rules", "planning", "explaining")  # where lock.json is a file of ours too


def texts(path: Path) -> Iterator[str]:
    """The words of a file's strings, docstrings and what is said to people left out."""
    source = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        tree = ast.parse(source)
        said = {
            id(node.value)
            for node in ast.walk(tree)
            if isinstance(node, ast.Expr) or (isinstance(node, ast.keyword) and node.arg == "help")
        }
        for node in ast.walk(tree):
            text = node.value if isinstance(node, ast.Constant) else None
            if isinstance(text, str) and id(node) not in said and not re.search(r"\s", text):
                yield text
        return
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.STRING and not token.string.startswith('"""'):
            yield from ast.literal_eval(token.string.removeprefix("f")).split()
        elif token.type == getattr(tokenize, "FSTRING_MIDDLE", -1):
            yield from token.string.split()


def spelling() -> dict[str, set[str]]:
    """The files of the workflow that spell a path of results/, and what they spell."""
    found: dict[str, set[str]] = {}
    rules = (ROOT / "Snakefile", *(ROOT / "workflow" / "rules").glob("*.smk"))
    for path in (*rules, *(ROOT / "workflow" / "scripts").rglob("*.py")):
        name = path.relative_to(ROOT).as_posix()
        locks = any(part in name for part in SPELLS_LOCK)
        words = {
            word
            for word in texts(path)
            if PATH.search(word) or (locks and word.endswith("lock.json"))
        }
        if words:
            found[name] = words
    return found


def test_one_file_spells_the_paths_of_results() -> None:
    """Whoever moves a result edits one file."""
    assert spelling().keys() == {LAYOUT}, spelling()


ID = st.from_regex(ids.ID, fullmatch=True).filter(lambda name: len(name) <= ids.LONGEST)


@given(ID, ID, ID)
def test_a_path_says_which_cell_it_is(variant: str, device: str, task: str) -> None:
    """Every file of a cell leads back to it, wherever results/ lies."""
    place = Place(variant, device, task)
    summary = place.summary_in(Path("elsewhere"))
    measurement = place.measurement("0123456789abcdef")
    assert layout.place_of(summary.relative_to("elsewhere")) == place
    assert layout.name_of(summary) == place.name
    assert layout.requests_of(place.summary) == place.requests
    assert layout.scored_of(measurement) == place.summary
    for path in (place.summary, place.requests, measurement):
        assert layout.cell_of(path.relative_to(layout.RESULTS).as_posix()) == place.name


@pytest.mark.parametrize("path", ["study.json", "added/server.json", "a/b/c/d.json", "a/b/C.json"])
def test_no_other_file_is_taken_for_a_cell(path: str) -> None:
    """Tables, lists and whatever else lies below results/."""
    assert layout.place_of(path) is None
    assert layout.cell_of(path) is None
