"""Code that is moved into packages, and nothing else: every identity stays as it was."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest
from test_host import PROGRAMS, plugins

from frontier.identity import SCRIPTS
from frontier.identity.code import Code, of_graph
from frontier.identity.graph import Graph
from moving import move

# Of measuring, of scoring, of neither; into a package of their own name, into one of plugins.
MOVES = {
    "frontier.catalogue.question": "frontier.catalogues.question",
    "frontier.catalogue.configuration": "frontier.catalogues.reading",
    "frontier.catalogue.recipe": "frontier.catalogues.recipe",
    "frontier.planning.cells": "frontier.elsewhere.cells",
    "frontier.planning.estimates": "frontier.elsewhere.estimates",
    "frontier.planning.step": "frontier.elsewhere.step",
    "frontier.fetching.contents": "frontier.elsewhere.contents",
    "frontier.checkpoints.safetensor_files": "frontier.fetching.safetensors",
    "frontier.sampling.drawing": "frontier.drawing.sampling",
    "frontier.sampling.calibration": "frontier.drawing.calibration",
    "frontier.datasets.common.files": "frontier.elsewhere.files",
    "frontier.engines.common.generating": "frontier.engines.common.generate",
    "frontier.engines.common.prompting": "frontier.elsewhere.prompting",
    "frontier.engines.common.llama_log": "frontier.elsewhere.llama_log",
    "frontier.quantizers.common.linears": "frontier.elsewhere.linears",
    "frontier.conversions.common.calibrated": "frontier.conversions.common.calibrating",
    "frontier.conversions.common.simulating": "frontier.elsewhere.simulating",
    "frontier.conversions.common.weights": "frontier.elsewhere.weights",
    "frontier.machine.limits": "frontier.measuring.limits",
    "frontier.measuring.contention": "frontier.elsewhere.contention",
    "frontier.results.records": "frontier.elsewhere.records",
    "frontier.results.columns": "frontier.elsewhere.columns",
    "frontier.scoring.latency": "frontier.elsewhere.latency",
    "frontier.stats.intervals": "frontier.scoring.intervals",
    "frontier.stats.significance": "frontier.scoring.significance",
    "frontier.answers.equivalence.algebra": "frontier.scoring.equivalence.algebra",
    "frontier.answers.equivalence.expressions": "frontier.scoring.equivalence.expressions",
    "frontier.tables.study": "frontier.elsewhere.study",
    "frontier.tables.comparisons": "frontier.elsewhere.comparisons",
    "frontier.host.files": "frontier.host.disk.files",
    "frontier.report.drawing.charts": "frontier.elsewhere.charts",
}


@pytest.fixture(scope="module")
def moved(tmp_path_factory: pytest.TempPathFactory) -> Graph:
    """The project's code with those modules moved."""
    folder = tmp_path_factory.mktemp("moved") / "scripts"
    shutil.copytree(SCRIPTS, folder, ignore=shutil.ignore_patterns("__pycache__"))
    move(folder, MOVES)
    return Graph(folder)


def code_of(graph: Graph, program: str) -> Code:
    """The code of a program with all of its plugins."""
    return of_graph(graph, program, *plugins(program))


@pytest.mark.parametrize("program", PROGRAMS)
def test_moves_change_no_identity(moved: Graph, program: str) -> None:
    """Each program's digest, with each of its plugins' as well, and the packages."""
    before, after = code_of(Graph(SCRIPTS), program), code_of(moved, program)
    assert after.digest == before.digest
    assert after.packages == before.packages
    assert sorted(after.modules.values()) == sorted(before.modules.values())
    assert set(after.modules) != set(before.modules) or program.startswith("fetch")


@pytest.mark.parametrize("program", ["measure", "score"])
def test_moved_code_runs(moved: Graph, program: str) -> None:
    """The comparison is of code that works."""
    assert not moved.file("frontier.results.records")
    command = [sys.executable, str(moved.scripts / f"{program}.py"), "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
