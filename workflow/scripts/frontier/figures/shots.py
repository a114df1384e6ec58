"""Worked examples before each question, and those for which there was no room."""

from __future__ import annotations

from frontier import words
from frontier.figures import Figure, Heading, Measured, Needs, Values
from frontier.results.columns import Column, StudyRow


def _heading(row: StudyRow) -> str:
    """The number and form of the examples, and the requests that had fewer."""
    if row["shots"] is None:
        return words.MISSING
    form = f"{row['shots']:.0f} as {row['shots_as']}"
    if not row["shortened_requests"]:
        return form
    shortened = words.count(int(row["shortened_requests"]), "request")
    return f"{form}; {shortened} without {row['lost_shots']:.0f} in all"


class Shots(Figure):
    """The shots of a task, of which a request loses the last ones where a prompt is too long."""

    ORDER = 144
    NEEDS = Needs.ANSWERS
    COLUMNS = (
        Column("shots", "count", "examples", "worked examples before each question"),
        Column("shots_as", "text", "", "text: one prompt; turns: messages of a conversation"),
        Column(
            "shortened_requests",
            "count",
            "requests",
            "requests with fewer shots, because the model had no room for all",
        ),
        Column("lost_shots", "count", "examples", "shots that these requests lack, in all"),
    )
    HEADINGS = (Heading("Shots", _heading),)

    def values(self, measured: Measured) -> Values:
        """The numbers; None for a task without shots."""
        shots = measured.measurement.shots
        if shots is None:
            return {}
        lost = {one.id: one.lost_shots for one in measured.every}
        return {
            "shots": shots.count,
            "shots_as": shots.as_,
            "shortened_requests": sum(number > 0 for number in lost.values()),
            "lost_shots": sum(lost.values()),
        }
