"""Conversations of two turns, judged by templates of their dataset, through the workflow."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import little
from workspace import Workspace, jobs_in

CELL = "results/little/cpu/talks.json"
TEMPLATE = (
    "{% for m in messages %}[{{ m.role }}] {{ m.content }}\n{% endfor %}"
    "{% if add_generation_prompt %}[assistant] {% endif %}"
)
PROMPTS = [
    {"name": "one", "type": "single", "system_prompt": "You rate.",
     "prompt_template": "{question} -> {answer}. [[5]]?"},
    {"name": "two", "type": "single", "system_prompt": "You rate the last.",
     "prompt_template": "{question_1} -> {answer_1}. {question_2} -> {answer_2}. [[5]]?"},
]  # fmt: skip


def lines(path: Path, values: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(one) + "\n" for one in values), encoding="utf-8")


@pytest.fixture
def talks(place: Workspace, tmp_path: Path) -> Workspace:
    """The tiny study with a small chat model, and four conversations that another model rates."""
    folder = little.checkpoint(tmp_path / "little", max_position_embeddings=512)
    little.edit(folder / "tokenizer_config.json", chat_template=TEMPLATE)
    data = tmp_path / "talks"
    data.mkdir()
    rows = [
        {"question_id": n, "category": "math" if n % 2 else "writing",
         "turns": [f"What is {n}?", "Why?"]}
        for n in range(1, 5)
    ]  # fmt: skip
    known = [
        {"question_id": n, "choices": [{"turns": [f"It is {n}.", "So."]}]} for n in range(1, 5)
    ]
    lines(data / "question.jsonl", rows)
    lines(data / "gpt-4.jsonl", known)
    lines(data / "judge_prompts.jsonl", PROMPTS)
    place.set("models", "models/little", {"path": str(folder), "prompt": "chat"})
    source = {"loader": "mt_bench", "source": {"path": str(data)}}
    place.set("tasks", "datasets/talks", source)
    scorer = {
        "kind": "judge", "judge": "tiny-gpt2", "device": "cpu", "dataset_template": PROMPTS_FILE,
        "template_name": "one", "template_names": {"later": "two"}, "by": "category",
        "max_new_tokens": 2, "at_least": 0.0,
    }  # fmt: skip
    task = {
        "dataset": "talks", "sample": {"size": 4}, "prompt": "{turn_1}", "follow_ups": ["{turn_2}"],
        "max_new_tokens": 4, "scorer": scorer,
    }  # fmt: skip
    place.set("tasks", "tasks/talks", task)
    return place


PROMPTS_FILE = "judge_prompts.jsonl"


def test_both_turns_are_measured_and_judged(talks: Workspace) -> None:
    """A cell has a request for each turn; the judge reads the whole conversation."""
    planned = talks.jobs(CELL)
    assert jobs_in(talks.build(CELL)) == planned
    cell = json.loads(talks.path(CELL).read_text(encoding="utf-8"))
    assert cell["outcome"] == "measured"
    assert cell["score"]["requests"] == 8
    table = pl.read_parquet(talks.path(CELL).with_suffix(".parquet"))
    assert sorted(table["id"]) == [f"{n}@{turn}" for n in range(1, 5) for turn in (1, 2)]
    assert sorted({*table["question"]}) == ["1", "2", "3", "4"]
    (asked,) = talks.root.glob("resources/judged/talks/*/sample.jsonl")
    texts = [
        json.loads(line)["fields"]["request"] for line in asked.read_text("utf-8").splitlines()
    ]
    answers = dict(table.select("id", "prediction").iter_rows())
    whole = f"What is 3? -> {answers['3@1'].strip()}. Why? -> {answers['3@2'].strip()}. [[5]]?"
    assert f"You rate the last.\n\n{whole}" in texts, "a judge without a chat reads it as one text"
    assert talks.jobs(CELL) == set()

    # Half of the measurement is lost, as if it had been killed: the other half is asked again.
    (requests,) = talks.root.glob("results/little/cpu/talks/*/requests.jsonl")
    measurement = requests.with_name("measurement.json")
    before = {one["id"]: one for one in map(json.loads, requests.read_text("utf-8").splitlines())}
    kept = requests.read_text("utf-8").splitlines()[:3]
    requests.write_text("\n".join(kept) + "\n", encoding="utf-8")
    ran = jobs_in(talks.build(CELL))
    assert any(job.startswith("measure ") for job in ran)
    after = {one["id"]: one for one in map(json.loads, requests.read_text("utf-8").splitlines())}
    assert {name: one["text"] for name, one in after.items()} == {
        name: one["text"] for name, one in before.items()
    }
    again = {name for name, one in after.items() if one["start_ns"] != before[name]["start_ns"]}
    assert {*after} - again == {json.loads(line)["id"] for line in kept}
    assert measurement.exists()


def test_what_a_judge_lacks_is_said_before_any_job(talks: Workspace) -> None:
    """The later turns' template, a template of that name, the judge itself."""
    for key, value, words in (
        ("template_names", None, "follow_ups need template_names.later"),
        ("judge", "tiny-gtp2", "'tiny-gpt2'"),
    ):
        before = talks.get("tasks", f"tasks/talks/scorer/{key}")
        talks.set("tasks", f"tasks/talks/scorer/{key}", value)
        done = talks.snakemake("-n", CELL)
        assert done.returncode != 0
        assert words in done.stderr, done.stderr[-2000:]
        talks.set("tasks", f"tasks/talks/scorer/{key}", before)
