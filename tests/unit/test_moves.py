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
    "frontier.entries": "frontier.catalogues.entries",
    "frontier.question": "frontier.catalogues.question",
    "frontier.configuration": "frontier.catalogues.reading",
    "frontier.growing.recipe": "frontier.catalogues.recipe",
    "frontier.plan": "frontier.planning.cells",
    "frontier.estimates": "frontier.planning.estimates",
    "frontier.step": "frontier.planning.step",
    "frontier.contents": "frontier.fetching.contents",
    "frontier.safetensor_files": "frontier.fetching.safetensors",
    "frontier.sampling": "frontier.drawing.sampling",
    "frontier.calibration": "frontier.drawing.calibration",
    "frontier.corpora": "frontier.datasets.common.files",
    "frontier.generating": "frontier.engines.common.generate",
    "frontier.prompting": "frontier.engines.common.prompting",
    "frontier.llama_log": "frontier.engines.common.llama_log",
    "frontier.linears": "frontier.quantizers.common.linears",
    "frontier.calibrated": "frontier.conversions.common.calibrating",
    "frontier.simulating": "frontier.conversions.common.simulating",
    "frontier.weights": "frontier.conversions.common.weights",
    "frontier.limits": "frontier.measuring.limits",
    "frontier.contention": "frontier.measuring.contention",
    "frontier.scenarios": "frontier.scenarios_of.single_stream",
    "frontier.records": "frontier.results.records",
    "frontier.columns": "frontier.results.columns",
    "frontier.timing": "frontier.scoring.latency",
    "frontier.statistics": "frontier.scoring.intervals",
    "frontier.significance": "frontier.scoring.significance",
    "frontier.equivalence.algebra": "frontier.scoring.equivalence.algebra",
    "frontier.equivalence.expressions": "frontier.scoring.equivalence.expressions",
    "frontier.study": "frontier.tables.study",
    "frontier.comparisons": "frontier.tables.comparisons",
    "frontier.host.files": "frontier.host.disk.files",
    "frontier.report.charts": "frontier.report.drawing.charts",
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
    """What is compared is code that works."""
    assert not moved.file("frontier.records")
    command = [sys.executable, str(moved.scripts / f"{program}.py"), "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
