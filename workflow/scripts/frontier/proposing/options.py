"""Right answers that are the numbers of lettered options."""

from __future__ import annotations

from frontier.proposing.columns import Column


def numbered(reference: Column, letters: str, notes: list[str]) -> dict[str, str]:
    """The letter of each number: from 0, or from 1 if one is as large as their count.

    Empty if the right answers are no such numbers. What is a guess is added to `notes`.
    """
    for first in (0, 1):
        found = {str(place): letter for place, letter in enumerate(letters, start=first)}
        if reference.counts.keys() <= found.keys():
            if "0" not in reference.counts and first == 0:
                notes.append("sample.labels: a guess: the options may be numbered from 0 or from 1")
            return found
    return {}
