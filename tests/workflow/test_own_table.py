"""A table of one's own, through the workflow: from a CSV file to a scored cell."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping
from typing import Any

import polars as pl
import pytest

from disturbed import lines
from workspace import Workspace, jobs_in, refused

TABLE = """question,answers,topic
3 + 4,7; seven,sums
"Two lines:
5 + 5",10,sums
9 - 2,7,differences
8 - 8,0,differences
"""
TASK: dict[str, Any] = {
    "dataset": "mine",
    "sample": {"size": 4, "reference": "answers", "separator": ";", "stratum": "topic"},
    "prompt": "{question} =",
    "max_new_tokens": 4,
    "scorer": {"kind": "exact", "normalise": ["strip"]},
}
CELL = "results/tiny-llama/cpu/mine.json"


@pytest.fixture
def own(place: Workspace) -> Workspace:
    """The finished tiny study with a task on the user's own table, which is not measured yet."""
    place.path("mine.csv").write_text(TABLE, encoding="utf-8")
    place.set("tasks", "datasets/mine", {"loader": "table", "source": {"path": "mine.csv"}})
    place.set("tasks", "tasks/mine", TASK)
    return place


def changed(place: Workspace, keys: str, value: Any) -> None:
    place.set("tasks", f"tasks/mine/{keys}", value)


def test_a_table_is_measured_scored_and_scored_again(own: Workspace) -> None:
    own.build(CELL)
    cell: Mapping[str, Any] = json.loads(own.path(CELL).read_text(encoding="utf-8"))
    assert cell["outcome"] == "measured"
    assert cell["score"]["primary"] == "exact_match"
    assert cell["figures"]["cut_off_answers"] is not None
    assert cell["figures"]["unparsable_answers"] is None
    requests = pl.read_parquet(own.path(CELL).with_suffix(".parquet"))
    assert {row["input"] for row in requests.iter_rows(named=True)} == {
        "3 + 4", "Two lines:\n5 + 5", "9 - 2", "8 - 8",
    }  # fmt: skip
    accepted = dict(requests.select("reference", "also_accepted").iter_rows())
    assert accepted["7"] in ([], ["seven"])
    assert {tuple(one) for one in requests["also_accepted"]} == {(), ("seven",)}
    (sample,) = own.root.glob("**/samples/mine/**/sample.jsonl")
    assert [row["stratum"] for row in lines(sample.parent / "sample.jsonl")] == [
        "differences", "sums", "differences", "sums",
    ]  # fmt: skip

    changed(own, "scorer", {"kind": "regex", "pattern": r"\d+"})
    assert own.jobs(CELL) == {"score tiny-llama mine"}
    assert jobs_in(own.build(CELL)) == {"score tiny-llama mine"}
    cell = json.loads(own.path(CELL).read_text(encoding="utf-8"))
    assert cell["score"]["primary"] == "matched"
    assert cell["figures"]["unparsable_answers"] is not None


def test_a_task_is_proposed_from_a_file_and_runs(place: Workspace) -> None:
    """A table alone becomes a scored cell, as `make new-task NAME=… FILE=…` promises."""
    place.path("sums.csv").write_text(TABLE.replace("7; seven", "7"), encoding="utf-8")
    done = place.program("new", "task", "mine", "--file", "sums.csv")
    assert done.returncode == 0, done.stderr
    assert place.get("tasks", "tasks/mine/scorer") == {"kind": "number"}
    assert place.get("tasks", "tasks/mine/sample/stratum") == "topic"
    (last,) = re.findall(
        r"^measure and report: snakemake --cores 2 (.*)$", done.stdout, re.MULTILINE
    )
    command = shlex.split(last.replace("demo-llama", "tiny-llama"))
    assert place.snakemake("--cores", "2", *command).returncode == 0
    assert "Mine" in place.path("results/report.html").read_text(encoding="utf-8")
    cell = json.loads(place.path(CELL).read_text(encoding="utf-8"))
    assert cell["outcome"] == "measured"
    assert cell["figures"]["requests"] == 4
    refused(place.program("new", "task", "mine", "--file", "sums.csv"), "already exists")
    refused(place.program("new", "scorer", "mine", "--file", "sums.csv"), "--file is for a task")


@pytest.mark.parametrize(
    ("keys", "value", "words"),
    [
        ("prompt", "{qestion} =", ("tasks.mine", "no column 'qestion'", "'question'")),
        ("sample/reference", "answer", ("tasks.mine", "no column 'answer'", "'answers'")),
        ("sample/stratum", "topics", ("no column 'topics'", "'topic'")),
        ("sample/filter", {"topik": "sums"}, ("no column 'topik'", "'topic'")),
        ("sample/refrence", "answers", ("refrence: unknown key", "'reference'")),
        ("sample/encoding", "utf-9", ("unknown encoding 'utf-9'",)),
        ("scorer", {"kind": "exakt"}, ("unknown id 'exakt'", "'exact'")),
        ("scorer", {"kind": "regex", "pattern": "("}, ("pattern", "regular expression")),
        (
            "scorer",
            {"kind": "classification", "labels": ["7", "0"]},
            ("classification takes one right answer",),
        ),
        ("scorer", {"kind": "rouge", "document": "text"}, ("no column 'text'",)),
        ("sample", {"size": 4}, ("sample.reference", "exact compares answers with it")),
    ],
)
def test_what_the_table_lacks_is_said_before_any_job(
    own: Workspace, keys: str, value: Any, words: tuple[str, ...]
) -> None:
    changed(own, keys, value)
    refused(own.program("plan", CELL), *words)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("9 - 2,7,", "9 - 2,,", ("mine.csv: row 4", "has no reference")),
        ("9 - 2,7,", "9 - 2,7,x,", ("mine.csv: row 4", "has 4 cells instead of 3")),
        ("8 - 8,0,differences", "8 - 8,0,", ("only 3 rows",)),
    ],
)
def test_broken_rows_are_named(own: Workspace, old: str, new: str, words: tuple[str, ...]) -> None:
    own.edit("mine.csv", old, new)
    changed(own, "sample/filter", {"topic": {"other_than": [""]}})
    done = own.snakemake(CELL)
    assert done.returncode != 0
    (line,) = [one for one in done.stderr.splitlines() if one.startswith("error: ")]
    assert all(word in line for word in words), line
    assert "Traceback" not in done.stdout + done.stderr
    assert not own.path(CELL).exists()
