"""Large studies: planned in linear time, and a report of a thousand cells that answers at once.

tests/scale.py has the figures; here are bounds that hold on a busy machine as well.
"""

from __future__ import annotations

import cProfile
import pstats
import subprocess
import sys
from pathlib import Path

import pytest

import browser
import many
from cells import Cell, write
from conftest import ROOT
from frontier.planning.freshness import Freshness

QUANTIZATIONS = ("native", "int8", "int4", "int2", "float8")


def calls(folder: Path, cells: int) -> float:
    """Function calls a cell that it takes to plan a study, and to find that none is there."""
    with many.steps_of(many.project(folder / str(cells), cells, 10)) as steps:
        profile = cProfile.Profile()
        profile.enable()
        fresh = Freshness(steps)
        found = [(steps.score(cell), fresh.cell(cell)) for cell in steps.cells]
        profile.disable()
    assert len(found) == cells
    return float(pstats.Stats(profile).total_calls) / cells  # type: ignore[attr-defined]


def test_a_cell_of_a_large_study_takes_no_longer_to_plan(tmp_path: Path) -> None:
    """Calls are counted, which are the same on any machine."""
    calls(tmp_path, 50)  # code is read and plugins are imported once
    assert calls(tmp_path, 800) < 1.1 * calls(tmp_path, 100)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of 100 models × 5 quantizations on 2 devices."""
    folder = tmp_path_factory.mktemp("large")
    paths = [
        write(
            folder / "results",
            Cell(f"model{model}", quantization, device, requests=25, seconds=0.02 + model / 1e4),
        )
        for model in range(100)
        for quantization in QUANTIZATIONS
        for device in ("cpu", "server")
    ]
    (folder / "cells").write_text("\n".join(map(str, paths)), encoding="utf-8")
    tables = {"aggregate": "study", "compare": "comparisons"}
    lines = {
        rule: [f"--{kind}={table}.{kind}" for kind in ("parquet", "csv")]
        for rule, table in tables.items()
    }
    lines["render"] = [f"--{table}={table}.parquet" for table in tables.values()]
    lines["render"] += ["--charts=charts", "--output=report.html"]
    for rule, options in lines.items():
        program = ROOT / f"workflow/scripts/{rule}.py"
        command = [sys.executable, program, *options, "--cells-from=cells", f"--lock={rule}.json"]
        subprocess.run(command, cwd=folder, check=True)
    return folder / "report.html"


def test_charts_of_a_line_a_variant_stay_charts(report: Path) -> None:
    """They draw some of the variants, and say of how many."""
    html = report.read_text(encoding="utf-8")
    assert html.count("Shows 60 of its 500 variants") == 2 * 2
    assert len(list((report.parent / "charts").iterdir())) == 2 * 3 * 2
    assert html.count('<tr class="one ') == 1000
    assert len(html.encode()) < 10_000 * 1000


@pytest.mark.skipif(browser.CHROMIUM is None, reason="no chromium found on the PATH")
def test_a_report_of_a_thousand_cells_opens_and_filters_without_stutter(report: Path) -> None:
    """A choice leaves the cells that it should, and nothing takes long, on a busy machine either."""
    found = browser.behaviour(report)
    assert found["rows"] == {"Device": 500, "Model": 10, "Quantization": 200}
    assert found["open_ms"] < 30_000, found
    assert max(found["filters"].values()) < 3000, found
    assert max(found["limit_ms"], found["follow_ms"]) < 5000, found
