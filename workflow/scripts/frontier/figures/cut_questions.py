"""Questions of which a field was cut at its end, to leave room in short contexts."""

from __future__ import annotations

from frontier import words
from frontier.figures import Figure, Measured, Needs, Values, heading
from frontier.results.columns import Column


class CutQuestions(Figure):
    """The number of questions that `longest` of the task's sample has shortened."""

    ORDER = 158
    NEEDS = Needs.ANSWERS
    COLUMNS = (
        Column(
            "cut_questions",
            "count",
            "questions",
            "questions whose field was longer than the task's `longest`, and ends there",
        ),
    )
    HEADINGS = (heading("Cut questions", "cut_questions", words.number),)

    def values(self, measured: Measured) -> Values:
        """The number; the same for all variants, which are asked the same."""
        return {"cut_questions": measured.cut}
