"""answer.py: the answer for each task in the terminal, and its exit code for people's own CI."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from cells import ROOT, Cell, write

CELLS = [
    Cell("big", quality=0.95, seconds=0.4),
    Cell("big", "int8", quality=0.945, seconds=0.1, figures={"host_peak_bytes": 300_000_000}),
    Cell("small", quality=0.6, seconds=0.01),
    Cell("small", "int8", quality=0.6, seconds=0.012, outcome="invalid", reason="other load"),
    Cell("big", task="zh-en", metric="chrf2", quality=0.7, seconds=0.2),
    Cell("big", "int8", task="zh-en", metric="chrf2", quality=0.5, seconds=0.1),
]


def program(folder: Path, name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    path = ROOT / "workflow" / "scripts" / f"{name}.py"
    return subprocess.run(
        [sys.executable, str(path), *arguments],
        cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an aggregated study."""
    folder = tmp_path_factory.mktemp("study")
    paths = [write(folder / "results", cell) for cell in CELLS]
    (folder / "cells.txt").write_text("\n".join(map(str, paths)), encoding="utf-8")
    files = "--parquet results/study.parquet --csv results/study.csv --lock results/study.lock.json"
    done = program(folder, "aggregate", "--cells-from", "cells.txt", *files.split())
    assert done.returncode == 0, done.stderr
    return folder


def answered(folder: Path, *arguments: str) -> dict[str, dict[str, object]]:
    """The answers by task."""
    done = program(folder, "answer", "--json", *arguments)
    assert done.returncode == 0, done.stderr
    return {one["task"]: one for one in json.loads(done.stdout)}


def test_without_limits_it_is_the_reports_answer(study: Path) -> None:
    found = answered(study)
    assert set(found) == {"demo-sentiment", "zh-en"}
    assert found["demo-sentiment"]["answer"] == "big-int8/cpu"
    assert found["demo-sentiment"]["fastest"] == "small/cpu"
    assert found["demo-sentiment"]["frontier"][0] == "small/cpu"  # type: ignore[index]
    assert found["zh-en"]["answer"] == "big/cpu"


def test_the_table_has_a_line_for_each_task(study: Path) -> None:
    done = program(study, "answer", "--short")
    lines = done.stdout.splitlines()
    assert done.returncode == 0, done.stderr
    assert [line.split()[0] for line in lines] == ["task", "demo-sentiment", "zh-en"]
    assert "big-int8" in lines[1]
    assert " cpu " in lines[1]


def test_what_is_behind_the_table_is_said_in_words(study: Path) -> None:
    done = program(study, "answer", "--score-at-least", "90", "--task", "demo-sentiment")
    assert "The fastest within 2 points of the best is big-int8 on cpu:" in done.stdout
    assert "score at least 90.0 points: met by 2 of 3" in done.stdout
    assert "without both a score and a speed: 1 cell" in done.stdout


def test_the_fastest_and_the_best_follow_the_limits(study: Path) -> None:
    found = answered(study, "--latency-at-most", "0.2", "--score-at-least", "demo-sentiment=80")
    assert found["demo-sentiment"]["meeting"] == ["big-int8/cpu"]
    assert found["demo-sentiment"]["missed"] == {
        "big/cpu": ["latency (median) at most 200 ms"],
        "small/cpu": ["score at least 80.0 points in demo-sentiment"],
    }


def test_a_limit_at_a_percentile_is_about_that_percentile(study: Path) -> None:
    only = "--task", "demo-sentiment", "--latency-at-most", "0.1"
    median, p90 = answered(study, *only), answered(study, *only, "--percentile", "90")
    assert "big-int8/cpu" in median["demo-sentiment"]["meeting"]  # type: ignore[operator]
    assert p90["demo-sentiment"]["meeting"] == ["small/cpu"]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("--latency-at-most", "0.2"), 0),
        (("--latency-at-most", "0.0001"), 3),
        (("--score-at-least", "99", "--task", "zh-en"), 3),
        (("--chosen", "big-int8/cpu", "--latency-at-most", "0.2"), 0),
        (("--chosen", "big/cpu", "--latency-at-most", "0.25", "--task", "demo-sentiment"), 3),
        (("--chosen", "small/cpu", "--task", "zh-en"), 3),  # no cell there
        (("--chosen", "small-int8/cpu", "--task", "demo-sentiment"), 3),  # invalid
    ],
)
def test_or_fail_ends_with_a_code_of_its_own(
    study: Path, arguments: tuple[str, ...], code: int
) -> None:
    assert program(study, "answer", *arguments).returncode == 0
    done = program(study, "answer", "--or-fail", *arguments)
    assert done.returncode == code, done.stdout + done.stderr
    assert done.stdout


def test_a_chosen_variant_is_said_to_miss_what_it_misses(study: Path) -> None:
    limits = "--chosen", "big/cpu", "--latency-at-most", "0.25", "--task", "demo-sentiment"
    done = program(study, "answer", "--or-fail", *limits)
    assert "does not meet: latency (median) at most 250 ms." in done.stdout


def test_over_tasks_there_is_one_answer(study: Path) -> None:
    found = answered(study, "--over-tasks")
    assert list(found) == ["over all tasks"]
    assert found["over all tasks"]["meeting"] == ["big/cpu", "big-int8/cpu"]
    assert found["over all tasks"]["answer"] == "big/cpu"  # 20 points of chrF2 are 10 of the mean
    faster = answered(study, "--over-tasks", "--latency-at-most", "demo-sentiment=0.2")
    assert faster["over all tasks"]["answer"] == "big-int8/cpu"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--score-at-least", "0.9"), "for that share give 90"),
        (("--score-at-least", "demo-sentimant=90"), "did you mean 'demo-sentiment'?"),
        (("--score-at-least", "much"), "'much' is not a number"),
        (("--score-at-least", "nan"), "must be a number from 0"),
        (("--score-at-least", "90%"), "'90%' is not a number, nor TASK=NUMBER"),
        (("--device", "cpus"), "did you mean 'cpu'?"),
        (("--results", "elsewhere"), "elsewhere/study.parquet: no such file; run the study first"),
        (("--latency-at-most", "1", "--latency-at-most", "2"), "given twice for all tasks"),
        (("--task", "zh-ne"), "did you mean 'zh-en'?"),
        (("--chosen", "big-int4/cpu"), "did you mean 'big-int8/cpu'?"),
        (("--within", "nan"), "--within: nan: must be a number from 0"),
        (("--rate-at-least", "5"), "no task of the study has the figures"),
    ],
)
def test_bad_input_is_one_line(study: Path, arguments: tuple[str, ...], message: str) -> None:
    done = program(study, "answer", "--or-fail", *arguments)
    assert done.returncode == 1
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_a_table_that_is_altered_or_old_is_not_answered_from(study: Path, tmp_path: Path) -> None:
    shutil.copytree(study / "results", tmp_path / "results")
    cell = tmp_path / "results" / "big" / "cpu" / "zh-en.json"
    cell.write_text(cell.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    done = program(tmp_path, "answer")
    assert done.returncode == 1
    assert "older than results/big/cpu/zh-en.json" in done.stderr
    table = tmp_path / "results" / "study.parquet"
    table.write_bytes(table.read_bytes() + b" ")
    assert "altered" in program(tmp_path, "answer").stderr
    copied = tmp_path / "results"
    shutil.copy(study / "results" / "study.parquet", table)
    (copied / "study.lock.json").write_text("{", encoding="utf-8")
    done = program(tmp_path, "answer")
    assert done.returncode == 1
    assert "study.lock.json" in done.stderr
    assert "Traceback" not in done.stderr
    shutil.rmtree(tmp_path / "results")
    assert "run the study first" in program(tmp_path, "answer").stderr
