"""TruthfulQA: questions with true and false answers, as the authors' CSV file or the hub's Parquet.

Answers are as in the files, stripped, and in their order; an answer that a row repeats stays twice.
Source: Lin et al., "TruthfulQA: Measuring how models mimic human falsehoods" (ACL 2022).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from string import ascii_uppercase
from typing import Annotated, Any, Literal

from frontier.blocks import Decides
from frontier.datasets import Loader, References, Row
from frontier.datasets.common.cells import cell, text_of
from frontier.datasets.common.files import entries
from frontier.datasets.common.tables import Form, records
from frontier.errors import UserError

COLUMNS = ("question", "category", "type", "best_answer", "correct_answers", "incorrect_answers")
"""The hub's; the CSV file has the same in capitals with spaces."""
LISTED = ("correct_answers", "incorrect_answers")


class Truthfulqa(Loader):
    """Questions, with the answers that a form of the test compares."""

    FILES = re.compile(r"TruthfulQA\.csv|validation-\d+-of-\d+\.parquet")

    answers: Annotated[Literal["mc1", "mc2", "lettered"], Decides("sample")] = "mc1"
    """`mc1`: the best answer is right, all false ones are wrong; `mc2`: all true ones are right;
    `lettered`: as mc1, shown as options of a prompt in an order of their own for each question, and
    the letter of the best one is right (another test: the odd one out can be seen)."""

    def fields(self) -> tuple[str, ...]:
        """The question, its category and type, and `options` where they have letters."""
        shown = ("options",) if self.answers == "lettered" else ()
        return ("question", "category", "type", *shown)

    def references(self) -> References:
        """Several for MC2."""
        return "several" if self.answers == "mc2" else "one"

    def offers_choices(self) -> bool:
        """True unless the answer is a letter."""
        return self.answers != "lettered"

    def rows(self, folder: Path) -> Iterator[Row]:
        """The questions. Raises UserError naming the file and row of an error, or missing files."""
        number = 0
        for entry in entries(folder, self.FILES):
            wanted = () if entry.name.suffix == ".csv" else COLUMNS
            for where, _, raw in records(entry, Form(), wanted):
                found = {name.lower().replace(" ", "_"): value for name, value in raw.items()}
                values = {name: cell(found, name, where) for name in COLUMNS}
                yield self._row(values, f"truthfulqa-{number:06d}", where)
                number += 1
        if not number:
            raise UserError(f"{folder}: no TruthfulQA.csv, and no Parquet file of the hub's")

    def _row(self, values: dict[str, Any], name: str, where: str) -> Row:
        true, false = (_answers(values[column], where) for column in LISTED)
        best = text_of(values["best_answer"], where).strip()
        fields = {
            key: text_of(values[key], where).strip() for key in ("question", "category", "type")
        }
        if not (fields["question"] and best and true and false):
            raise UserError(f"{where}: lacks the question, or true or false answers")
        if self.answers == "mc2":
            return Row(
                name, fields, true[0], fields["category"], tuple(true[1:]), wrong=tuple(false)
            )
        if self.answers == "mc1":
            return Row(name, fields, best, fields["category"], wrong=tuple(false))
        options = sorted(enumerate([best, *false]), key=lambda one: _order(name, one[0]))
        lines = zip(ascii_uppercase, options, strict=False)
        fields["options"] = "\n".join(f"{letter}. {text}" for letter, (_, text) in lines)
        right = next(at for at, (place, _) in enumerate(options) if place == 0)
        return Row(name, fields, ascii_uppercase[right], fields["category"])


def _order(name: str, place: int) -> bytes:
    """The sort key of a question's option, the same on every machine."""
    return hashlib.sha256(f"{name}\n{place}".encode()).digest()


def _answers(value: Any, where: str) -> list[str]:
    """The answers of a cell: a list, or a text with semicolons between them."""
    parts: Sequence[Any] = value if isinstance(value, list) else text_of(value, where).split(";")
    return [text for one in parts if (text := text_of(one, where).strip())]
