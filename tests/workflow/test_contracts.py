"""Files that new.py writes meet their contracts unchanged."""

from __future__ import annotations

import os
import re
import shutil
import sys
from pathlib import Path

import pytest

from conftest import ROOT
from workspace import Workspace, copy_project

TESTS = {"engine": "test_engine_contract", "quantizer": "test_quantizers", "scorer": "test_scorers"}
TESTS |= {"figure": "test_figures", "gate": "test_gates"}
KINDS = sorted(path.stem for path in (ROOT / "workflow/scripts/templates").glob("*.py"))


@pytest.mark.parametrize("kind", KINDS)
def test_a_new_one_meets_its_contract(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """The tests of its kind find it by its place; those of quantizers need real data."""
    if kind == "quantizer":
        request.getfixturevalue("test_data")
    project = Workspace(copy_project(tmp_path / "checkout"))
    shutil.copytree(ROOT / "tests", project.path("tests"), ignore=shutil.ignore_patterns("__py*"))
    project.share_environments()
    written = project.program("new", kind, "contributed")
    assert written.returncode == 0, written.stderr
    data = os.environ.get("LLM_FRONTIER_TEST_DATA", str(ROOT.parent / "shared/data"))
    command = ("-m", "pytest", "-q", f"tests/unit/{TESTS[kind]}.py", "-k", "contributed")
    done = project.run(sys.executable, *command, LLM_FRONTIER_TEST_DATA=data)
    assert done.returncode == 0, done.stdout
    assert re.search(r"\d+ passed", done.stdout), done.stdout
