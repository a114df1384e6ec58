"""The score of answers that are right or wrong, each by comparison with its references."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from frontier.errors import Reason, UserError
from frontier.scorers import PROPORTION, Metric, Score, ScoredItem
from frontier.stats.intervals import wilson
from frontier.text import shown

Known = TypeVar("Known")


@dataclass(frozen=True)
class Verdict:
    """Whether an answer is right (None: undecided), and the answer as it was read."""

    right: bool | None
    answer: str | None = None
    """None if none was found."""
    columns: Mapping[str, Any] | None = None
    """Further columns of its row."""
    unscored: str | None = None
    """The reason why it is undecided."""


def scored(
    name: str,
    items: Sequence[ScoredItem],
    verdicts: Sequence[Verdict],
    *,
    reads_answers: bool,
    details: Mapping[str, Any] | None = None,
) -> Score:
    """The share of right answers among the decided ones as the metric `name`, Wilson's interval.

    `reads_answers`: the scorer looks for an answer in a text, so there may be none.
    """
    right = [one.right for one in verdicts]
    decided = len(right) - right.count(None)
    unparsable = sum(
        one.answer is None and one.right is not None and bool(item.prediction.strip())
        for one, item in zip(verdicts, items, strict=True)
    )
    return Score(
        metrics={name: Metric.of(wilson(right.count(True), decided), PROPORTION)},
        details={**(details or {})},
        requests=[
            {
                "score": None if one.right is None else float(one.right),
                "unscored": one.unscored,
                **({"answer": one.answer} if reads_answers else {}),
                **(one.columns or {}),
            }
            for one in verdicts
        ],
        unparsable=unparsable if reads_answers else None,
    )


def references(
    items: Sequence[ScoredItem], read: Callable[[str], Known | None], reason: Reason
) -> list[list[Known]]:
    """Each item's references as `read` reads them.

    Raises UserError with the request's id and the `reason` for one of which it gives None or "".
    """
    found = []
    for item in items:
        known = []
        for text in item.references:
            one = read(text)
            if one is None or one == "":
                raise UserError(f"request {item.id}: reference {shown(text)} {reason}")
            known.append(one)
        found.append(known)
    return found
