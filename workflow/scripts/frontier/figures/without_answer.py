"""Answers that are empty, cut off at the limit, or in which the scorer found none."""

from __future__ import annotations

from frontier import words
from frontier.figures import Figure, Heading, Measured, Needs, Values
from frontier.results.columns import Column, StudyRow


def _heading(row: StudyRow) -> str:
    """The counts that are not 0, each with its name."""
    names = {"empty_answers": "empty", "cut_off_answers": "cut off", "unparsable_answers": "unread"}
    known = {word: row[name] for name, word in names.items() if row[name] is not None}
    if not known:
        return words.MISSING
    return ", ".join(f"{count:.0f} {word}" for word, count in known.items() if count) or "none"


class WithoutAnswer(Figure):
    """Three counts of answers: the empty and the unparsable are wrong, and none is left out.

    Those that are unscored have a figure of their own.
    """

    ORDER = 156
    NEEDS = Needs.ANSWERS
    COLUMNS = (
        Column("empty_answers", "count", "answers", "answers without any visible text"),
        Column(
            "cut_off_answers",
            "count",
            "answers",
            "answers that ended at the limit of new tokens; they are scored as they are",
        ),
        Column(
            "unparsable_answers",
            "count",
            "answers",
            "texts, empty ones aside, in which the scorer found no answer: wrong, not left out; "
            "missing for scorers that read a text as a whole",
        ),
    )
    HEADINGS = (Heading("Empty, cut off, unread", _heading),)

    def values(self, measured: Measured) -> Values:
        """The counts over all requests with an answer."""
        found = measured.score
        of_scorer: dict[str, int | None] = {}
        if found is not None:
            of_scorer["unparsable_answers"] = found.unparsable
        if measured.chosen and not measured.records:
            return of_scorer
        return {
            "empty_answers": sum(not record.text.strip() for record in measured.records),
            "cut_off_answers": sum(record.finish_reason == "length" for record in measured.records),
            **of_scorer,
        }
