"""A number as the answer, as in GSM8K: its value equals an accepted one, or is close to it.

`accuracy`, the primary metric, is flexible: the number in the text's last `\\boxed{}`, else after
its last mark, else its last number. With `mark`, `strict` counts only the number right after the
mark. Numbers are compared by value (18.0 is 18), without `$`, `%` and thousands' commas. Reasoning
(`<think>`) and everything from a next `Question:` or `Q:` on is not read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Annotated

from pydantic import Field

from frontier.answers import numbers
from frontier.blocks import Decides
from frontier.scorers import PROPORTION, Metric, Score, ScoredItem, Scorer
from frontier.scorers.common.proportions import Verdict, references, scored
from frontier.stats.intervals import wilson


class Number(Scorer):
    """The share of answers with the right number, read flexibly and strictly."""

    PRIMARY = "accuracy"
    REFERENCES = "several"

    mark: Annotated[str | None, Field(min_length=1, max_length=100), Decides("score")] = None
    """The text before the number in a worked answer, such as `####`: in the references, where it
    is, and in answers."""
    tolerance: Annotated[float, Field(ge=0, le=1e300), Decides("score")] = 0.0
    """The largest difference from the reference that is right."""
    relative_tolerance: Annotated[float, Field(ge=0, le=1), Decides("score")] = 0.0
    """The same as a share of the reference."""

    def score(self, items: Sequence[ScoredItem]) -> Score:
        """The shares, Wilson's intervals. Raises UserError for a reference without a number."""
        accepted = references(items, self._reference, "is not a number")
        verdicts = []
        for item, known in zip(items, accepted, strict=True):
            read = numbers.read(item.prediction, self.mark)
            columns = {"strict": self._strict(item, known)} if self.mark else None
            text = None if read is None else f"{read:f}" if abs(read.adjusted()) < 50 else str(read)
            verdicts.append(Verdict(self._right(read, known), text, columns))
        found = scored(self.PRIMARY, items, verdicts, reads_answers=True)
        if self.mark is None:
            return found
        strict = [bool(one.columns and one.columns["strict"]) for one in verdicts]
        metric = Metric.of(wilson(sum(strict), len(strict)), PROPORTION)
        return replace(found, metrics={**found.metrics, "strict": metric})

    def _reference(self, text: str) -> Decimal | None:
        """A reference's number: after the mark if it has one, else the whole text."""
        found = numbers.marked(text, self.mark) if self.mark else None
        return found if found is not None else numbers.value(text)

    def _strict(self, item: ScoredItem, known: Sequence[Decimal]) -> bool:
        assert self.mark, "there are no strict readings without a mark"
        return self._right(numbers.marked(numbers.answered(item.prediction), self.mark), known)

    def _right(self, read: Decimal | None, known: Sequence[Decimal]) -> bool:
        limits = Decimal(repr(self.tolerance)), Decimal(repr(self.relative_tolerance))
        return read is not None and any(numbers.close(read, one, *limits) for one in known)
