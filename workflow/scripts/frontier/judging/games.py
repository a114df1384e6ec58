"""Games between variants: a judge's preferences between their answers, as a cell's requests store.

Each order in which a pair was shown is a game. Stored with the requests, they are rated without the
judge's own files, also where a cell was scored on another machine.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import TypedDict

from frontier.judging.agreement import Judged
from frontier.judging.asking import Inquiry
from frontier.stats.preferences import TIE

COLUMN = "games"
"""The column of a cell's requests with a list of games."""


class Stored(TypedDict):
    """The preferences for an answer against another variant's, shown first and shown second.

    1 is a win, 0.5 a tie, 0 a loss; None: no verdict. Equal answers are a tie in both orders.
    """

    other: str
    first: float | None
    second: float | None


def of_items(
    items: Sequence[str], found: Iterable[tuple[Judged, Inquiry]], withheld: bool
) -> list[list[Stored]]:
    """The games of each item, by its id; none if the judge's verdicts are withheld."""
    games: dict[str, list[Stored]] = defaultdict(list)
    for one, about in found:
        if not withheld and not about.check:
            first, second = (TIE, TIE) if one.equal else (one.first, one.second)
            games[about.item].append({"other": about.other, "first": first, "second": second})
    return [games.get(item, []) for item in items]
