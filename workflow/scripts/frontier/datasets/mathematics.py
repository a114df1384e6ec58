"""DeepMind's mathematics dataset: MODULE.txt with questions and answers on alternate lines, as in
its archive, or MODULE.json with an array of {question, answer}; a folder for each split.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

from frontier.blocks import Decides
from frontier.datasets import Loader, Row
from frontier.datasets.common.files import ByteStrings, DatasetFile, entries, lines, text
from frontier.errors import UserError, did_you_mean

CATEGORIES = (
    "algebra",
    "arithmetic",
    "calculus",
    "comparison",
    "measurement",
    "numbers",
    "polynomials",
    "probability",
)


class Mathematics(Loader):
    """Questions with short answers."""

    FILES = re.compile(r".*__.*\.(txt|json)")

    modules: Annotated[tuple[str, ...] | Literal["all"], Decides("sample")] = CATEGORIES
    """Modules such as numbers__gcd, or categories such as numbers."""
    split: Annotated[
        Literal["interpolate", "extrapolate", "train-easy", "train-medium", "train-hard"],
        Decides("sample"),
    ] = "interpolate"
    """The folder: interpolate is the dataset's own test set."""

    def fields(self) -> tuple[str, ...]:
        """The question, and its topic."""
        return ("question", "module", "category")

    def rows(self, folder: Path) -> Iterator[Row]:
        """The questions of the chosen modules; a module is a stratum.

        Raises UserError for a missing module, and naming the file and row of a malformed row.
        """
        asked = dict.fromkeys(self.modules, False) if self.modules != "all" else None
        there: set[str] = set()
        for entry in entries(folder, self.FILES):
            module, category = entry.name.stem, entry.name.stem.partition("__")[0]
            if not _belongs(entry, self.split):
                continue
            if module in there:
                raise UserError(f"{entry.where}: module {module} of {self.split} occurs twice")
            there.add(module)
            if asked is not None:
                if module not in asked and category not in asked:
                    continue
                asked |= {name: True for name in (module, category) if name in asked}
            for number, (question, answer) in enumerate(_pairs(entry)):
                yield Row(
                    f"mathematics-{self.split}-{module}-{number:06d}",
                    {"question": question, "module": module, "category": category},
                    answer,
                    module,
                )
        if not there:
            raise UserError(
                f"{folder}: no modules of {self.split} (looked for files such as "
                f"{self.split}/numbers__gcd.txt or .json)"
            )
        for name, found in (asked or {}).items():
            if not found:
                known = there | {module.partition("__")[0] for module in there}
                raise UserError(
                    f"{folder}: no module or category {name!r}{did_you_mean(name, known)}"
                )


def _belongs(entry: DatasetFile, split: str) -> bool:
    """True if a file is a module of the split; files at the top level belong to any split."""
    parent = entry.name.parent.name
    return parent in ("", split)


def _pairs(entry: DatasetFile) -> Iterator[tuple[str, str]]:
    """Questions and answers as text, without surrounding white space."""
    read = ByteStrings()
    found = _alternating(entry) if entry.name.suffix == ".txt" else _array(entry)
    for row, *pair in found:
        where = f"{entry.where}: row {row}"
        question, answer = (read.decoded(value, where).strip() for value in pair)
        if not question or not answer:
            raise UserError(f"{where} has an empty question or answer")
        yield question, answer


def _alternating(entry: DatasetFile) -> Iterator[tuple[int, str, str]]:
    question = None
    number = 0
    for number, line in lines(entry):
        if not line.strip():
            raise UserError(f"{entry.where}: row {number} is empty")
        if question is None:
            question = line
        else:
            yield number, question, line
            question = None
    if question is not None:
        raise UserError(f"{entry.where}: row {number} is a question without an answer")


def _array(entry: DatasetFile) -> Iterator[tuple[int, str, str]]:
    try:
        found = json.loads(text(entry))
    except (ValueError, RecursionError) as error:
        raise UserError(f"{entry.where}: not JSON ({error})") from None
    if not isinstance(found, list):
        raise UserError(f"{entry.where}: not an array of objects with question and answer")
    for number, pair in enumerate(found, start=1):
        values = [pair.get(key) for key in ("question", "answer")] if isinstance(pair, dict) else []
        question, answer = (*values, None, None)[:2]
        if not isinstance(question, str) or not isinstance(answer, str):
            raise UserError(f"{entry.where}: row {number} lacks a question or an answer as text")
        yield number, question, answer
