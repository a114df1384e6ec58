"""Files that new.py writes meet their contracts unchanged."""

from __future__ import annotations

import re
import shlex
import shutil
import sys
from pathlib import Path

import pytest

from conftest import ROOT
from workspace import Workspace, copy_project

KINDS = sorted(path.stem for path in (ROOT / "workflow/scripts/templates").glob("*.py"))


@pytest.mark.parametrize("kind", KINDS)
def test_a_new_one_meets_its_contract(kind: str, tmp_path: Path) -> None:
    """The tests that new.py names pass; only an engine's skip some without real data."""
    project = Workspace(copy_project(tmp_path / "checkout"))
    shutil.copytree(ROOT / "tests", project.path("tests"), ignore=shutil.ignore_patterns("__py*"))
    project.share_environments()
    written = project.program("new", kind, "contributed")
    assert written.returncode == 0, written.stderr
    (command,) = re.findall(r"python (-m pytest .* -k contributed)\n?", written.stdout)
    done = project.run(sys.executable, *shlex.split(command))
    assert done.returncode == 0, done.stdout
    assert re.search(r"\d+ passed", done.stdout), done.stdout
    assert kind == "engine" or "skipped" not in done.stdout, done.stdout
