"""Cells into study.parquet and study.csv."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from cells import ROOT, Cell, frame, summary, write
from frontier.errors import UserError
from frontier.results.columns import OUTCOMES, MetricNote, metric_columns
from frontier.results.outputs import Axes, schema
from frontier.tables.study import CHUNK, columns, table

REASON = 'needs 27 GB, "has" 8,\nand that is that'


@pytest.fixture
def paths(tmp_path: Path) -> list[Path]:
    """A measured cell, a quantized one, a translation, and one of every other outcome."""
    cells = [
        Cell("llama"),
        Cell("llama", "int4", quality=0.7, seconds=0.01),
        Cell("llama", task="zh-en", metric="chrf2", quality=0.6, requests=50),
        *(
            Cell(f"other-{outcome}", outcome=outcome, reason=REASON)
            for outcome in OUTCOMES
            if outcome != "measured"
        ),
    ]
    return [write(tmp_path, cell) for cell in cells]


def row_of(study: pl.DataFrame, variant: str, task: str = "demo-sentiment") -> dict[str, object]:
    return study.row(
        by_predicate=(pl.col("variant") == variant) & (pl.col("task") == task), named=True
    )


def test_the_schema_is_the_registry(paths: list[Path]) -> None:
    study, notes = table(paths)
    registry = [*columns(), *metric_columns(notes)]
    assert study.schema == schema(registry)
    assert all(column.description for column in registry)
    assert {"accuracy", "accuracy_low", "chrf2", "chrf2_high"} <= set(study.columns)


def test_figures_are_those_of_the_requests(paths: list[Path]) -> None:
    study, _ = table(paths)
    row, requests = (
        row_of(study, "llama-int4"),
        frame(Cell("llama", "int4", quality=0.7, seconds=0.01)),
    )
    assert row["score"] == row["accuracy"] == pytest.approx(requests["score"].mean())
    assert row["score_low"] < row["score"] < row["score_high"]  # type: ignore[operator]
    assert row["latency_p50_s"] == pytest.approx(requests["latency_s"].median())
    assert row["tpot_p50_s"] == pytest.approx(requests["tpot_s"].median())
    assert (row["model"], row["quantization"], row["native"]) == ("llama", "int4", False)
    assert row_of(study, "llama")["native"] is True
    assert row["threads"] == 2


def test_what_is_missing_is_null_and_never_0(paths: list[Path]) -> None:
    study, _ = table(paths)
    assert row_of(study, "llama", "zh-en")["latency_p99_s"] is None  # 50 requests
    assert row_of(study, "llama", "zh-en")["accuracy"] is None  # another scorer's metric
    for outcome in ("does-not-fit", "unsupported", "out-of-memory"):
        row = row_of(study, f"other-{outcome}")
        assert (row["outcome"], row["reason"]) == (outcome, REASON)
        figures = ("score", "latency_p50_s", "weights_bytes", "requests", "load_s", "mbu")
        assert [row[name] for name in figures] == [None] * len(figures)
    invalid = row_of(study, "other-invalid")
    assert invalid["score"] is not None
    assert invalid["latency_p50_s"] is None


def test_a_device_has_only_the_cells_that_its_engine_can_run() -> None:
    axes = Axes.model_validate(
        {"variants": {"cpu": ["llama", "llama-int8"], "cpp": ["llama-gguf"]}, "tasks": ["t", "u"]}
    )
    assert [path.as_posix() for path in axes.paths(Path("results"))] == [
        "results/llama/cpu/t.json",
        "results/llama/cpu/u.json",
        "results/llama-int8/cpu/t.json",
        "results/llama-int8/cpu/u.json",
        "results/llama-gguf/cpp/t.json",
        "results/llama-gguf/cpp/u.json",
    ]


def test_what_was_simulated_or_never_trained_is_reported(tmp_path: Path) -> None:
    cells = [
        Cell("llama", figures={"engine": "transformers", "kernel": "torch mm"}),
        Cell("llama", "fake", simulated=True),
        Cell("random", random_weights=True),
        Cell("big", outcome="does-not-fit", reason="too big"),
    ]
    study, _ = table(write(tmp_path, cell) for cell in cells)
    shown = ("simulated", "random_weights", "engine", "kernel")
    assert [row_of(study, "llama")[name] for name in shown] == [
        False, False, "transformers", "torch mm",
    ]  # fmt: skip
    fake, untrained = row_of(study, "llama-fake"), row_of(study, "random")
    assert fake["simulated"] is True
    assert fake["score"] is not None
    assert [fake[name] for name in ("latency_p50_s", "load_s", "mbu")] == [None] * 3
    assert untrained["random_weights"] is True
    assert untrained["score"] is None
    assert untrained["latency_p50_s"] is not None
    assert row_of(study, "big")["simulated"] is None


def test_nan_is_missing(tmp_path: Path) -> None:
    cell = summary(Cell("llama"), frame(Cell("llama")))
    cell["figures"]["mbu"] = float("nan")
    path = tmp_path / "cell.json"
    path.write_text(json.dumps(cell), encoding="utf-8")
    assert table([path])[0]["mbu"].to_list() == [None]


def test_the_order_of_the_cells_does_not_matter(paths: list[Path]) -> None:
    assert table(paths)[0].equals(table(paths[::-1])[0])


def test_many_cells_whose_metrics_come_late(tmp_path: Path) -> None:
    requests = frame(Cell("m", requests=30))
    paths = []
    for number in range(2 * CHUNK + 3):
        last = number == 2 * CHUNK + 2
        cell = Cell(f"m{number:05d}", metric="late" if last else "accuracy")
        path = tmp_path / f"{number}.json"
        path.write_text(json.dumps(summary(cell, requests)), encoding="utf-8")
        paths.append(path)
    study, notes = table(paths)
    assert study.height == len(paths)
    assert study["late"].null_count() == len(paths) - 1
    assert notes["late"] == MetricNote("proportion", "Wilson")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "not a JSON file"),
        ("[]", "not a cell"),
        ('{"cell": {"variant": "a"}}', "not a cell"),
        (
            '{"cell": {"variant": "a", "model": "a", "device": "d", "task": "t"}, "outcome": "ok"}',
            "written by an earlier release, in another layout",
        ),
        (
            '{"layout": 2, "cell": {"variant": "a", "model": "a", "device": "d", "task": "t",'
            ' "scenario": "single-stream"}, "outcome": "ok"}',
            "outcome 'ok' is not one of measured",
        ),
        (
            '{"layout": 2, "cell": {"variant": "a", "model": "a", "device": "d", "task": "t",'
            ' "quantization": "native", "scenario": "multi-stream"}, "outcome": "measured", "figures": {}}',
            "scenario: unknown id 'multi-stream'",
        ),
    ],
)
def test_what_is_no_cell_is_named(tmp_path: Path, content: str, words: str) -> None:
    path = tmp_path / "broken.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(UserError, match=words) as caught:
        table([path])
    assert str(path) in str(caught.value)


def test_a_cell_given_twice_and_a_clashing_metric_are_errors(
    paths: list[Path], tmp_path: Path
) -> None:
    with pytest.raises(UserError, match="llama on cpu for demo-sentiment was given twice"):
        table([*paths, paths[0]])
    clash = write(tmp_path / "clash", Cell("llama", metric="score"))
    with pytest.raises(UserError, match="metric 'score' has the name of a column of the study"):
        table([clash])
    ends = [
        write(tmp_path / name, Cell(name, metric=metric))
        for name, metric in (("one", "found"), ("other", "found_low"))
    ]
    for pair in (ends, ends[::-1]):
        with pytest.raises(
            UserError, match=r"metric 'found\w*' has the name of a column of metric"
        ):
            table(pair)


def aggregate(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    program = ROOT / "workflow" / "scripts" / "aggregate.py"
    outputs = ["--parquet", "study.parquet", "--csv", "study.csv", "--lock", "study.lock.json"]
    return subprocess.run(
        [sys.executable, str(program), *arguments, *outputs],
        cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_the_program_writes_the_same_table_twice_over(paths: list[Path], tmp_path: Path) -> None:
    listed = tmp_path / "cells.txt"
    listed.write_text("".join(f"{path}\n" for path in paths), encoding="utf-8")
    given = ("--spec", '{"identity": "ab12"}', "--cells-from", str(listed))
    done = aggregate(tmp_path, *given)
    assert done.returncode == 0, done.stderr
    study = pl.read_parquet(tmp_path / "study.parquet")
    assert study.height == len(paths)
    assert pl.read_csv(tmp_path / "study.csv", schema=study.schema).equals(study)
    first = (tmp_path / "study.lock.json").read_text(encoding="utf-8")
    assert json.loads(first)["identity"] == "ab12"
    assert set(json.loads(first)["files"]) == {"study.parquet", "study.csv"}
    aggregate(tmp_path, *given)
    assert (tmp_path / "study.lock.json").read_text(encoding="utf-8") == first


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ("--spec", '{"study": {"variants": {"b": ["a"]}, "tasks": ["c"]}}'),
            "results/a/b/c.json: no such cell",
        ),
        ((), "no cells given"),
        (("--cells-from", "missing.txt"), "missing.txt: no such file"),
        (("--spec", '{"identiy": 1}'), "--spec: identiy: "),
        (("--spec", "missing.json"), "missing.json: No such file"),
    ],
)
def test_the_program_tells_a_fault_of_the_input_in_one_line(
    tmp_path: Path, arguments: tuple[str, ...], words: str
) -> None:
    done = aggregate(tmp_path, *arguments)
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert words in done.stderr
    assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
