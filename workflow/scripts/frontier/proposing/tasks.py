"""A task's block for the catalogue, proposed from a table of questions and right answers."""

from __future__ import annotations

import keyword
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from frontier.catalogue.checking import check
from frontier.datasets.table import Table
from frontier.proposing import marking
from frontier.proposing.columns import LOOKED_AT, Column, Looked, look
from frontier.proposing.marking import Marking
from frontier.proposing.roles import PROGRAMS, Roles, roles

SAMPLE = 500
"""Rows of a proposed sample, if there are as many."""


@dataclass
class TaskProposal:
    """The blocks of a dataset and a task, and what could not be decided."""

    dataset: dict[str, Any]
    task: dict[str, Any]
    open: list[str] = field(default_factory=list)


def proposed(path: Path, name: str) -> TaskProposal:
    """The blocks for a table: a file, or a folder of them.

    Raises UserError if it cannot be read, has nothing to ask with, or a row that the blocks refuse.
    """
    table = look(path)
    found = roles(table.columns.values())
    how = marking.of(found)
    notes = [*found.open, *how.open]
    sample, usable = _sample(table, found, how, notes)
    fields = _fields([*found.asked, *found.options.values(), *found.program.values()])
    if renamed := {new: old for old, new in fields.items() if new != old}:
        sample["columns"] = renamed
    empty = [fields[one.name] for one in (*found.asked, *found.options.values()) if one.empty]
    if empty:
        sample["may_be_empty"] = empty
        notes.append(f"sample.may_be_empty: some rows have no {', '.join(empty)}")
    task: dict[str, Any] = {
        "label": name.replace("-", " ").replace("_", " ").capitalize(),
        "dataset": name,
        "sample": {"size": min(SAMPLE, usable), **sample},
        "prompt": prompt(found, fields, how),
        "max_new_tokens": how.tokens,
    }
    if how.stop:
        task["stop"] = how.stop
    task["scorer"] = _with_fields(how.scorer, fields) | _program(found, fields)
    if not table.whole:
        notes.append(f"only the first {LOOKED_AT:,} rows were looked at")
    _read(path, sample, list(fields.values()), table)
    return TaskProposal({"loader": "table", "source": {"path": str(path)}}, task, notes)


def _sample(
    table: Looked, found: Roles, how: Marking, notes: list[str]
) -> tuple[dict[str, Any], int]:
    """The keys of `sample:`, and the number of rows that can be used."""
    keys: dict[str, Any] = dict(table.form)
    if "encoding" in keys:
        notes.append(f"sample.encoding: read as {keys['encoding']}; look at its special letters")
    usable = table.rows
    if found.reference:
        keys["reference"] = found.reference.name
        if lacking := found.reference.empty:
            blank = {one for one in found.reference.values if not one.strip()}
            keys["filter"] = {found.reference.name: {"other_than": sorted(blank)}}
            usable -= lacking
            notes.append(f"sample.filter: {lacking} rows without a reference are left out")
    if how.labels:
        keys["labels"] = how.labels
    if found.id:
        keys["id"] = found.id.name
    if found.stratum:
        keys["stratum"] = found.stratum.name
    return keys, usable


def _fields(columns: Sequence[Column]) -> dict[str, str]:
    """A field of the prompt for each column: its name, or one that a template can have."""
    found: dict[str, str] = {}
    for column in {one.name: one for one in columns}.values():
        name = re.sub(r"\W+", "_", column.name).strip("_") or "field"
        if name[0].isdigit() or keyword.iskeyword(name) or not name.isidentifier():
            name = f"field_{name}" if f"field_{name}".isidentifier() else f"field_{len(found)}"
        while name in found.values():
            name += "_"
        found[column.name] = name
    return found


def prompt(found: Roles, fields: Mapping[str, str], how: Marking) -> str:
    """A template that asks for an answer in the form that the scorer reads."""
    asked = [(one.name, f"{{{fields[one.name]}}}") for one in found.asked]
    lines: list[str] = []
    if how.begin:
        lines.append(_literal(how.begin))
    if len(asked) == 1:
        lines.append(asked[0][1] if how.bare else f"{how.word}: {asked[0][1]}")
    else:
        lines += [f"{_literal(_title(name))}: {text}" for name, text in asked]
    lines += [f"{mark}. {{{fields[one.name]}}}" for mark, one in found.options.items()]
    if how.end:
        lines.append(_literal(how.end))
    if how.answer:
        lines.append(f"{how.answer}:")
    return "\n".join(lines)


def _title(name: str) -> str:
    words = " ".join(name.replace("_", " ").split())
    return words[:1].upper() + words[1:]


def _literal(text: str) -> str:
    """A text as a part of a template."""
    return text.replace("{", "{{").replace("}", "}}")


def _with_fields(scorer: Mapping[str, Any], fields: Mapping[str, str]) -> dict[str, Any]:
    return {key: fields[one] if key == "document" else one for key, one in scorer.items()}


def _program(found: Roles, fields: Mapping[str, str]) -> dict[str, str]:
    """The fields of a program that have other names than those that `code` expects."""
    own = {key: fields[one.name] for key, one in found.program.items()}
    return {key: name for key, name in own.items() if name != PROGRAMS[key][0]}


def _read(path: Path, sample: Mapping[str, Any], fields: Sequence[str], table: Looked) -> None:
    """Reads the looked-at rows by the proposed keys. Raises UserError for one that is refused."""
    loader = check(Table, dict(sample), f"{path}: sample").using(fields)
    for _ in islice(loader.rows(path), table.rows):
        pass
