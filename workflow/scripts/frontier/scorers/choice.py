"""A question with lettered options, answered by text with a letter, as in MMLU by generation.

The letter after the last `Answer:`; else the letter that a line consists of ("C", "(C)"), or
begins with ("C. 12"), if there is only one. Markup is ignored, and reasoning (`<think>`) not read.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated

import numpy as np
from pydantic import Field

from frontier.answers import choices
from frontier.blocks import Decides
from frontier.scorers import Score, ScoredItem, Scorer
from frontier.scorers.common import groups
from frontier.scorers.common.proportions import Verdict, references, scored


class Choice(Scorer):
    """The share of answers with the right letter, and how often each letter was chosen."""

    PRIMARY = "accuracy"
    REFERENCES = "several"

    letters: Annotated[
        str, Field(min_length=2, max_length=26, pattern="^[A-Z]+$"), Decides("score")
    ] = "ABCD"
    """The letters of the options, capitals."""
    macro: Annotated[str | None, Field(min_length=1), Decides("score")] = None
    """A field of the rows, such as `subject`: `macro_accuracy` is the mean over its values."""
    by: Annotated[str | None, Field(min_length=1), Decides("score")] = None
    """A field of the rows, such as `category`, for whose values the accuracy is given too."""

    def reads(self) -> tuple[str, ...]:
        """The fields of the groups."""
        return tuple(name for name in (self.macro, self.by) if name)

    def score(self, items: Sequence[ScoredItem]) -> Score:
        """The share, Wilson's interval. Raises UserError for a reference that is not a letter."""
        accepted = references(items, self._reference, f"is not one of the letters {self.letters}")
        read = [choices.read(item.prediction, self.letters) for item in items]
        verdicts = [
            Verdict(letter in known, letter) for letter, known in zip(read, accepted, strict=True)
        ]
        chosen, right = Counter(read), Counter(one for known in accepted for one in known)
        details = {
            "chosen": {letter: chosen[letter] for letter in self.letters},
            "right": {letter: right[letter] for letter in self.letters},
        }
        found = scored(self.PRIMARY, items, verdicts, reads_answers=True, details=details)
        right_ones = np.array([float(bool(one.right)) for one in verdicts])
        metrics, by = groups.metrics(items, right_ones, self.macro, self.by)
        return replace(found, metrics={**found.metrics, **metrics}, details={**found.details, **by})

    def _reference(self, text: str) -> str | None:
        letter = text.strip()
        return letter if len(letter) == 1 and letter in self.letters else None
