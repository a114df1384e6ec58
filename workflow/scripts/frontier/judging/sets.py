"""The templates of a task's requests to a judge: one for each turn, with and without a reference.

Those of MT-Bench are single-v1, single-math-v1 with a reference answer, and both for the second
turn, which show the whole conversation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from frontier.errors import UserError
from frontier.judging.templates import Form, Template, from_alpaca_eval, from_mt_bench, own

Kind = Literal["first", "later", "with_reference", "later_with_reference"]
FIRST: Kind = "first"
MOST_TURNS = 2
"""Turns that a template can show."""


@dataclass(frozen=True)
class TemplateSet:
    """The template of the first turn, and those for other requests where they differ."""

    first: Template
    later: Template | None = None
    with_reference: Template | None = None
    later_with_reference: Template | None = None

    def of(self, turn: int, *, reference: bool) -> Template:
        """The template for a turn, counted from 1, and for a right answer where there is one.

        Raises ValueError if there is none for later turns.
        """
        if turn == 1:
            return (self.with_reference if reference else None) or self.first
        found = (self.later_with_reference if reference else None) or self.later
        if found is None:
            raise ValueError("there is no template for the turns after the first")
        return found


def named(file: Path, names: Mapping[Kind, str], form: Form) -> dict[Kind, Template]:
    """The templates of these names in a file of MT-Bench's format; without names, AlpacaEval's.

    Raises UserError for a file that lacks one, or has one of another form or another turn.
    """
    if not names:
        found: dict[Kind, Template] = {FIRST: from_alpaca_eval(file)}
    else:
        found = {kind: from_mt_bench(file, name) for kind, name in names.items()}
    for kind, template in found.items():
        if template.form != form:
            raise UserError(f"{file}: a template of the form {template.form}, not {form}")
        if (template.turns > 1) != kind.startswith("later"):
            turns = "two turns" if template.turns > 1 else "one turn"
            raise UserError(f"{file}: the template {names[kind]!r} shows {turns}")
    return found


def ours(form: Form, *, later: bool) -> dict[Kind, Template]:
    """Our templates of a form."""
    return {FIRST: own(form), **({"later": own(form, later=True)} if later else {})}
