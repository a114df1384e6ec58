"""Commands of an engineer besides running studies: make's targets and git's hooks."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import ROOT
from workspace import Workspace, copy_project

MAKE = ("make", "--silent", "--old-file=setup")  # tests install nothing


@pytest.fixture
def harmed(tmp_path: Path) -> Workspace:
    """A checkout with a module, a rule and a table of config/README.md that are to be mended."""
    checkout = Workspace(copy_project(tmp_path / "checkout"))
    checkout.path(".venv").symlink_to(sys.prefix)
    text = '"""Says yes."""\nimport os\ndef yes( )->bool:\n  return  True\n'
    checkout.path("workflow/scripts/yes.py").write_text(text, encoding="utf-8")
    rules = checkout.path("workflow/rules/score.smk")
    rules.write_text(
        rules.read_text(encoding="utf-8").replace("        machine=1", "      machine = 1"), "utf-8"
    )
    checkout.edit("config/README.md", "The report's heading.", "A heading.")
    return checkout


def is_mended(checkout: Workspace) -> None:
    """Asserts that the damaged files are as they are here, and as the tools would write them."""
    text = '"""Says yes."""\n\n\ndef yes() -> bool:\n    return True\n'
    assert checkout.path("workflow/scripts/yes.py").read_text(encoding="utf-8") == text
    for name in ("workflow/rules/score.smk", "config/README.md", "config/schema.json"):
        assert checkout.path(name).read_bytes() == (ROOT / name).read_bytes(), name


def test_make_fix(harmed: Workspace) -> None:
    """Mends what tools can mend."""
    done = harmed.run(*MAKE, "fix")
    assert done.returncode == 0, done.stdout + done.stderr
    is_mended(harmed)


def test_hooks(harmed: Workspace) -> None:
    """A commit is stopped once, with everything mended, and passes then; nothing is fetched."""
    git = ("git", "-c", "user.name=A", "-c", "user.email=a@b.c")

    def commit() -> subprocess.CompletedProcess[str]:
        assert harmed.run("git", "add", "--all").returncode == 0
        return harmed.run(
            *git, "commit", "-m", "Change", PRE_COMMIT_HOME=str(harmed.path("../hooks"))
        )

    assert harmed.run("git", "init", "--quiet").returncode == 0
    assert harmed.run(*MAKE, "hooks").returncode == 0
    first = commit()
    assert first.returncode != 0
    assert first.stderr.count("files were modified by this hook") == 4, first.stderr
    is_mended(harmed)
    second = commit()
    assert second.returncode == 0, second.stderr


def test_make_help() -> None:
    """The default goal names every target that is no file, with what it does."""
    done = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True)
    listed = re.findall(r"^make ([a-z-]+) +(\S.*)$", done.stdout, re.MULTILINE)
    phony = re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    assert phony
    assert [name for name, _ in listed] == phony[1].split()
    assert done.stdout.count("\n") == len(listed)
