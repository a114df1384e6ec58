"""The prose of the project in plain English: docstrings, comments, messages and pages."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

import pages
from conftest import ROOT

FOLDERS = ("workflow", "tests", "bench")
SOURCES = [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))]
RULES = [ROOT / "Snakefile", *sorted((ROOT / "workflow" / "rules").glob("*.smk"))]
PAGES = [ROOT / page for page in pages.written()]
CONFIGURATION = [
    *sorted((ROOT / "config").rglob("*.yaml")),
    *sorted((ROOT / "profiles").rglob("*.yaml")),
    *sorted((ROOT / "examples").rglob("*.yaml")),
    ROOT / "Makefile",
    ROOT / "resources/report/report.html.j2",
    ROOT / ".ci/run",
]
OURSELVES = Path(__file__)
"""This file, which has to name the words."""
BANNED = re.compile(
    r"\b(told|whoever|anew|made of|made again|(?:is|are|be) kept|so to say|beside|(?:lies|lie) "
    r"(?:in|on|there|here|below|behind|outside|elsewhere)|(?:go|goes|went) on|hangs? on|"
    r"(?:is|are) gone|stood still|to get it again|is no (?:number|date|path|type)|"
    r"takes? no other|(?:folder|file)s? to make)\b",
    re.IGNORECASE,
)
"""Words that make a native reader of the field stop; there is always a plainer one."""
CLAUSE = re.compile(
    r"(What|How|Which|Whether|Why|Who|Where|When|Whatever|Of|In|On|With|Without|By|From|As|For|If|"
    r"And|Or|But|Nor|Else|Also|Not|So|Because|Before|After|Until|Unless|Then|That)\b"
)
"""The first word of a docstring that is neither a verb nor a noun, or that begins half a sentence."""
FSTRING_PART = getattr(tokenize, "FSTRING_MIDDLE", -1)
"""The text in an f-string, which is a token of its own since Python 3.12."""


def prose(text: str) -> Iterator[tuple[int, str]]:
    """Comments, docstrings and other strings with a space in them, with their lines."""
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        texts = (tokenize.STRING, FSTRING_PART)
        if token.type == tokenize.COMMENT or (token.type in texts and " " in token.string):
            yield token.start[0], token.string


def docstrings(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """The docstrings of a module, its classes, functions and attributes."""
    for node in ast.walk(tree):
        match node:
            case ast.Expr(value=ast.Constant(value=str(text))):
                yield node.lineno, text


def faults(path: Path) -> list[str]:
    """Each banned word and clause of a file, with its line."""
    text = path.read_text(encoding="utf-8")
    where = path.relative_to(ROOT)
    code = path.suffix in (".py", ".smk")
    parts = prose(text) if code else enumerate(text.splitlines(), 1)
    found = [
        f"{where}:{line}: {word[0]!r}" for line, words in parts for word in BANNED.finditer(words)
    ]
    if path.suffix == ".py":
        found += [
            f"{where}:{line}: begins with {first[0]!r}"
            for line, words in docstrings(ast.parse(text))
            if (first := CLAUSE.match(words)) and first[0] != "Whether"
        ]
    return found


def test_prose_is_plain() -> None:
    """No word that stops a reader, and docstrings that begin with a verb or a noun."""
    read = [path for path in [*SOURCES, *RULES, *PAGES, *CONFIGURATION] if path != OURSELVES]
    assert [fault for path in read for fault in faults(path)] == []


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("# What the user is told.\n", "'told'"),
        ('"""A cell.\n\nIt is made of requests."""\n', "'made of'"),
        ("raise ValueError(f'{1} is made again')\n", "'made again'"),
        ('def f():\n    """What it returns."""\n', "begins with 'What'"),
        ('X = 1\n"""How many."""\n', "begins with 'How'"),
        ('def f():\n    """In one line."""\n', "begins with 'In'"),
        ('add("--output", help="a folder to make")\n', "'folder to make'"),
        ('reason = f"{1} lies outside the archive"\n', "'lies outside'"),
        ('print("the same command goes on")\n', "'goes on'"),
    ],
)
def test_faults_are_found(
    text: str, word: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Comments, docstrings and messages are read."""
    monkeypatch.setattr(f"{__name__}.ROOT", tmp_path)
    path = tmp_path / "module.py"
    path.write_text(text, encoding="utf-8")
    (fault,) = faults(path)
    assert fault.startswith("module.py:")
    assert fault.endswith(word)


def test_faults_of_pages_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every line is read, and named by its number."""
    monkeypatch.setattr(f"{__name__}.ROOT", tmp_path)
    path = tmp_path / "page.md"
    path.write_text("# A cell\n\nIt is made of requests.\n", encoding="utf-8")
    assert faults(path) == ["page.md:3: 'made of'"]


@pytest.mark.parametrize(
    "text", ["made = told = 1  # a cell\n", '"""Returns the cell."""\n', 'x = "told"\n']
)
def test_plain_prose_passes(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Names are not prose, nor are keys without a space."""
    monkeypatch.setattr(f"{__name__}.ROOT", tmp_path)
    path = tmp_path / "module.py"
    path.write_text(text, encoding="utf-8")
    assert faults(path) == []
