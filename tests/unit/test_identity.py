"""Digests of code: what changes them and what does not."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conftest import ROOT
from frontier import identity

SCRIPTS = ROOT / "workflow" / "scripts"
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


def shape(source: str) -> str:
    """The digest of a module's text."""
    return identity.digest(identity._shape(ast.parse(source)))


@given(JSON)
def test_canonical_is_json_and_stable(value: object) -> None:
    """The canonical text reads back to the value, and to the same text."""
    text = identity.canonical(value)
    assert json.loads(text) == value
    assert identity.canonical(json.loads(text)) == text


@given(st.dictionaries(st.text(), st.integers(), min_size=2))
def test_key_order_does_not_count_but_values_do(value: dict[str, int]) -> None:
    """Reordered keys are the same; a changed value is not."""
    turned = dict(reversed(value.items()))
    assert identity.digest(turned) == identity.digest(value)
    key = next(iter(value))
    assert identity.digest({**value, key: value[key] + 1}) != identity.digest(value)


@pytest.mark.parametrize(
    "other",
    [
        "# remark\ndef f(a):\n    return a + 1\n",
        "def f(a):\n\n    return (a + 1)\n",
        '"""Module."""\ndef f(a):\n    """Docstring."""\n    return a + 1\n',
    ],
)
def test_comments_docstrings_and_layout_do_not_count(other: str) -> None:
    """What a reader sees and Python does not."""
    assert shape(other) == shape("def f(a):\n    return a + 1\n")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("x = 1", "x = 2"),
        ("x = 1", "x = '1'"),
        ("x = 1", "x = True"),
        ("x = 1", "x = 1.0"),
        ("def f(a, b): pass", "def f(b, a): pass"),
        ("f(a)", "f(*a)"),
        ("a - b", "b - a"),
        ("x = b'a'", "x = 'a'"),
        ("if a:\n  b()\nelse:\n  c()", "if a:\n  c()\nelse:\n  b()"),
        ("def f():\n  return 'text'", "def f():\n  'text'"),
    ],
)
def test_what_python_sees_counts(one: str, other: str) -> None:
    """Any difference that could change a result."""
    assert shape(one) != shape(other)


def test_closure_follows_imports_and_not_names() -> None:
    """Static imports are followed, inside functions too; engines picked by name are not."""
    measure = identity.closure(["measure"])
    assert {"frontier", "frontier.records", "frontier.hardware", "frontier.engines"} <= measure
    assert "frontier.engines.transformers" not in measure
    assert not {"frontier.catalogue", "frontier.report", "frontier.plan"} & measure


def test_packages_are_those_of_the_closure() -> None:
    """The engine's package is the engine's; dotted names find their own distribution."""
    assert "transformers" not in identity.packages("measure")
    assert "transformers" in identity.packages("measure", "frontier.engines.transformers")
    assert "optimum-quanto" in identity.packages("frontier.quantizers.quanto")
    assert "json" not in identity.packages("measure")
    found = {
        name
        for program in SCRIPTS.glob("*.py")
        if not program.stem.startswith("generate_")  # these run in environments of their own
        for name, version in identity.packages(program.stem).items()
        if version == "absent"
    }
    assert not found, f"imported but not installed: {found}"


def test_shell_commands_are_read_from_the_rules() -> None:
    """One command for each rule that has one, without the comments around it."""
    rules = {
        line.split()[1].rstrip(":")
        for path in (ROOT / "workflow/rules").glob("*.smk")
        for line in path.read_text(encoding="utf-8").splitlines()
        if line.startswith("rule ")
    }
    assert set(identity.shells()) == rules
    assert identity.shells()["score"].startswith("python workflow/scripts/score.py --spec")


def test_no_library_module_imports_snakemake() -> None:
    """The library runs without it."""
    for path in Path(SCRIPTS, "frontier").rglob("*.py"):
        assert "import snakemake" not in path.read_text(encoding="utf-8"), path
