"""The paths of results: defined in one file, and parsed by it."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cells import ROOT
from frontier.catalogue import ids
from frontier.errors import UserError
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
FLOORS = "workflow/scripts/frontier/__init__.py"  # which has a package of that name
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
            words = ast.literal_eval(token.string.removeprefix("f")).split()
            yield from (word for word in words if len(words) == 1 or re.search(r"[/.]\w", word))
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
        if words and name != FLOORS:
            found[name] = words
    return found


def test_one_file_spells_the_paths_of_results() -> None:
    """Moving a result needs an edit of one file."""
    assert spelling().keys() == {LAYOUT}, spelling()


ID = st.from_regex(ids.ID, fullmatch=True).filter(lambda name: len(name) <= ids.LONGEST)
TASK = st.from_regex(ids.UNDOTTED, fullmatch=True).filter(lambda name: len(name) <= ids.LONGEST)
SCENARIO = st.sampled_from([ids.SINGLE_STREAM, "offline", "server"])


@given(st.lists(ID, min_size=1, max_size=3), ID, TASK, SCENARIO)
def test_a_path_says_which_cell_it_is(
    parts: list[str], device: str, task: str, scenario: str
) -> None:
    """Every file of a cell leads back to it, wherever results/ is."""
    place = Place("+".join(parts), device, task, scenario)
    summary = place.summary_in(Path("elsewhere"))
    measurement = place.measurement("0123456789abcdef")
    assert layout.place_of(summary.relative_to("elsewhere")) == place
    _, _, file = place.name.split("/")
    assert layout.asked(place.variant, device, file) == place
    assert layout.name_of(summary) == place.name
    assert layout.requests_of(place.summary) == place.requests
    assert layout.scored_of(measurement) == place.summary
    for path in (place.summary, place.requests, measurement):
        name = path.relative_to(layout.RESULTS).as_posix()
        assert layout.cell_of(name) == (place.name if len(place.variant) <= 100 else None)


@pytest.mark.parametrize(
    "path",
    [
        "study.json", "added/server.json", "a/b/c/d.json", "a/b/C.json", "a/b/c.d.e.json",
        "a/b/c.single-stream.json", "a+/b/c.json", "a/b+c/d.json",
    ],
)  # fmt: skip
def test_no_other_file_is_taken_for_a_cell(path: str) -> None:
    """Tables, lists and all else below results/ are no cells."""
    assert layout.place_of(path) is None


@settings(max_examples=25)
@given(ID, TASK, ID, ID)
def test_a_charts_name_says_its_task_and_device(
    kind: str, task: str, scenario: str, device: str
) -> None:
    """Two charts of a report therefore never share a file, or an id in the page."""
    for file in (task, f"{task}.{scenario}"):
        for place in (device, f"{device}@{kind}"):
            assert layout.chart(kind, file, place).split(ids.SEPARATOR) == [kind, file, place]


def test_the_default_scenario_has_no_ending() -> None:
    """One cell has one path."""
    for ending in ("c.", "c.single-stream"):
        with pytest.raises(UserError, match=r"the cell is results/a/b/c\.json"):
            layout.asked("a", "b", ending)


@pytest.mark.parametrize(
    ("found", "words"), [(None, "an earlier"), (1, "an earlier"), (3, "a later")]
)
def test_another_layout_is_named(found: int | None, words: str) -> None:
    """The error says which release wrote it."""
    layout.check_version(layout.VERSION, "file")
    with pytest.raises(UserError, match=f"file: written by {words} release, in another layout"):
        layout.check_version(found, "file")
