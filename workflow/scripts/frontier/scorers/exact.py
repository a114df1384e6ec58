"""Exact match: the answer equals an accepted one, after named normalisations, none by default.

The whole text is compared, so that a space in front of it counts. SQuAD's exact match is
`normalise: [case, punctuation, articles, spaces]`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from frontier.answers.normalising import Normalisation, normalised
from frontier.blocks import Decides
from frontier.scorers import Score, ScoredItem, Scorer
from frontier.scorers.common.proportions import Verdict, references, scored


class Exact(Scorer):
    """The share of answers that equal a reference."""

    PRIMARY = "exact_match"
    REFERENCES = "several"

    normalise: Annotated[tuple[Normalisation, ...], Decides("score")] = ()
    """Applied to both sides: `strip` and `spaces` (around, or every run of them as one), `case`,
    `punctuation`, `articles` (a, an, the), `width` (NFKC)."""

    def score(self, items: Sequence[ScoredItem]) -> Score:
        """The share. Raises UserError for a reference of which nothing is left."""
        accepted = references(items, self._plain, "is empty: an empty answer would be right")
        verdicts = [
            Verdict(self._plain(item.prediction) in known)
            for item, known in zip(items, accepted, strict=True)
        ]
        return scored(self.PRIMARY, items, verdicts, reads_answers=False)

    def _plain(self, text: str) -> str:
        return normalised(text, self.normalise)
