"""Each variant against the study's reference, in the table and in the report."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from cells import ROOT, Cell, write
from frontier.results.columns import COMPARISONS
from frontier.results.outputs import schema
from frontier.tables import references
from frontier.tables.comparisons import table

CELLS = [
    Cell("llama", quality=0.8, seconds=0.02),
    Cell("llama", "int4", quality=0.6, seconds=0.01),
    Cell("llama", device="gpu", quality=0.8, seconds=0.005),
    Cell("llama", "broken", outcome="unsupported", reason="cannot run"),
    Cell("gpt-4o", device="openai", quality=0.97, seconds=0.5),
    Cell("gpt-4o", device="azure", quality=0.97, seconds=1.0),
    Cell("llama", task="other", quality=0.8),
    Cell("gpt-4o", task="other", device="openai", outcome="invalid", reason="contention"),
    Cell("llama", task="third", quality=0.8),
    Cell("gpt-4o", task="third", device="openai", outcome="unsupported", reason="no such model"),
    Cell("llama", task="fourth", quality=0.8),
]


@pytest.fixture
def paths(tmp_path: Path) -> list[Path]:
    """The cells' files."""
    return [write(tmp_path / "results", cell) for cell in CELLS]


def compared(paths: list[Path], reference: str | None = "gpt-4o") -> pl.DataFrame:
    """The table of comparisons."""
    return table(paths, references.table(paths, reference))


def row(found: pl.DataFrame, **names: str) -> dict[str, Any]:
    """The row of a cell."""
    where = [pl.col(name) == value for name, value in names.items()]
    return found.filter(where).row(0, named=True)


def test_without_a_reference_nothing_changes(paths: list[Path]) -> None:
    """The columns are there, and empty."""
    found = compared(paths, None)
    assert found.equals(table(paths))
    assert found.schema == schema(COMPARISONS)
    assert found["reference_variant"].null_count() == found.height == 1


def test_each_variant_is_compared_once_with_each(paths: list[Path]) -> None:
    """A quantized one with its native variant and with the reference, in one row."""
    found = compared(paths)
    assert found.height == 6
    one = row(found, variant="llama-int4")
    assert one["parent_variant"] == "llama"
    assert (one["reference_variant"], one["reference_device"]) == ("gpt-4o", "openai")
    assert one["reference_outcome"] == "measured"
    assert one["difference"] != one["reference_difference"]
    expected = 100 * (one["score"] - one["reference_score"])
    assert one["reference_difference"] == pytest.approx(expected)
    assert one["reference_difference_low"] < expected < one["reference_difference_high"] < 0
    assert one["reference_verdict"] == "worse"
    assert one["reference_requests"] == 200
    assert one["reference_p"] <= one["reference_p_holm"]
    assert one["reference_latency_ratio"] == pytest.approx(0.01 / 0.5, rel=0.3)
    native = row(found, variant="llama", task="demo-sentiment", device="gpu")
    assert native["parent_variant"] is None
    assert native["requests"] is None
    assert native["score"] is not None
    assert not found.filter(pl.col("variant").is_in(["gpt-4o", "llama-broken"])).height


def test_the_same_device_comes_first(tmp_path: Path) -> None:
    """A reference that runs on several is compared with where it ran on the same."""
    cells = [Cell("big", device=name, quality=0.9) for name in ("one", "two")]
    cells += [Cell("small", device=name, quality=0.8) for name in ("two", "three")]
    found = compared([write(tmp_path, cell) for cell in cells], "big")
    assert row(found, device="two")["reference_device"] == "two"
    assert row(found, device="three")["reference_device"] == "one"


def test_what_the_reference_lacks_is_said(paths: list[Path]) -> None:
    """An invalid one has answers and no times; an unsupported one nothing; a fourth has no cell."""
    found = compared(paths)
    invalid, unsupported, missing = (row(found, task=name) for name in ("other", "third", "fourth"))
    assert invalid["reference_outcome"] == "invalid"
    assert invalid["reference_difference"] is not None
    assert invalid["reference_latency_ratio"] is None
    assert unsupported["reference_outcome"] == "unsupported"
    assert unsupported["reference_requests"] is None
    assert missing["reference_variant"] == "gpt-4o"
    assert missing["reference_outcome"] is None


def test_a_comparison_with_itself_does_not_happen(paths: list[Path]) -> None:
    """Another study's rows have no reference that is not there either."""
    found = compared(paths, "nobody")
    assert set(found["reference_outcome"].to_list()) == {None}
    assert found.height == 9


def test_the_report_has_a_section(paths: list[Path], tmp_path: Path) -> None:
    """It has the figures, and what is missing of the reference."""
    study = {
        "variants": {
            "cpu": ["llama", "llama-int4", "llama-broken"], "gpu": ["llama"],
            "openai": ["gpt-4o"], "azure": ["gpt-4o"],
        },
        "tasks": ["demo-sentiment", "other", "third", "fourth"], "reference": "gpt-4o",
    }  # fmt: skip
    listed = tmp_path / "cells"
    listed.write_text("\n".join(map(str, paths)))
    made = ["--cells-from", str(listed), "--spec", json.dumps({"study": study})]
    for name, stem in (("aggregate", "study"), ("compare", "comparisons")):
        files = [f"--{end}={tmp_path / stem}.{end}" for end in ("parquet", "csv")]
        done = program(name, *made, *files, f"--lock={tmp_path / stem}.lock")
    assert "6 comparisons (" in done
    assert "with the reference gpt-4o" in done
    program(
        "render", *made, f"--study={tmp_path}/study.parquet",
        f"--comparisons={tmp_path}/comparisons.parquet", f"--charts={tmp_path}/charts",
        f"--output={tmp_path}/report.html", f"--lock={tmp_path}/report.lock",
    )  # fmt: skip
    html = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert '<h2 id="reference">' in html
    section = html.split('<h2 id="reference">')[1].split("<h2 ")[0]
    assert "Each variant against gpt-4o" in section
    assert "third on openai: unsupported: no such model." in section
    assert "fourth: it has no cell." in section
    assert section.count('<th scope="row"') == 4
    assert "×0.0" in section


def program(name: str, *arguments: str) -> str:
    """Runs one of the programs; returns what it prints."""
    command = [sys.executable, f"workflow/scripts/{name}.py", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout
