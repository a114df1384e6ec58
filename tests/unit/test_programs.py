"""Every program runs by hand, without Snakemake, and says what it does."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import ROOT
from workspace import WARM

PROGRAMS = sorted(path.stem for path in (ROOT / "workflow/scripts").glob("*.py"))
# This one runs in the generator's own environment.
BY_HAND = [name for name in PROGRAMS if name != "generate_mathematics"]
WITHOUT_SPEC = (
    "plan", "document_config", "document_architecture", "new", "environment", "pack_results", "add_results", "adopt", "forked", "supervise",
    "forking", "new_model", "answer", "compare_results", "measure_ceilings",
)  # fmt: skip


def source(name: str) -> Path:
    """A program's file."""
    return ROOT / "workflow/scripts" / f"{name}.py"


@pytest.mark.parametrize("name", BY_HAND)
def test_help(name: str, tmp_path: Path) -> None:
    """--help tells what its docstring tells, and explains every option.

    Python puts no folder of the program's on the path here, as under -P or PYTHONSAFEPATH.
    """
    done = WARM.run(tmp_path, str(source(name)), ["--help"], dict(os.environ))
    assert done.returncode == 0, done.stderr
    docstring = ast.get_docstring(ast.parse(source(name).read_text(encoding="utf-8")))
    assert docstring
    assert "".join(docstring.split("\n")[0].split()) in "".join(done.stdout.split())


def test_isolated() -> None:
    """A program finds its modules under -I as well, which -P is a part of."""
    command = [sys.executable, "-I", source("sample"), "--help"]
    assert subprocess.run(command, capture_output=True, check=True).stdout


@pytest.mark.parametrize("name", PROGRAMS)
def test_its_import_changes_no_environment(name: str) -> None:
    """A module that imports a program, such as a test, still has the same environment."""
    changes = [
        node
        for statement in ast.parse(source(name).read_text(encoding="utf-8")).body
        if isinstance(statement, (ast.Assign, ast.AugAssign, ast.Expr))
        for node in ast.walk(statement)
        if isinstance(node, ast.Attribute) and node.attr == "environ"
    ]
    assert not changes


@pytest.mark.parametrize("name", [name for name in BY_HAND if name not in WITHOUT_SPEC])
def test_bad_spec_is_reported_in_one_line(name: str, tmp_path: Path) -> None:
    """A specification that is no JSON, before anything else is read."""
    required = [
        node.args[0].value
        for node in ast.walk(ast.parse(source(name).read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "add_argument"
        and any(keyword.arg == "required" for keyword in node.keywords)
        and isinstance(node.args[0], ast.Constant)
    ]  # fmt: skip
    options = [
        part for option in required if option != "--spec" for part in (str(option), "nowhere")
    ]
    arguments = ["--spec", "{broken", *options]
    done = WARM.run(tmp_path, str(source(name)), arguments, dict(os.environ))
    assert done.returncode == 1, done.stderr
    assert done.stderr.startswith("error: --spec: "), done.stderr
    assert done.stderr.count("\n") == 1
