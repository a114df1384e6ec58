"""The roles of a table's columns: id, reference, group, and what a prompt asks with."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from frontier.errors import UserError
from frontier.proposing.columns import Column

REFERENCES = (
    "reference", "answer", "answers", "target", "label", "labels", "expected", "expected_answer",
    "gold", "output", "solution", "correct", "correct_answer", "best_answer", "summary",
    "highlights", "tldr", "canonical_solution", "ground_truth", "correct_option", "correct_index",
    "answer_key", "answerkey", "answer_idx", "answer_index", "translation", "sentiment", "class",
    "category", "response", "completion", "result", "y",
)  # fmt: skip
ASKED = (
    "title", "context", "passage", "document", "article", "source", "text", "sentence", "review",
    "content", "message", "body", "premise", "hypothesis", "instruction", "instructions", "input",
    "question", "query", "problem", "prompt",
)  # fmt: skip
"""Names of a prompt's columns, in the order in which it shows them: the question last."""
GROUPS = (
    "stratum", "topic", "category", "subject", "difficulty", "level", "type", "kind", "domain",
    "genre", "area", "department", "group", "language",
)  # fmt: skip
CHOICES = ("choices", "options", "candidates", "endings", "alternatives", "choice", "option")
"""Names of columns whose cells are lists of options."""
PROGRAMS = {
    "prefix": ("prompt", "declaration", "signature"),
    "test": ("test", "tests", "test_code"),
    "entry_point": ("entry_point", "function_name", "function"),
}
"""Names of the columns that the scorer `code` reads, by its keys."""
IDS = re.compile(r"(.*[_ -])?(id|uid|uuid|key|idx|index|nr|no|number)", re.IGNORECASE)
ADDRESS = re.compile(r"https?://")
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
MOST_GROUPS = 50


@dataclass
class Roles:
    """Columns by their roles, and what could not be decided."""

    reference: Column | None = None
    asked: list[Column] = field(default_factory=list)
    options: dict[str, Column] = field(default_factory=dict)
    """Columns of lettered options, by their letters."""
    program: dict[str, Column] = field(default_factory=dict)
    """Columns of programs to complete and their tests, by the scorer's keys."""
    id: Column | None = None
    stratum: Column | None = None
    open: list[str] = field(default_factory=list)


def roles(columns: Iterable[Column]) -> Roles:
    """The roles. Raises UserError if there is no column to ask with."""
    found = Roles()
    rest = [one for one in columns if one.given]
    found.id = _id(rest)
    rest = [one for one in rest if one is not found.id]
    found.options = _options(rest)
    rest = [one for one in rest if one not in found.options.values()]
    lists = {one.part_of for one in found.options.values()}
    rest = [one for one in rest if not one.part_of and one.name not in lists]
    found.program = _program(rest)
    found.reference = _reference(rest, found.open)
    rest = [one for one in rest if one is not found.reference]
    found.stratum = _stratum(rest)
    rest = [one for one in rest if one is not found.stratum]
    prefix = found.program.get("prefix")
    found.asked = [prefix] if prefix else _asked(rest, found.open)
    if not found.asked:
        names = ", ".join(repr(one.name) for one in columns)
        raise UserError(f"no column to ask with among {names}; write the block by hand")
    used = [*found.asked, *found.program.values()]
    left = [one.name for one in rest if one not in used]
    if left:
        found.open.append(f"prompt: these columns are not used: {', '.join(left)}")
    return found


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")


def _named(columns: Sequence[Column], names: Sequence[str]) -> list[Column]:
    """The columns with some of these names, in the names' order."""
    by = {_plain(one.name): one for one in columns}
    return [by[name] for name in names if name in by]


def _id(columns: Sequence[Column]) -> Column | None:
    for one in columns:
        unique = not one.empty and len(one.counts) == len(one.values)
        if unique and IDS.fullmatch(one.name) and len(columns) > 2:
            return one
    return None


def _options(columns: Sequence[Column]) -> dict[str, Column]:
    """Two or more columns named A, B, … or option_a, choice_1, …"""
    for form in ("{}", "option_{}", "choice_{}", "opt_{}", "answer_{}", "option{}", "choice{}"):
        by = {_plain(one.name): one for one in columns}
        for marks in (LETTERS.lower(), "123456789"):
            found = {}
            for letter, mark in zip(LETTERS, marks, strict=False):
                if form.format(mark) not in by:
                    break
                found[letter] = by[form.format(mark)]
            if len(found) > 1:
                return found
    return _lists(columns)


def _lists(columns: Sequence[Column]) -> dict[str, Column]:
    """The options that are in lists, by their letters."""
    for name in CHOICES:
        parts = [one for one in columns if _plain(one.part_of) == name]
        if len(parts) > 1:
            return dict(zip(LETTERS, parts, strict=False))
    return {}


def _program(columns: Sequence[Column]) -> dict[str, Column]:
    """The columns that the scorer `code` needs, if all are there."""
    named = {key: _named(columns, names) for key, names in PROGRAMS.items()}
    return {key: one[0] for key, one in named.items()} if all(named.values()) else {}


def _reference(columns: Sequence[Column], notes: list[str]) -> Column | None:
    named = _named(columns, REFERENCES)
    named = [one for one in named if _varies(one)] or [
        one for one in named if _plain(one.name) not in GROUPS
    ]
    if named:
        others = [one.name for one in named[1:] if _plain(one.name) not in GROUPS]
        if others:
            notes.append(f"sample.reference: {named[0].name}; it could also be {', '.join(others)}")
        if not _varies(named[0]):
            notes.append(f"sample.reference: all rows have the same {named[0].name}")
        return named[0]
    asked = _named(columns, ASKED)
    rest = [one for one in columns if one not in asked and _varies(one)]
    if not asked or not rest:
        rest = [one for one in list(columns)[1:] if _varies(one)]
    if not rest:
        notes.append("sample.reference: no column has right answers")
        return None
    notes.append(f"sample.reference: {rest[-1].name} is a guess, the last column")
    return rest[-1]


def _varies(column: Column) -> bool:
    """True unless all rows have the same value."""
    return len(column.counts) > 1 or len(column.values) == 1


def _stratum(columns: Sequence[Column]) -> Column | None:
    for one in _named(columns, GROUPS):
        if not one.empty and 1 < len(one.counts) <= min(MOST_GROUPS, len(one.values) // 2):
            return one
    return None


def _asked(columns: Sequence[Column], notes: list[str]) -> list[Column]:
    """The columns of the prompt: those of known names, else the one with the longest texts."""
    texts = [one for one in columns if one.share(ADDRESS.match) < 1 / 2]
    if named := _named(texts, ASKED):
        return named
    if not columns:
        return []
    longest = max(columns, key=lambda one: one.words)
    if len(columns) > 1:
        notes.append(f"prompt: {longest.name} is a guess, the column with the longest texts")
    return [longest]
