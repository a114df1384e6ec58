"""Containment: an accepted answer occurs in the text, after named normalisations.

A long text that names everything is right: compare variants whose answers have a like length.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated

import numpy as np

from frontier.answers.normalising import Normalisation, normalised
from frontier.blocks import Decides
from frontier.scorers import Score, ScoredItem, Scorer
from frontier.scorers.common import groups
from frontier.scorers.common.proportions import Verdict, references, scored


class Contains(Scorer):
    """The share of answers that contain a reference."""

    PRIMARY = "contained"
    REFERENCES = "several"

    normalise: Annotated[tuple[Normalisation, ...], Decides("score")] = ()
    """The names are those of `exact`; applied to both sides."""
    whole_words: Annotated[bool, Decides("score")] = False
    """Only as whole words: 7 is not in 17, nor Rome in Romeo."""
    by: Annotated[tuple[str, ...], Decides("score")] = ()
    """Fields of the rows by whose values the share is also reported, such as [length, depth]."""

    def reads(self) -> tuple[str, ...]:
        """The fields of the groups."""
        return self.by

    def score(self, items: Sequence[ScoredItem]) -> Score:
        """The share. Raises UserError for a reference of which nothing is left."""
        accepted = references(items, self._plain, "is empty, and in every answer")
        verdicts = []
        for item, known in zip(items, accepted, strict=True):
            text = self._plain(item.prediction)
            verdicts.append(Verdict(any(self._within(one, text) for one in known)))
        found = scored(self.PRIMARY, items, verdicts, reads_answers=False)
        right = np.array([bool(one.right) for one in verdicts], dtype=np.float64)
        for field in self.by:
            metrics, details = groups.metrics(items, right, None, field, self.PRIMARY)
            found = replace(
                found,
                metrics={**found.metrics, **metrics},
                details={**found.details, **details},
            )
        return found

    def _plain(self, text: str) -> str:
        return normalised(text, self.normalise)

    def _within(self, known: str, text: str) -> bool:
        if not self.whole_words:
            return known in text
        return bool(re.search(rf"(?<!\w){re.escape(known)}(?!\w)", text))
