"""Answers that could not be judged right or wrong."""

from __future__ import annotations

from frontier import words
from frontier.figures import Figure, Heading, Measured, Needs, Values
from frontier.results.columns import Column, StudyRow


def _heading(row: StudyRow) -> str:
    """Their number and the reason; missing where there are none."""
    if not row["unscored_answers"]:
        return words.MISSING
    return f"{row['unscored_answers']:.0f}: {row['unscored_reason']}"


class Unscored(Figure):
    """The answers without a score, for which the answers are not to blame: no score has them."""

    ORDER = 153
    NEEDS = Needs.ANSWERS
    COLUMNS = (
        Column(
            "unscored_answers", "count", "answers",
            "answers that could not be judged right or wrong, and are in no score",
        ),
        Column("unscored_reason", "text", "", "why; of several reasons the most frequent one"),
    )  # fmt: skip
    HEADINGS = (Heading("Unscored", _heading),)

    def values(self, measured: Measured) -> Values:
        """The number and the reason; None where no answer is scored at all."""
        if measured.score is None:
            return {}
        reasons = measured.score.unscored
        first = next((one for one, _ in reasons.most_common(1)), None)
        return {"unscored_answers": reasons.total(), "unscored_reason": first}
