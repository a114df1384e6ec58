"""The figures of a judge's preferences over pairs shown in both orders, with its known faults.

Source: Zheng et al., "Judging LLM-as-a-Judge with MT-Bench and Chatbot Arena", NeurIPS 2023.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from frontier.stats.intervals import Estimate, wilson
from frontier.stats.preferences import TIE, averaged, merged


@dataclass(frozen=True)
class Judged:
    """A pair: the preferences for the model's answer, in both orders; None: no verdict.

    `first` is of the request that showed it first. `equal` answers are a tie without a request.
    """

    first: float | None
    second: float | None
    characters: int
    """The length of the model's answer."""
    other_characters: int
    equal: bool = False
    probable: bool = False
    """Whether the preferences are probabilities, whose mean counts, and not verdicts."""

    @property
    def preference(self) -> float | None:
        """The preference of both orders; None if either has no verdict."""
        both = averaged if self.probable else merged
        return TIE if self.equal else both(self.first, self.second)


@dataclass(frozen=True)
class Habits:
    """Shares by which a judge's faults show; None where no pair says anything."""

    consistent: Estimate
    """Pairs with the same verdict in both orders, of those with two."""
    first_placed: Estimate
    """Verdicts for the answer that was shown first, of those for either."""
    longer: Estimate
    """Pairs won by the longer answer, of those won by either whose lengths differ."""
    ties: Estimate
    """Pairs that are a tie, of those with a preference; equal answers aside."""
    unparsable: int
    """Requests without a verdict."""
    equal: int
    """Pairs of equal answers, about which the judge was not asked."""


def habits(pairs: Sequence[Judged]) -> Habits:
    """The habits of a judge; an unbiased one has first_placed near a half."""
    asked = [pair for pair in pairs if not pair.equal]
    both = [(one.first, one.second) for one in asked if None not in (one.first, one.second)]
    same = sum(_named(one) == _named(other) for one, other in both)
    # The model's answer is the first in one order, the other's in the other.
    shown_first = [one.first for one in asked if one.first is not None]
    shown_first += [1 - one.second for one in asked if one.second is not None]
    decided = [one for one in shown_first if one != TIE]
    known = [(one, one.preference) for one in asked]
    won = [
        (one.characters > one.other_characters) == (preference > TIE)
        for one, preference in known
        if preference is not None and preference != TIE
        if one.characters != one.other_characters
    ]
    preferences = [preference for _, preference in known if preference is not None]
    return Habits(
        consistent=wilson(same, len(both)),
        first_placed=wilson(sum(one > TIE for one in decided), len(decided)),
        longer=wilson(sum(won), len(won)),
        ties=wilson(preferences.count(TIE), len(preferences)),
        unparsable=sum((one.first is None) + (one.second is None) for one in asked),
        equal=len(pairs) - len(asked),
    )


def _named(preference: float | None) -> int:
    """The answer that is preferred: 1, -1, or 0 for neither."""
    assert preference is not None
    return (preference > TIE) - (preference < TIE)


def check(preferences: Sequence[float | None]) -> Estimate:
    """The share of pairs with a known better answer in which a judge names it.

    `preferences`: those for the better answer. A tie, or no verdict, is not right.
    """
    return wilson(sum(one is not None and one > TIE for one in preferences), len(preferences))


def trusted(found: Estimate, at_least: float) -> str | None:
    """The reason why a judge's verdicts are withheld; None if its check reached the threshold."""
    if found.value is None:
        return "the judge was not checked"
    if found.value < at_least:
        return (
            f"the judge named the better answer in {found.value:.0%} of the pairs of its check, "
            f"less than {at_least:.0%}"
        )
    return None
