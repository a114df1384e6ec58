"""Cells under load against the same variant asked one request at a time: table and report."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from test_several_scenarios import parsed, rendered

import cells
from cells import Cell, frame
from frontier.results.cell import Estimate
from frontier.tables import alone, comparisons
from frontier.tables.sides import throughput_ratio

NATIVE = Cell("llama", quality=0.9, seconds=0.02)
OFFLINE = replace(
    NATIVE, scenario="offline", quality=0.8, seconds=0.005, figures={"passes_changed": 3}
)
INT8 = replace(OFFLINE, quantization="int8", seconds=0.0025)
OTHER = replace(OFFLINE, device="a6000")  # without a single-stream cell


def test_the_same_requests_are_paired(tmp_path: Path) -> None:
    """Each cell under load with its own variant, device and task, and no other."""
    given = (NATIVE, OFFLINE, INT8, replace(INT8, scenario="single-stream"), OTHER)
    paths = [cells.write(tmp_path, cell) for cell in given]
    rows = {(row["variant"], row["scenario"]): row for row in alone.table(paths)}
    assert rows.keys() == {("llama", "offline"), ("llama-int8", "offline")}
    row, (before, after) = rows["llama", "offline"], (frame(NATIVE), frame(OFFLINE))
    changed = (before["prediction"] != after["prediction"]).sum()
    assert (row["alone_answers"], row["alone_changed"]) == (200, changed)
    assert changed > 0
    points = 100 * float(after["score"].mean() - before["score"].mean())  # type: ignore[operator]
    assert row["alone_difference"] == pytest.approx(points)
    assert row["alone_difference_low"] < row["alone_difference"] < row["alone_difference_high"]
    assert row["alone_verdict"] == "worse"
    assert row["alone_score"] == pytest.approx(float(before["score"].mean()))  # type: ignore[arg-type]
    same = rows["llama-int8", "offline"]
    assert (same["alone_changed"], same["alone_difference"]) == (0, 0)


def test_throughputs_are_compared_where_there_is_no_latency(tmp_path: Path) -> None:
    """Never the times of requests that waited for each other."""
    paths = [cells.write(tmp_path, cell) for cell in (NATIVE, OFFLINE, INT8)]
    found = comparisons.table(paths, alone.table(paths))
    row = found.filter(variant="llama-int8").row(0, named=True)
    assert row["latency_ratio"] is row["latency_verdict"] is None
    rates = [cells.summary(cell, frame(cell))["figures"]["requests_per_s"]["value"]
             for cell in (OFFLINE, INT8)]  # fmt: skip
    assert row["throughput_ratio"] == pytest.approx(rates[1] / rates[0])
    assert found.filter(variant="llama", scenario="offline")["parent_variant"].item() is None


def test_the_ratio_of_throughputs_has_an_interval() -> None:
    """The passes are independent: it is wider than either."""
    before, after = (Estimate(value=one, low=0.95 * one, high=one / 0.95) for one in (10.0, 20.0))
    row = throughput_ratio(before, after)
    assert row["throughput_ratio"] == 2
    assert row["throughput_ratio_low"] == pytest.approx(2 * 0.95**2**0.5)
    assert row["throughput_ratio_high"] == pytest.approx(2 / 0.95**2**0.5)
    assert throughput_ratio(Estimate(value=1.0), after).keys() == {"throughput_ratio"}


def test_the_report_shows_whether_answers_change(tmp_path: Path) -> None:
    page = parsed(rendered(tmp_path, [NATIVE, OFFLINE]))
    (grid,) = [table for table in page.tables if "Same text" in table[0]]
    changed = int((frame(NATIVE)["prediction"] != frame(OFFLINE)["prediction"]).sum())
    assert grid[1][:2] == ["llama", f"{200 - changed} of 200"]
    assert grid[1][-1] == "3"
    assert "Answers under load" not in parsed(rendered(tmp_path / "one", [NATIVE])).words()
    study = pl.read_parquet(tmp_path / "results/study.parquet")
    assert study.filter(scenario="offline")["passes_changed"].item() == 3
