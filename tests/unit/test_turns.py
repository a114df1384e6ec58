"""Conversations: a task's follow-ups, each behind the model's own answers to the turns before."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import little
import shipped
from conftest import ROOT
from frontier.catalogue.configuration import read_catalogue
from frontier.catalogue.entries import Catalogue
from frontier.engines import LoadedModel, Settings
from frontier.engines.loaded import transformers
from frontier.errors import UserError
from frontier.measuring import reuse, sessions, turns
from frontier.measuring.contention import Watch
from frontier.measuring.pauses import Pauses
from frontier.planning.cells import cell
from frontier.prompts import Chat, Shot
from frontier.quantizers import quantizer_of
from frontier.requests import Generate
from frontier.results.journal import Journal
from frontier.results.layout import Place
from frontier.results.records import Record, input_sha256
from frontier.scenarios import Bench
from frontier.scenarios.common import asked
from frontier.scenarios.single_stream import SingleStream
from frontier.specs.measure import MeasuredTask

TEMPLATE = (
    "{% for m in messages %}[{{ m.role }}] {{ m.content }}\n{% endfor %}"
    "{% if add_generation_prompt %}[assistant] {% endif %}"
)
AS_CHAT = Settings("cpu", "float32", 1, "chat", quantizer_of({"method": "native"}))
TASK = MeasuredTask.model_validate(
    {"prompt": "{a} ?", "follow_ups": ["{b} ?", "{c} ?"], "max_new_tokens": 5}
)
ROWS = [
    {"id": f"q{n}", "fields": {"a": f"What is {n} + 1", "b": f"a film {n}", "c": f"Once {n}"}}
    for n in range(3)
]
QUESTIONS = TASK.questions(ROWS)


class StoppedError(Exception):
    """The end of a process that was killed."""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    """A small random model with a chat template, whose answers vary with the prompt."""
    folder = little.checkpoint(tmp_path_factory.mktemp("little"), max_position_embeddings=512)
    little.edit(folder / "tokenizer_config.json", chat_template=TEMPLATE)
    return transformers.load(folder, AS_CHAT)


def measured(
    model: LoadedModel, path: Path, most: int | None = None, task: MeasuredTask = TASK
) -> list[Record]:
    """The records of a process that asks what a journal lacks, and is killed after `most`."""
    questions = task.questions(ROWS)
    journal = Journal(path, sessions.here(None, None, ()))
    requests = asked.requests_for(questions, task, model)
    done = 0

    def append(record: Record, reading: dict[str, Any]) -> None:
        nonlocal done
        if done == most:
            raise StoppedError
        done += 1
        Journal.append(journal, record, reading)

    journal.append = append  # type: ignore[method-assign]
    with Pauses() as pauses:
        bench = Bench(
            model, requests, journal, Watch("cpu"), pauses, "cell", questions=questions, task=task
        )
        SingleStream().measure(bench)
    return journal.records


def by_id(records: list[Record]) -> dict[str, Record]:
    return {record.id: record for record in records}


def test_turns_are_requests_that_follow_one_another() -> None:
    """Each has an id, and the conversation so far; a task without follow-ups has its rows' ids."""
    assert [*QUESTIONS][:4] == ["q0@1", "q0@2", "q0@3", "q1@1"]
    last = replace(QUESTIONS["q0@3"], answers=("two", "good"))
    assert last.whole == Chat(
        "Once 0 ?", (Shot("What is 0 + 1 ?", "two"), Shot("a film 0 ?", "good"))
    )
    assert last.follows == ("q0@1", "q0@2")
    assert QUESTIONS["q0@1"].whole == "What is 0 + 1 ?"
    several = TASK.model_copy(update={"follow_ups": None})
    assert [*several.questions(ROWS)] == ["q0", "q1", "q2"]
    sampled = MeasuredTask.model_validate(
        {**TASK.model_dump(), "follow_ups": ["{b}"],
         "samples": {"count": 2, "temperature": 1, "top_p": 1, "seed": 0}}
    )  # fmt: skip
    names = ["q0#1@1", "q0#1@2", "q0#2@1", "q0#2@2"]
    assert [*sampled.questions(ROWS)][:4] == names
    assert sampled.questions(ROWS)["q0#2@2"].follows == ("q0#2@1",)


def test_shots_and_a_beginning_come_before_the_turns() -> None:
    """Shots as text are part of the first message; the model's answers have the beginning too."""
    row = {**ROWS[0], "shots": [{"fields": ROWS[1]["fields"], "reference": "2"}]}
    given = {"count": 1, "as": "turns", "separator": "\n"}
    begun = {**TASK.model_dump(exclude_none=True), "answer_begins": "So", "shots": given}
    (_, second, _) = MeasuredTask.model_validate(begun).questions([row]).values()
    assert replace(second, answers=(" one",)).whole == Chat(
        "a film 0 ?",
        (Shot("What is 1 + 1 ?", "So 2"), Shot("What is 0 + 1 ?", "So one")),
        "So",
    )
    begun["shots"] = {**given, "as": "text"}
    (_, second, _) = MeasuredTask.model_validate(begun).questions([row]).values()
    whole = second.whole
    assert isinstance(whole, Chat)
    assert [one.question for one in whole.shots] == ["What is 1 + 1 ? So 2\nWhat is 0 + 1 ?"]


def test_each_turn_sees_the_model_s_own_answers(model: LoadedModel, tmp_path: Path) -> None:
    """Its prompt, as the model read it, is the conversation; each turn is timed by itself."""
    found = by_id(measured(model, tmp_path / "journal.jsonl"))
    assert [*found] == [*QUESTIONS]
    for row in ROWS:
        first, second, third = (found[f"{row['id']}@{turn}"] for turn in (1, 2, 3))
        text = (
            f"[user] {row['fields']['a']} ?\n[assistant] {first.text}\n"
            f"[user] {row['fields']['b']} ?\n[assistant] {second.text}\n"
            f"[user] {row['fields']['c']} ?\n[assistant] "
        )
        assert third.prompt_sha256 == hashlib.sha256(text.encode()).hexdigest()
        assert first.prompt_tokens < second.prompt_tokens < third.prompt_tokens
        assert third.tokens
    assert len({record.text for record in found.values()}) > 3, "the answers vary"


@pytest.mark.parametrize("most", [1, 2, 4])
def test_a_run_that_was_killed_between_turns_goes_on(
    model: LoadedModel, tmp_path: Path, most: int
) -> None:
    """Answers of before are asked no second time, and the turns behind them are the same."""
    whole = by_id(measured(model, tmp_path / "whole.jsonl"))
    path = tmp_path / "journal.jsonl"
    with pytest.raises(StoppedError):
        measured(model, path, most)
    found = by_id(measured(model, path))
    assert {name: one.text for name, one in found.items()} == {
        name: one.text for name, one in whole.items()
    }
    assert [one.input_sha256 for one in found.values()] == [
        one.input_sha256 for one in whole.values()
    ]
    assert [one.session for one in found.values()].count(0) == most


def test_a_turn_behind_another_answer_is_asked_again(model: LoadedModel, tmp_path: Path) -> None:
    """Only those of its row, if the answer before was lost or is another one."""
    records = measured(model, tmp_path / "journal.jsonl")
    assert not [*turns.outdated(QUESTIONS, records)]
    lost = [record for record in records if record.id != "q1@1"]
    assert [one.id for one in turns.outdated(QUESTIONS, lost)] == ["q1@2", "q1@3"]
    other = [replace(one, text="other") if one.id == "q1@2" else one for one in records]
    assert [one.id for one in turns.outdated(QUESTIONS, other)] == ["q1@3"]


def test_a_turn_behind_a_failure_fails_and_is_asked_once_there_is_an_answer(
    model: LoadedModel, tmp_path: Path
) -> None:
    """Nothing is asked behind an answer that is not there."""
    records = measured(model, tmp_path / "journal.jsonl")
    failed = replace(records[0], text="", tokens=0, arrivals=[], failure="away")
    path = tmp_path / "again.jsonl"
    journal = Journal(path, sessions.here(None, None, ()))
    bench = Bench(
        model, asked.requests_for(QUESTIONS, TASK, model), journal, Watch("cpu"), Pauses(), "cell",
        questions=QUESTIONS, task=TASK,
    )  # fmt: skip
    missing = bench.current("q0@2", {failed.id: failed})
    assert not isinstance(missing, Generate)
    assert getattr(missing, "reason", None) == turns.UNANSWERED
    now = bench.current("q0@2", {records[0].id: records[0]})
    assert isinstance(now, Generate)
    assert isinstance(now.prompt, Chat)
    behind = replace(records[1], failure=turns.UNANSWERED, input_sha256="")
    assert not [*turns.outdated(QUESTIONS, [failed, behind])]
    assert [one.id for one in turns.outdated(QUESTIONS, [records[0], behind])] == ["q0@2"]


def test_a_conversation_that_grew_too_long_is_a_failure_of_that_turn(tmp_path: Path) -> None:
    """The turns before it keep their answers."""
    folder = little.checkpoint(tmp_path / "short", max_position_embeddings=72)
    little.edit(folder / "tokenizer_config.json", chat_template=TEMPLATE)
    records = measured(transformers.load(folder, AS_CHAT), tmp_path / "journal.jsonl")
    failures = {record.id[-1]: record.failure for record in records}
    assert failures["1"] is None
    assert failures["3"] in (turns.TOO_LONG, turns.UNANSWERED)


def test_turns_of_another_sample_are_reused_behind_the_same_answers_only(tmp_path: Path) -> None:
    """A later turn's record counts by all that was asked, the model's answers included."""
    here = sessions.here("7" * 16, None, ())
    first = replace_input("q0@1", "two", QUESTIONS["q0@1"].input)
    behind = replace(QUESTIONS["q0@2"], answers=("two",)).input
    other = replace(QUESTIONS["q0@2"], answers=("three",)).input
    for text, expected in ((behind, ["q0@1", "q0@2"]), (other, ["q0@1"])):
        found = reuse.Session(here, None)
        for start, record in enumerate((first, replace_input("q0@2", "good", text))):
            found.records[start] = replace(record, start_ns=start)
        taken = reuse._conversations([found], QUESTIONS)
        assert [one.id for one in taken[found]] == expected


def replace_input(name: str, text: str, asked_text: str) -> Record:
    return Record(
        name, "", text, 1, 1, "stop", 0, 0, [], 2, 0, input_sha256=input_sha256(asked_text)
    )


def catalogue(prompt: str = "chat", **keys: Any) -> Catalogue:
    """The demo's rows with a second turn, judged."""
    task = {
        "dataset": "demo", "sample": {"size": 2, "grammar": "arithmetic"}, "prompt": "{question}",
        "follow_ups": ["Why is {question} so?"], "max_new_tokens": 4,
        "scorer": {"kind": "judge", "judge": "m", "device": "cpu"}, **keys,
    }  # fmt: skip
    hub = {"hub": "owner/name", "revision": "0123456789abcdef0123456789abcdef01234567"}
    return shipped.catalogue(
        models={"m": {**hub, "prompt": prompt}}, devices={"cpu": {"accelerator": "cpu"}},
        quantizations={"native": {"method": "native"}},
        datasets={"demo": {"loader": "demo", "source": {"generator": "demo"}}}, tasks={"t": task},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("prompt", "scenario", "reason"),
    [
        ("chat", "single-stream", None),
        ("plain", "single-stream", "several turns need a model with prompt: chat"),
        ("chat", "offline", "the turns of a conversation are asked one at a time (single-stream)"),
        ("chat", "server", "the turns of a conversation are asked one at a time (single-stream)"),
    ],
)
def test_where_turns_are_possible(prompt: str, scenario: str, reason: str | None) -> None:
    """Elsewhere a cell is unsupported with the reason, before any job."""
    found = cell(catalogue(prompt), Place("m", "cpu", "t", scenario), lambda *_: None)
    assert found.reason == reason
    assert catalogue().tasks["t"].requests == 4


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"follow_ups": ["{questoin}"]}, r"follow_ups\.0: .*'question'"),
        ({"scorer": {"kind": "mathematics"}}, "follow_ups: mathematics scores one answer to each"),
        ({"follow_ups": [" "]}, "follow_ups"),
    ],
)
def test_turns_that_cannot_be_are_one_line(keys: dict[str, Any], words: str) -> None:
    """The key is named before any job."""
    with pytest.raises(UserError, match=words):
        catalogue(**keys)


def test_tasks_without_turns_have_the_identities_of_before() -> None:
    """No key of theirs is new."""
    found = read_catalogue(ROOT / "config").tasks["demo-arithmetic"]
    assert "follow_ups" not in found.slice("measure")
