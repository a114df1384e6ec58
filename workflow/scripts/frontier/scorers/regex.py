"""Regular expressions: the answer is what a pattern finds; or each reference is a pattern.

With `pattern` the answer is its first group (or the whole match) in the text, and right if it
equals an accepted one. Without, an answer is right if a reference, as a pattern, is found in it.
A text on which a pattern reaches no verdict in time is unscored: neither right nor wrong, excluded
from the proportion and counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from frontier import patterns
from frontier.answers.normalising import Normalisation, normalised
from frontier.blocks import Decides
from frontier.errors import UserError
from frontier.patterns import EndlessError
from frontier.scorers import Score, ScoredItem, Scorer
from frontier.scorers.common.proportions import Verdict, references, scored

NO_VERDICT = "the pattern reached no verdict within the time limit"
MOST_ENDLESS = 5
"""Texts on which a pattern may run out of time before it is refused."""


class Regex(Scorer):
    """The share of answers that a pattern finds to be right."""

    PRIMARY = "matched"
    REFERENCES = "several"

    pattern: Annotated[Annotated[str, AfterValidator(patterns.check)] | None, Decides("score")] = (
        None
    )
    """Finds the answer: its first group if it has one. Python's syntax, and that of the package
    `regex`. Without it, the references are patterns."""
    take: Annotated[Literal["first", "last"], Decides("score")] = "last"
    """The match that is the answer."""
    normalise: Annotated[tuple[Normalisation, ...], Decides("score")] = ()
    """The names are those of `exact`; applied to the answer found and to the references."""
    time_limit_s: Annotated[float, Field(gt=0, le=60), Decides("score")] = 1.0
    """Seconds for one text."""

    def score(self, items: Sequence[ScoredItem]) -> Score:
        """The share. Raises UserError for a reference that is no pattern, and for endless ones."""
        verdicts: list[Verdict] = []
        endless = 0
        for item in items:
            try:
                verdicts.append(self._verdict(item))
            except EndlessError:
                verdicts.append(Verdict(None, unscored=NO_VERDICT))
                endless += 1
            if endless > MOST_ENDLESS:
                raise UserError(
                    f"request {item.id}: the pattern has taken more than {self.time_limit_s:g} s "
                    f"on {endless} answers: write it without repeats inside of repeats"
                )
        return scored(self.PRIMARY, items, verdicts, reads_answers=self.pattern is not None)

    def _verdict(self, item: ScoredItem) -> Verdict:
        if self.pattern is None:
            for one in item.references:
                if reason := patterns.why_invalid(one):
                    raise UserError(f"request {item.id}: reference {reason}")
            return Verdict(any(self._found(one, item) for one in item.references))
        (accepted,) = references([item], self._plain, "is empty, which no pattern should find")
        matches = self._found(self.pattern, item)
        if not matches:
            return Verdict(False)
        match = matches[0 if self.take == "first" else -1]
        answer = match[1] if match.re.groups else match[0]
        if answer is None:  # a group that has no part in the match
            return Verdict(False)
        return Verdict(self._plain(answer) in accepted, answer)

    def _found(self, pattern: str, item: ScoredItem) -> list[Any]:
        return patterns.found(pattern, item.prediction, self.time_limit_s)

    def _plain(self, text: str) -> str:
        return normalised(text, self.normalise)
