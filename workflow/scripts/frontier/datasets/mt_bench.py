"""MT-Bench: 80 conversations of two turns in eight categories, as in FastChat's repository.

A row's reference is GPT-4's answer to the first turn, from the file of reference answers; those are
of mathematics, reasoning and coding only, and some are wrong. The `reference` in question.jsonl is
older, and not used. Source: Zheng et al., "Judging LLM-as-a-Judge with MT-Bench and Chatbot Arena"
(NeurIPS 2023).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from frontier.datasets import Loader, Row
from frontier.datasets.common.files import entries
from frontier.datasets.common.tables import Form, records
from frontier.errors import UserError

TURNS = 2


class MtBench(Loader):
    """The questions, with reference answers where there are some."""

    FILES = re.compile(r".*\.jsonl")

    def fields(self) -> tuple[str, ...]:
        """Both turns, the reference answers to them ("" if there are none), and the category."""
        return ("turn_1", "turn_2", "reference_1", "reference_2", "category")

    def rows(self, folder: Path) -> Iterator[Row]:
        """The questions, by number. Raises UserError naming the file and row of an error."""
        questions: dict[int, tuple[str, Any]] = {}
        references: dict[int, list[str]] = {}
        for entry in entries(folder, self.FILES):
            for where, _, values in records(entry, Form(), ()):
                if "prompt_template" in values:  # a file of judges' templates
                    continue
                number = values.get("question_id")
                if not isinstance(number, int):
                    raise UserError(f"{where}: lacks the number question_id")
                if "choices" in values:
                    references[number] = _turns(_first(values["choices"]), where)
                else:
                    questions[number] = where, values
        if not questions:
            raise UserError(f"{folder}: no question.jsonl of MT-Bench")
        for number, (where, values) in sorted(questions.items()):
            yield _row(number, where, values, references.get(number, [""] * TURNS))


def _row(number: int, where: str, values: Any, references: list[str]) -> Row:
    first, second = _turns(values, where)
    category = values.get("category")
    if not isinstance(category, str) or not category:
        raise UserError(f"{where}: lacks its category")
    fields = {
        "turn_1": first, "turn_2": second, "reference_1": references[0],
        "reference_2": references[1], "category": category,
    }  # fmt: skip
    return Row(str(number), fields, references[0], category)


def _first(choices: Any) -> Any:
    return choices[0] if isinstance(choices, list) and choices else {}


def _turns(values: Any, where: str) -> list[str]:
    """The texts of both turns."""
    turns = values.get("turns") if isinstance(values, dict) else None
    if not isinstance(turns, list) or len(turns) != TURNS or not all(map(_text, turns)):
        raise UserError(f"{where}: has not {TURNS} turns of text")
    return [str(one) for one in turns]


def _text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())
