"""Snakemake's own linter, but for what is left out on purpose."""

from __future__ import annotations

import re

from conftest import ROOT
from workspace import Workspace

REASONS = {
    "No log directive defined": "progress is to be seen; Snakemake keeps each run's log itself",
    "Specify a conda environment or container for each rule.": "one pinned virtual environment",
}


def test_snakemake_lint() -> None:
    """Every remaining remark has its reason above, and every reason is needed."""
    done = Workspace(ROOT).snakemake("--lint")
    titles = re.findall(
        r"^    \* (.+?)(?: in line \d+\.)?:?$", done.stdout + done.stderr, re.MULTILINE
    )
    found = {title.rstrip(":") for title in titles}
    assert found == set(REASONS), done.stdout + done.stderr
