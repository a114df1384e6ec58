"""Containment: the expected text occurs in the answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar

from frontier.blocks import Decides
from frontier.scorers import PROPORTION, Metric, Score, ScoredItem, Scorer
from frontier.stats.intervals import wilson


class Example(Scorer):
    """Keys of the `example` scorer."""

    PRIMARY: ClassVar[str] = "found"

    ignore_case: Annotated[bool, Decides("score")] = True
    """Ignore upper and lower case."""

    def score(self, items: Sequence[ScoredItem]) -> Score:
        """The share of answers that contain their reference, with Wilson's interval."""
        found = [self._plain(item.reference) in self._plain(item.prediction) for item in items]
        metrics = {self.PRIMARY: Metric.of(wilson(sum(found), len(found)), PROPORTION)}
        return Score(metrics, details={}, requests=[{"score": int(one)} for one in found])

    def _plain(self, text: str) -> str:
        text = " ".join(text.split())
        return text.casefold() if self.ignore_case else text
