"""compare_results.py: which results may be compared, and how far answers and times differ."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from cells import ROOT, Cell, write
from frontier.results import checksums
from frontier.values import sha256

LLAMA = Cell("llama", requests=40, identity={"digest": "a"})
FALCON = Cell("falcon", "int8", requests=40)
HARDWARE = {"cpu": "Example CPU", "cores": 2, "memory_bytes": 8_000_000_000}


def compared(one: Path, other: Path, *more: str) -> subprocess.CompletedProcess[str]:
    program = ROOT / "workflow" / "scripts" / "compare_results.py"
    return subprocess.run(
        [sys.executable, str(program), str(one), str(other), *more],
        capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.fixture
def one(tmp_path: Path) -> Path:
    """A folder of results with two cells."""
    for cell in (LLAMA, FALCON):
        write(tmp_path / "one", cell)
    return tmp_path / "one"


def record(**task: Any) -> dict[str, Any]:
    """A cell's identity that has its measurement's."""
    spec = {"task": {"prompt": "{question}", "max_new_tokens": 8, **task}, "device": {"threads": 2}}
    inputs = {"measurement": json.dumps(spec)}
    return {
        "rule": "score",
        "inputs": inputs,
        "upstream": {"measurement": {"rule": "measure", "spec": spec}},
    }


def test_the_same_study_twice_has_the_same_answers(one: Path, tmp_path: Path) -> None:
    for cell in (LLAMA, FALCON):
        write(tmp_path / "other", cell)
    done = compared(one, tmp_path / "other", "--same-answers")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("40 requests: every answer is the same") == 2
    assert "2 of 2 pairs may be compared; 0 of 80 answers differ" in done.stdout
    assert "the second takes ×1.00 as long" in done.stdout


def test_other_threads_may_be_compared_and_changed_answers_are_counted_and_shown(
    one: Path, tmp_path: Path
) -> None:
    path = write(tmp_path / "other", replace(LLAMA, figures={"threads": 1}))
    write(tmp_path / "other", FALCON)
    table = path.with_suffix(".parquet")
    rows = pl.read_parquet(table).with_row_index("row")
    changed = pl.when(pl.col("row") < 4)
    rows.with_columns(
        changed.then(pl.lit("maybe")).otherwise("prediction").alias("prediction"),
        changed.then(pl.lit(0.5)).otherwise("score").alias("score"),
    ).drop("row").write_parquet(table)
    done = compared(one, tmp_path / "other", "--show", "2")
    assert done.returncode == 0, done.stderr
    assert "differs here: threads: 2 → 1" in done.stdout
    assert "40 requests: 4 texts changed (10 %); 4 scores changed" in done.stdout
    assert done.stdout.count("→ 'maybe'") == 2
    assert "4 of 80 answers differ" in done.stdout
    assert compared(one, tmp_path / "other", "--same-answers").returncode == 3


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"provenance": {"sample_sha256": "2" * 64}}, "other questions: the samples differ"),
        ({"provenance": {"weights_sha256": "2" * 64}}, "another model: the weights differ"),
        ({"metric": "chrf2"}, "scored in another way"),
        ({"random_weights": True}, "only one of them has a score"),
        ({"outcome": "out-of-memory"}, "the second has no answers: out-of-memory"),
        ({"identity": record(max_new_tokens=9)}, "asked in another way: task.max_new_tokens: 8 → 9"),
    ],
)  # fmt: skip
def test_what_was_asked_or_scored_otherwise_may_not_be_compared(
    tmp_path: Path, change: dict[str, Any], reason: str
) -> None:
    cell = replace(LLAMA, identity=record())
    first = write(tmp_path / "one", cell)
    second = write(tmp_path / "other", replace(cell, **change))
    done = compared(first, second)
    assert done.returncode == 3, done.stdout + done.stderr
    assert "may not be compared" in done.stdout
    assert reason in done.stdout
    assert "times:" not in done.stdout


def test_cells_without_answers_on_either_side_forbid_nothing(one: Path, tmp_path: Path) -> None:
    for folder in (one, tmp_path / "other"):
        write(folder, replace(FALCON, outcome="unsupported", reason="no such kernel"))
    write(tmp_path / "other", LLAMA)
    done = compared(one, tmp_path / "other", "--same-answers")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "falcon-int8/cpu/demo-sentiment: neither has answers: unsupported" in done.stdout
    assert "1 of 1 pair may be compared; 0 of 40 answers differ" in done.stdout


def test_other_questions_are_seen_even_where_no_identity_says_so(one: Path, tmp_path: Path) -> None:
    path = write(tmp_path / "other", LLAMA)
    table = path.with_suffix(".parquet")
    pl.read_parquet(table).with_columns(pl.col("input") + "?").write_parquet(table)
    done = compared(one / "llama" / "cpu" / "demo-sentiment.json", path)
    assert done.returncode == 3
    assert "other questions: 40 of 40 requests" in done.stdout


def test_what_else_differs_is_named_once_for_all_cells(one: Path, tmp_path: Path) -> None:
    elsewhere = {
        "hardware": {**HARDWARE, "cpu": "Another CPU", "driver": "580.1"},
        "packages": {"torch": "2.14.0", "transformers": "5.23.0"},
        "surroundings": {"commit": "c0ffee", "dirty": True, "governor": "powersave"},
    }
    for cell in (LLAMA, FALCON):
        write(tmp_path / "other", replace(cell, provenance=elsewhere))
    done = compared(one, tmp_path / "other")
    assert done.returncode == 0, done.stdout
    for line in (
        "CPU: Example CPU → Another CPU",
        "driver: none → 580.1",
        "torch: 2.13.0 → 2.14.0",
        "commit: none → c0ffee",
        "governor: none → powersave",
        "the second's code has changes that no commit has",
    ):
        assert done.stdout.count(f"differs: {line}\n") == 1


def test_times_of_an_invalid_cell_are_not_compared(one: Path, tmp_path: Path) -> None:
    path = write(tmp_path / "other", replace(LLAMA, outcome="invalid", reason="foreign load"))
    done = compared(one / "llama" / "cpu" / "demo-sentiment.json", path)
    assert done.returncode == 0
    assert "times may not be compared: the second's times are invalid: foreign load" in done.stdout


def test_two_variants_may_be_compared_by_their_files(one: Path) -> None:
    files = [one / name / "cpu" / "demo-sentiment.json" for name in ("llama", "falcon-int8")]
    done = compared(*files)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "differs: cell: llama on cpu → falcon-int8 on cpu" in done.stdout


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("one", "nothing"), "give two folders of results"),
        (("one", "empty"), "has no cells"),
        (("one", "foreign"), "have no cell in common"),
    ],
)
def test_bad_input_is_one_line(
    one: Path, tmp_path: Path, names: tuple[str, str], message: str
) -> None:
    (tmp_path / "empty").mkdir()
    write(tmp_path / "foreign", Cell("other"))
    done = compared(*(tmp_path / name for name in names))
    assert done.returncode == 1
    assert message in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("name", ["demo-sentiment.json", "demo-sentiment.parquet"])
def test_altered_files_may_not_be_compared(one: Path, tmp_path: Path, name: str) -> None:
    """They have the digests that score.py writes; the others of the two results still may be."""
    other = tmp_path / "other"
    for cell in (LLAMA, FALCON):
        path = write(other, cell)
        table = sha256(path.with_suffix(".parquet"))
        checksums.write(path, json.loads(path.read_bytes()) | {"table_sha256": table})
    assert "2 of 2 pairs may be compared" in compared(one, other).stdout
    path = other / "llama" / "cpu" / name
    if path.suffix == ".json":
        path.write_text(path.read_text(encoding="utf-8").replace("demo", "Demo"), encoding="utf-8")
    else:
        pl.read_parquet(path).with_columns(prediction=pl.lit("x")).write_parquet(path)
    done = compared(one, other)
    assert done.returncode == 3
    assert f"the second was altered since it was written: {name}" in done.stdout
    assert "1 of 2 pairs may be compared" in done.stdout


def test_another_layout_or_no_cell_is_one_line(one: Path, tmp_path: Path) -> None:
    path = write(tmp_path / "other", LLAMA)
    value = json.loads(path.read_bytes())
    path.write_text(json.dumps(value | {"layout": 99}), encoding="utf-8")
    done = compared(one / "llama" / "cpu" / "demo-sentiment.json", path)
    assert done.returncode == 1
    assert "layout" in done.stderr
    assert "Traceback" not in done.stderr


def test_other_settings_engines_and_gpus_are_named(tmp_path: Path) -> None:
    """The differences of one variant: the precision, the version of what answered, the GPU; all may be compared."""
    first = write(tmp_path / "one", replace(LLAMA, identity=record()))
    spec = record()
    spec["upstream"]["measurement"]["spec"]["dtype"] = "bfloat16"
    spec["inputs"] = {"measurement": json.dumps(spec["upstream"]["measurement"]["spec"])}
    elsewhere = {"hardware": {**HARDWARE, "gpus": ["NVIDIA H100"]}, "packages": {"vllm": "0.20.0"}}
    figures = {"dtype": "bfloat16"}
    second = write(
        tmp_path / "other", replace(LLAMA, identity=spec, provenance=elsewhere, figures=figures)
    )
    rows = pl.read_parquet(second.with_suffix(".parquet"))
    rows.with_columns(pl.col("prompt_tokens") + 1).write_parquet(second.with_suffix(".parquet"))
    done = compared(first, second)
    assert done.returncode == 0, done.stdout + done.stderr
    for words in ("dtype", "bfloat16", "GPU: ", "NVIDIA H100", "vllm: none → 0.20.0",
                  "differs: 40 of 40 prompts have another number of tokens"):  # fmt: skip
        assert words in done.stdout
