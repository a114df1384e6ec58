"""MT-Bench and AlpacaEval: their rows, the requests to a judge, and the scores of its verdicts."""

from __future__ import annotations

import gzip
import json
import math
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import shipped
from conftest import ROOT
from frontier.catalogue.question import Config
from frontier.datasets.mt_bench import MtBench
from frontier.errors import UserError
from frontier.judging import pairs
from frontier.judging.asking import CHECKS, Inquiry
from frontier.planning import judge_costs
from frontier.planning.judge_steps import Judging
from frontier.planning.steps import Steps
from frontier.requests import Sampling
from frontier.results.records import Record
from frontier.sampling.drawing import SampleSpec
from frontier.scorers import ScoredItem
from frontier.scorers.judge import Judge
from frontier.specs.measure import MeasuredTask
from frontier.stats.clustered import clustered_mean
from frontier.values import read_lines

JUDGING = ("math", "reasoning", "coding")
TEMPERATURES = {
    "writing": 0.7, "roleplay": 0.7, "extraction": 0, "math": 0, "coding": 0, "reasoning": 0,
    "stem": 0.1, "humanities": 0.1,
}  # fmt: skip


def steps(task: str, **study: Any) -> Steps:
    """A study of one task at an endpoint."""
    given = {"models": ["gpt-4o"], "devices": ["openai"], "tasks": [task], **study}
    config = Config.model_validate_json(json.dumps({"study": given}))
    return Steps(shipped.read(), config, lambda *_: None)


def judging_of(found: Steps) -> tuple[Judge, Judging]:
    (cell,) = found.cells
    scorer, judging = found.catalogue.scorers[cell.task], found.judging(cell)
    assert isinstance(scorer, Judge)
    assert judging
    return scorer, judging


def lines(path: Path, values: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(one) + "\n" for one in values), encoding="utf-8")
    return path


def answered(name: str, text: str) -> dict[str, Any]:
    return Record(name, "", text, 1, 1, "stop", 0, 0, [], 2, 0).line()


def requests(
    folder: Path, judging: Judging, rows: list[dict[str, Any]], answers: dict[str, str],
    dataset: Path,
) -> tuple[list[dict[str, Any]], list[Inquiry]]:  # fmt: skip
    """The requests to a judge that the program writes, and which is about which answer."""
    options = {
        "spec": judging.asks.spec_with_identity,
        "sample": lines(folder / "task.jsonl", rows),
        "requests": lines(folder / "said.jsonl", [answered(*one) for one in answers.items()]),
        "templates": dataset, "output": folder / "sample.jsonl", "pairs": folder / "pairs.jsonl",
        "lock": folder / "lock.json",
    }  # fmt: skip
    program = ROOT / "workflow" / "scripts" / "judge_requests.py"
    given = [part for name, value in options.items() for part in (f"--{name}", str(value))]
    done = subprocess.run([sys.executable, program, *given], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    written = [Inquiry.of_line(one) for one in read_lines(folder / "pairs.jsonl")]
    return read_lines(folder / "sample.jsonl"), written


def sample(found: Steps, task: str, folder: Path) -> list[dict[str, Any]]:
    """The rows of a task's sample, drawn from a folder."""
    block, loader = found.catalogue.tasks[task].sample, found.catalogue.loaders[task]
    spec = SampleSpec(
        loader=loader, size=block.size, seed=block.seed, **({"shares": block.shares} if block.shares else {})
    )  # fmt: skip
    rows, _ = spec.drawn(folder)
    return [{**vars(row)} for row in rows]


@pytest.fixture
def mt_bench(test_data: Path, tmp_path: Path) -> Path:
    """The files by the names that the catalogue's addresses have."""
    folder = tmp_path / "mt-bench"
    folder.mkdir()
    for name, other in (
        ("question.jsonl", "question.jsonl"),
        ("judge_prompts.jsonl", "judge_prompts.jsonl"),
        ("reference_answer_gpt-4.jsonl", "gpt-4.jsonl"),
    ):
        (folder / other).symlink_to(test_data / "mt_bench" / name)
    return folder


def test_all_of_mt_bench(mt_bench: Path) -> None:
    rows = [*MtBench().rows(mt_bench)]
    assert [row.id for row in rows] == [str(number) for number in range(81, 161)]
    assert Counter(row.stratum for row in rows) == dict.fromkeys(TEMPERATURES, 10)
    known = [row for row in rows if row.reference]
    assert {row.stratum for row in known} == {*JUDGING}
    assert len(known) == 30
    assert all(row.fields["reference_2"] for row in known)


def test_each_category_has_the_temperature_of_the_protocol(mt_bench: Path) -> None:
    task = MeasuredTask.model_validate(shipped.read().tasks["mt-bench"].slice("measure"))
    rows = sample(steps("mt-bench"), "mt-bench", mt_bench)
    assert task.samples
    for one in task.questions(rows).values():
        chosen = task.samples.of(one)
        expected = TEMPERATURES[one.stratum]
        assert (chosen and chosen.temperature) == (expected or None)
        assert chosen is None or isinstance(chosen, Sampling)
    misspelt = task.samples.model_copy(update={"strata": {"maths": 0.0}})
    with pytest.raises(UserError, match=r"no row is of the stratum 'maths'.*'math'"):
        task.model_copy(update={"samples": misspelt}).questions(rows)


def test_mt_bench_s_requests_are_fastchat_s(mt_bench: Path, tmp_path: Path) -> None:
    """160 ratings: four templates, the references, and the whole conversation in the second turn."""
    found = steps("mt-bench")
    _, judging = judging_of(found)
    rows = sample(found, "mt-bench", mt_bench)
    answers = {
        f"{row['id']}@{turn}": f"answer {row['id']}.{turn}" for row in rows for turn in (1, 2)
    }
    asked, about = requests(tmp_path, judging, rows, answers, mt_bench)
    assert len(asked) == 160 + 2 * CHECKS
    assert sum(one.check for one in about) == CHECKS
    texts = {row["id"]: row for row in asked}
    prompts = [
        json.loads(line) for line in (mt_bench / "judge_prompts.jsonl").read_text().splitlines()
    ]
    prompts_of = {one["name"]: one for one in prompts}
    for row in rows:
        fields = row["fields"]
        known = bool(fields["reference_1"])
        assert known == (row["stratum"] in JUDGING)
        for turn in (1, 2):
            (one,) = [it for it in about if it.item == f"{row['id']}@{turn}"]
            name = ("single-math-v1" if known else "single-v1") + (
                "-multi-turn" if turn == 2 else ""
            )
            values = {
                "question": fields["turn_1"], "question_1": fields["turn_1"],
                "question_2": fields["turn_2"], "answer": answers[f"{row['id']}@1"],
                "answer_1": answers[f"{row['id']}@1"], "answer_2": answers[f"{row['id']}@2"],
                "ref_answer_1": fields["reference_1"], "ref_answer_2": fields["reference_2"],
            }  # fmt: skip
            said = texts[str(one.first)]
            assert said["fields"]["request"] == prompts_of[name]["prompt_template"].format(**values)
            assert said["system"] == prompts_of[name]["system_prompt"]


def test_mt_bench_s_score_is_the_mean_of_turns_by_turn_and_category(
    mt_bench: Path, tmp_path: Path
) -> None:
    """Clustered by question; a rating that cannot be read is unscored."""
    found = steps("mt-bench")
    scorer, judging = judging_of(found)
    rows = sample(found, "mt-bench", mt_bench)
    answers = {f"{row['id']}@{turn}": f"a{row['id']}.{turn}" for row in rows for turn in (1, 2)}
    asked, about = requests(tmp_path, judging, rows, answers, mt_bench)
    rating = {
        f"{row['id']}@{turn}": 1 + (int(row["id"]) * turn) % 10 for row in rows for turn in (1, 2)
    }
    said = {}
    for one in about:
        if one.check:
            said |= {str(one.first): "Rating: [[9]]", str(one.second): "Rating: [[2]]"}
        else:
            said[str(one.first)] = f"Fine. Rating: [[{rating[one.item]}]]"
    assert {*said} == {row["id"] for row in asked}
    items = [
        ScoredItem(name, answers[name], "", row["fields"], question=row["id"], turn=turn)
        for row in rows
        for turn in (1, 2)
        for name in [f"{row['id']}@{turn}"]
    ]
    score = scorer.score_judged(items, about, said)
    metrics = score.metrics
    assert metrics["rating"].value == pytest.approx(np.mean([*rating.values()]))
    for turn in (1, 2):
        mean = np.mean([one for name, one in rating.items() if name.endswith(f"@{turn}")])
        assert metrics[f"rating_turn_{turn}"].value == pytest.approx(mean)
    for category in TEMPERATURES:
        names = [row["id"] for row in rows if row["stratum"] == category]
        mean = np.mean([rating[f"{name}@{turn}"] for name in names for turn in (1, 2)])
        assert metrics[f"rating_{category}"].value == pytest.approx(mean)
    expected = clustered_mean([rating[one.id] for one in items], [one.question for one in items])
    assert metrics["rating"].low == pytest.approx(expected.estimate.low)
    (lost,) = [one for one in about if one.item == "81@1"]
    score = scorer.score_judged(items, about, {**said, str(lost.first): "[[12]]"})
    assert sum(score.unscored.values()) == 1


def test_the_plan_says_what_a_judge_is_asked() -> None:
    (line,) = judge_costs.lines(steps("mt-bench"), steps("mt-bench").cells)
    calls = 160 + 2 * CHECKS + 2  # and the warm-up
    assert " by gpt-4.1 on openai: at most " in line
    assert f"{calls} " in line


def test_a_study_names_its_judge() -> None:
    scorer, judging = judging_of(
        steps("mt-bench", judge={"variant": "gpt-4o-mini", "device": "openai"})
    )
    assert (scorer.judge, judging.judge.variant) == ("gpt-4o-mini", "gpt-4o-mini")
    with pytest.raises(UserError, match=r"tasks\.mt-bench\.scorer: .*'gpt-4o-mini'"):
        judging_of(steps("mt-bench", judge={"variant": "gpt-4o-minni", "device": "openai"}))


@pytest.fixture
def alpaca_eval(test_data: Path, tmp_path: Path) -> Path:
    """The files by the names that the catalogue's addresses have."""
    folder = tmp_path / "alpaca-eval"
    folder.mkdir()
    packed = test_data / "alpaca_eval" / "alpaca_eval_gpt4_baseline.json.gz"
    (folder / "model_outputs.json").write_bytes(gzip.decompress(packed.read_bytes()))
    (folder / "alpaca_eval_clf.txt").symlink_to(test_data / "alpaca_eval" / "judge_prompt.txt")
    return folder


def test_alpaca_eval_by_probabilities(alpaca_eval: Path, tmp_path: Path) -> None:
    """Both orders of 805 pairs; the win rate is the mean of their preferences, as published."""
    found = steps("alpaca-eval")
    scorer, judging = judging_of(found)
    rows = sample(found, "alpaca-eval", alpaca_eval)
    assert Counter(row["stratum"] for row in rows) == {
        "selfinstruct": 252, "oasst": 188, "koala": 156, "helpful_base": 129, "vicuna": 80,
    }  # fmt: skip
    spec = judging.measure.spec["task"]
    assert isinstance(spec, dict)
    assert spec["choices"] == ["m", "M"]
    (line,) = judge_costs.lines(found, found.cells)
    assert f"at most {2 * (805 + CHECKS) + 2:,} " in line
    answers = {row["id"]: f"short {row['id']}" for row in rows}
    answers[rows[0]["id"]] = rows[0]["fields"]["output"]
    asked, about = requests(tmp_path, judging, rows, answers, alpaca_eval)
    assert len(asked) == 2 * (804 + CHECKS)
    questions = MeasuredTask.model_validate(spec).questions(asked)
    assert {one.choices for one in questions.values()} == {("m", "M")}
    assert all(one.system for one in questions.values())
    own = {row["id"]: row["fields"] for row in rows}
    text = (alpaca_eval / "alpaca_eval_clf.txt").read_text(encoding="utf-8")
    texts = {row["id"]: row for row in asked}
    (one,) = [it for it in about if it.item == rows[1]["id"]]
    user = text.split("<|im_start|>user\n")[1].split("<|im_end|>")[0].rstrip("\n")
    for name, first, second in (
        (one.first, answers[one.item], own[one.item]["output"]),
        (one.second, own[one.item]["output"], answers[one.item]),
    ):
        shown = user.replace("{instruction}", own[one.item]["instruction"], 1)
        shown = shown.replace("{output_1}", first, 1).replace("{output_2}", second, 1)
        assert texts[str(name)]["fields"]["request"] == shown
    rng = np.random.default_rng(0)
    chances = {row["id"]: float(rng.uniform(0.05, 0.95)) for row in asked}
    for it in about:
        if it.check:
            chances |= {str(it.first): 0.9, str(it.second): 0.1}
    said = {
        name: {"m": math.log(chance), "M": math.log(1 - chance)} for name, chance in chances.items()
    }
    items = [ScoredItem(row["id"], answers[row["id"]], "", row["fields"]) for row in rows]
    score = scorer.score_judged(items, about, said)
    preferences = [
        0.5 if it.equal else (chances[str(it.first)] + 1 - chances[str(it.second)]) / 2
        for it in about
        if not it.check
    ]
    assert score.metrics["judged"].value == pytest.approx(np.mean(preferences))
    assert score.details["habits"]["equal"] == 1
    assert "length_adjusted_win_rate" in score.metrics, "not called length-controlled"


def test_a_judge_without_probabilities_answers_in_text() -> None:
    found = steps("alpaca-eval", judge={"variant": "o3", "device": "openai-reasoning"})
    _, judging = judging_of(found)
    task = judging.measure.spec["task"]
    assert isinstance(task, dict)
    assert "choices" not in task
    assert task["max_new_tokens"]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ({"question_id": 81, "turns": ["a", "b"], "category": ""}, "row 1.* lacks its category"),
        ({"question_id": 81, "turns": ["a"], "category": "x"}, "row 1.* 2 turns"),
        ({"question_id": 81, "turns": ["a", ""], "category": "x"}, "row 1.* 2 turns"),
        ({"turns": ["a", "b"], "category": "x"}, "row 1.* question_id"),
        ({"question_id": 81, "choices": [], "category": "x"}, "row 1.* 2 turns"),
    ],
)
def test_rows_that_are_not_mt_bench_s(tmp_path: Path, line: dict[str, Any], words: str) -> None:
    lines(tmp_path / "question.jsonl", [line])
    with pytest.raises(UserError, match=words):
        [*MtBench().rows(tmp_path)]


def known(count: int = pairs.FEWEST) -> list[dict[str, Any]]:
    return [{"question": f"{n} + 1?", "better": f"{n + 1}", "worse": "a lot"} for n in range(count)]


def test_a_file_of_known_pairs(tmp_path: Path) -> None:
    """A row may have a reference."""
    file = lines(tmp_path / "pairs.jsonl", [*known(), {**known()[0], "reference": "one"}])
    read = pairs.read(file)
    assert [one.better for one in read] == ["1", "2", "3", "4", "5", "1"]
    assert [one.reference for one in read] == [""] * 5 + ["one"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda rows: rows[:4], "has 4 pairs"),
        (lambda rows: [{**one, "worse": one["better"]} for one in rows], "row 1.*are the same"),
        (lambda rows: [{**one, "better": " "} for one in rows], "row 1.*'better' is empty"),
        (lambda rows: [{"question": "?", "beter": "a", "worse": "b"}] * 5, "'better'.*'beter'"),
    ],
)
def test_pairs_that_say_nothing(
    tmp_path: Path, change: Callable[[list[dict[str, Any]]], list[dict[str, Any]]], words: str
) -> None:
    with pytest.raises(UserError, match=words):
        pairs.read(lines(tmp_path / "pairs.jsonl", change(known())))


def test_a_task_without_right_answers_is_judged_by_a_file_of_pairs(tmp_path: Path) -> None:
    """The requests about them are those of the file; one line if it changes before the job."""
    file = lines(tmp_path / "pairs.jsonl", known())
    table = lines(tmp_path / "table.jsonl", [{"q": f"Say {n}."} for n in range(3)])

    def catalogue(**scorer: Any) -> Any:
        return shipped.catalogue(
            models={"m": {"served": "m", "prompt": "chat"}},
            devices={"openai": {"accelerator": "remote", "engine": "openai"}},
            quantizations={"native": {"method": "native"}},
            datasets={"t": {"loader": "table", "source": {"path": str(table)}}},
            tasks={"t": {
                "dataset": "t", "sample": {"size": 3}, "prompt": "{q}", "max_new_tokens": 5,
                "scorer": {"kind": "judge", "judge": "m", "device": "openai", **scorer},
            }},
        )  # fmt: skip

    study = {"models": ["m"], "devices": ["openai"], "tasks": ["t"]}
    config = Config.model_validate({"study": study})
    with pytest.raises(UserError, match="reference: Field required"):
        catalogue()
    with pytest.raises(UserError, match="no such file"):
        _ = judging_of(
            Steps(catalogue(check_file=str(tmp_path / "no.csv")), config, lambda *_: None)
        )
    found = Steps(catalogue(check_file=str(file)), config, lambda *_: None)
    _, judging = judging_of(found)
    assert judging.check == file
    (line,) = judge_costs.lines(found, found.cells)
    warm_up = found.catalogue.devices["openai"].warmup.maximum
    assert f"at most {3 + 2 * len(known()) + warm_up:,} requests" in line
    rows = [{"id": f"r{n}", "fields": {"q": f"Say {n}."}, "reference": ""} for n in range(3)]
    answers = {row["id"]: "said" for row in rows}
    options = [
        "--spec", judging.asks.spec_with_identity, "--check", file,
        "--sample", lines(tmp_path / "s.jsonl", rows),
        "--requests", lines(tmp_path / "r.jsonl", [answered(*one) for one in answers.items()]),
        "--output", tmp_path / "o.jsonl", "--pairs", tmp_path / "p.jsonl",
        "--lock", tmp_path / "l.json",
    ]  # fmt: skip
    command = [sys.executable, ROOT / "workflow" / "scripts" / "judge_requests.py", *options]
    assert subprocess.run(command).returncode == 0
    assert len(read_lines(tmp_path / "o.jsonl")) == 3 + 2 * len(known())
    lines(file, known(7))
    again = subprocess.run(command, capture_output=True, text=True)
    assert again.returncode != 0
    assert "changed since this was planned" in again.stderr
