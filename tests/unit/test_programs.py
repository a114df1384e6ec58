"""Every program runs by hand, without Snakemake, and says what it does."""

from __future__ import annotations

import ast
import subprocess
import sys

import pytest

from conftest import ROOT

PROGRAMS = sorted(path.stem for path in (ROOT / "workflow/scripts").glob("*.py"))
# This one runs in the generator's own environment.
BY_HAND = [name for name in PROGRAMS if name != "generate_mathematics"]
WITHOUT_SPEC = ("plan", "document_config", "environment", "pack_results", "add_results")


@pytest.mark.parametrize("name", BY_HAND)
def test_help(name: str) -> None:
    """--help tells what its docstring tells, and explains every option.

    Isolated (-I), a program finds its modules all the same: -P and PYTHONSAFEPATH are part of that.
    """
    path = ROOT / "workflow/scripts" / f"{name}.py"
    done = subprocess.run(
        [sys.executable, "-I", str(path), "--help"], capture_output=True, text=True, check=True
    )
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    assert docstring
    assert "".join(docstring.split("\n")[0].split()) in "".join(done.stdout.split())


@pytest.mark.parametrize("name", [name for name in BY_HAND if name not in WITHOUT_SPEC])
def test_bad_spec_is_told_in_one_line(name: str, tmp_path: object) -> None:
    """A specification that is no JSON, before anything else is read."""
    path = ROOT / "workflow/scripts" / f"{name}.py"
    source = path.read_text(encoding="utf-8")
    required = [
        node.args[0].value
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "add_argument"
        and any(keyword.arg == "required" for keyword in node.keywords)
        and isinstance(node.args[0], ast.Constant)
    ]  # fmt: skip
    options = [
        part for option in required if option != "--spec" for part in (str(option), "nowhere")
    ]
    done = subprocess.run(
        [sys.executable, str(path), "--spec", "{broken", *options],
        capture_output=True, text=True, check=False, cwd=str(tmp_path),
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    assert done.stderr.startswith("error: --spec: "), done.stderr
    assert done.stderr.count("\n") == 1
