"""A judge through the workflow: a model judges the answers of others, and its errors are counted."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Mapping
from typing import Any

import polars as pl
import pytest
from test_interruptions import kill_everything, start

from disturbed import lines
from waiting import PATIENCE_S
from workspace import Workspace, jobs_in

CELL = "results/tiny-llama-int8/cpu/judged.json"
SCORER: dict[str, Any] = {
    "kind": "judge", "judge": "tiny-gpt2", "device": "cpu", "form": "pair", "against": ["tiny-llama"],
    "question": "question", "max_new_tokens": 4,
}  # fmt: skip


@pytest.fixture
def judged(place: Workspace) -> Workspace:
    """The finished tiny study with a task that another model judges, which is not measured yet."""
    task = {
        "dataset": "demo", "sample": {"size": 6, "grammar": "arithmetic"},
        "prompt": "{question} =", "max_new_tokens": 4, "scorer": SCORER,
    }  # fmt: skip
    place.set("tasks", "tasks/judged", task)
    return place


def cell_of(place: Workspace, path: str = CELL) -> Mapping[str, Any]:
    found: Mapping[str, Any] = json.loads(place.path(path).read_text(encoding="utf-8"))
    return found


def test_a_judge_is_asked_once_and_its_nonsense_is_no_score(judged: Workspace) -> None:
    planned = judged.jobs(CELL)
    ran = jobs_in(judged.build(CELL))
    assert ran == planned
    assert {job.split()[0] for job in ran} >= {
        "sample",
        "measure",
        "judge_requests",
        "judge",
        "score",
    }
    cell = cell_of(judged)
    assert cell["outcome"] == "measured"
    details = cell["score"]["details"]
    assert details["check"]["pairs"] >= 5
    assert "named the better answer" in details["withheld"]
    assert cell["score"]["metrics"]["judged"]["value"] is None
    assert cell["figures"]["unscored_answers"] == 6

    assert judged.jobs(CELL) == set()
    judged.set("tasks", "tasks/judged/scorer/at_least", 0.0)
    assert judged.jobs(CELL) == {"score tiny-llama-int8 judged"}
    judged.build(CELL)
    assert cell_of(judged)["score"]["details"]["withheld"] is None


def test_an_altered_judgement_is_asked_again_and_the_rest_is_taken(judged: Workspace) -> None:
    judged.build(CELL)
    said = next(judged.root.glob("results/tiny-gpt2/cpu/judged/judged/*/requests.jsonl"))
    before = lines(said)
    altered = said.read_text(encoding="utf-8").replace('"text": "', '"text": "[[A]]', 1)
    said.write_text(altered, encoding="utf-8")
    assert judged.jobs(CELL) == {"judge tiny-gpt2 judged", "score tiny-llama-int8 judged"}
    log = judged.build(CELL)
    assert f"{said.relative_to(judged.root)}: altered since it was written" in log
    assert [line["text"] for line in lines(said)] == [line["text"] for line in before]
    assert [line["session"] for line in lines(said)] == [1] + [0] * (len(before) - 1)
    assert judged.jobs(CELL) == set()

    pairs = next(judged.root.glob("resources/judged/judged/*/pairs.jsonl"))
    whole = pairs.read_text(encoding="utf-8")
    pairs.write_text(whole.replace('"check": true', '"check": false'), encoding="utf-8")
    judged.set("tasks", "tasks/judged/scorer/at_least", 0.0)
    refused = judged.snakemake(CELL)
    assert refused.returncode != 0
    assert "pairs.jsonl" in refused.stderr + refused.stdout
    assert "Traceback" not in refused.stderr + refused.stdout


def test_a_judge_that_was_killed_goes_on_where_it_was(judged: Workspace) -> None:
    """Its answers so far are in a journal, and no request is made twice."""
    judged.set("tasks", "tasks/judged/sample/size", 60)
    scorer = {**SCORER, "form": "rating", "against": [], "max_new_tokens": 24}
    judged.set("tasks", "tasks/judged/scorer", scorer)
    deadline, kept = time.monotonic() + PATIENCE_S, []
    running = start(judged, CELL)
    while running.poll() is None:
        assert time.monotonic() < deadline, judged.path("log.txt").read_text()
        journals = judged.root.glob("results/tiny-gpt2/cpu/judged/judged/*/journal.jsonl")
        with contextlib.suppress(StopIteration, FileNotFoundError):
            journal = next(journals)
            if not kept and len(lines(journal)) > 5:
                kill_everything(running)
                kept = lines(journal)
                running = start(judged, CELL)
        time.sleep(0.02)
    assert running.returncode == 0, judged.path("log.txt").read_text()
    said = next(judged.root.glob("results/tiny-gpt2/cpu/judged/judged/*/requests.jsonl"))
    whole = lines(said)
    assert kept
    assert whole[: len(kept)] == kept, "a finished request was lost or repeated"
    asked = next(judged.root.glob("resources/judged/judged/*/sample.jsonl"))
    assert {line["id"] for line in whole} == {line["id"] for line in lines(asked)}
    assert len({line["id"] for line in whole}) == len(whole)
    assert {line["session"] for line in whole} == {0, 1}
    assert judged.jobs(CELL) == set()
    assert not list(judged.root.glob("results/**/journal.jsonl"))


def test_the_study_rates_what_a_judge_compared(judged: Workspace) -> None:
    """The judge is of the study and is judged too, which the report says."""
    judged.set("tasks", "tasks/judged/scorer/at_least", 0.0)
    judged.set("config", "study/tasks", ["judged"])
    judged.build()
    rows = {row["variant"]: row for row in pl.read_parquet(judged.path("results/ratings.parquet")).to_dicts()}  # fmt: skip
    assert rows.keys() == {"tiny-llama", "tiny-llama-int8", "tiny-gpt2"}
    assert rows["tiny-gpt2"]["own"] == "itself"
    for row in rows.values():
        assert (row["judge"], row["form"]) == ("tiny-gpt2", "pair")
        assert row["check_pairs"] >= 5
        assert (row["rating"] is None) == (row["unrated"] is not None)
    page = judged.path("results/report.html").read_text(encoding="utf-8")
    assert '<h2 id="judged">' in page
    assert "The judge judges itself" in page
    assert judged.jobs() == set()

    ratings = judged.path("results/ratings.parquet")
    content = ratings.read_bytes()
    ratings.write_bytes(content[:-1])
    assert judged.jobs() == {"compare", "render"}
    judged.build()
    assert ratings.read_bytes() == content
    # Another threshold scores again, and asks nobody.
    judged.set("tasks", "tasks/judged/scorer/at_least", 1.0)
    redone = {job.split()[0] for job in judged.jobs()}
    assert redone == {"score", "aggregate", "compare", "render"}
    judged.build()
    again = pl.read_parquet(ratings)
    assert again["rating"].drop_nulls().is_empty()
    assert again["withheld"].drop_nulls().len() == 3
