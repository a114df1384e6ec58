"""Answers as lines for the terminal: a short table, and what is behind it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from frontier import words
from frontier.report.deciding.answers import ROLES, Answer
from frontier.report.deciding.candidates import limit_text
from frontier.report.deciding.findings import comparable, recommend, score_text
from frontier.report.deciding.limits import Candidate, doubtful
from frontier.report.deciding.speed import speed_of
from frontier.report.naming import Naming, RenderSpec
from frontier.results.columns import StudyRow
from frontier.text import visible

LONGEST = 1000
SHOWN = 6
"""Variants that are named in a line; of more, the number is."""


class _Ids(Naming):
    """Names as in results/, which other programs take."""

    def variant(self, variant: str) -> str:
        """The variant's id."""
        return visible(variant, 80)


def table(given: Sequence[Answer]) -> list[str]:
    """The answer for each task, in columns."""
    rows: list[tuple[str, ...]] = [("task", "answer", "on", "speed", "score", "how sure")]
    rows += [_row(answer) for answer in given]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        visible("  ".join(map(str.ljust, row, widths)).rstrip(), LONGEST)
        for row in rows
    ]  # fmt: skip


def _row(answer: Answer) -> tuple[str, ...]:
    one = answer.decision.answer
    if one is None:
        return answer.task, "none", "", "", "", _why_none(answer)
    return answer.task, one.variant, one.device, *_short(answer, one), _sure(answer, one)


def _row_of(answer: Answer, one: Candidate) -> StudyRow:
    """The cell of a candidate of one task."""
    return next(
        row
        for row in answer.rows
        if (row["variant"], row["device"]) == (one.variant, one.device) and comparable(row)
    )


def _short(answer: Answer, one: Candidate) -> tuple[str, str]:
    """The speed and the score of a candidate; means, over several tasks."""
    score = one.figures["score"].value
    if one.parts:
        return f"{words.seconds(one.seconds)} (mean)", f"{score:.1f} (mean)"
    row = _row_of(answer, one)
    return speed_of(row).short(row), f"{score:.1f}"


def _sure(answer: Answer, one: Candidate) -> str:
    """Whether limits and choice are certain by the 95 % intervals."""
    if doubts := doubtful(one, answer.limits):
        return f"the interval reaches beyond: {limit_text(doubts[0])}"
    rivals = _rivals(answer, one)
    if rivals:
        return f"not clearly faster than {words.count(len(rivals), 'other')}"
    return "limits and choice hold by the intervals" if answer.limits else "clearly the fastest"


def _rivals(answer: Answer, one: Candidate) -> list[Candidate]:
    """The other variants that are good enough and may be as fast."""
    top = answer.decision.best
    if top is None or one.parts:
        return []
    floor = top.figures["score"].value - answer.terms.margin
    row = _row_of(answer, one)
    return [
        other
        for other in answer.decision.meeting
        if other is not one
        and other.figures["score"].value >= floor
        and speed_of(row).overlap(row, _row_of(answer, other))
    ]


def _why_none(answer: Answer) -> str:
    if not answer.candidates and len({row["task"] for row in answer.rows}) > 1:
        return "no variant has both a score and a speed in each of the tasks"
    if not answer.candidates:
        counts = Counter(row["outcome"] for row in answer.rows)
        counted = ", ".join(f"{count} {outcome}" for outcome, count in sorted(counts.items()))
        return f"no variant has both a score and a speed ({counted})"
    return f"none of {words.count(len(answer.candidates), 'variant')} meets the limits"


def lines(answer: Answer) -> list[str]:
    """All about one answer: the choice in words, the best of each kind, and what is left out."""
    found = [answer.task, *(f"  {line}" for line in _lines(answer))]
    return [visible(line, LONGEST) for line in found]


def _lines(answer: Answer) -> Iterator[str]:
    decision = answer.decision
    if answer.terms.chosen is not None:
        yield _checked(answer)
    if decision.answer is None:
        yield f"{_why_none(answer)}."
    else:
        yield _sentence(answer, decision.answer)
        for role in ROLES[1:]:
            one = getattr(decision, role)
            yield f"{role + ':':10} {_named(answer, one) if one else 'not known'}"
        yield f"{'frontier:':10} {_several([_place(one) for one in decision.frontier])}"
    for limit in answer.limits:
        count = sum(limit not in answer.faults(one) for one in answer.candidates)
        yield f"{limit_text(limit)}: met by {count} of {len(answer.candidates)}"
    without = sum(not comparable(row) for row in answer.rows)
    if without:
        yield f"not considered, without both a score and a speed: {words.count(without, 'cell')}"


def _sentence(answer: Answer, one: Candidate) -> str:
    """The answer in the report's words."""
    within = f"fastest within {answer.terms.margin:g} points of the best"
    if one.parts:
        speed, score = _short(answer, one)
        return f"The {within} over all tasks is {_place(one)}: {speed}, score {score}."
    meeting = {(other.variant, other.device) for other in answer.decision.meeting}
    rows = [row for row in answer.rows if (row["variant"], row["device"]) in meeting]
    said = recommend(rows, _Ids(RenderSpec(), answer.rows), answer.terms.margin, None)
    remarks = said.remarks
    if len(meeting) == 1 < len(answer.candidates):
        remarks = ["It alone meets the limits."]
    doubts = [
        f"Not certain, by its 95 % interval: {limit_text(limit)}."
        for limit in doubtful(one, answer.limits)
    ]
    first = f"The {within} is {_place(one)}: {said.latency}, {said.score}."
    return " ".join([first, *remarks, *doubts])


def _checked(answer: Answer) -> str:
    """The variant to be checked: that it meets the limits, or what it misses."""
    name, one = answer.terms.chosen, answer.chosen
    if one is None:
        place = [row for row in answer.rows if f"{row['variant']}/{row['device']}" == name]
        outcome = f" ({place[0]['outcome']})" if place else ""
        return f"{name} does not meet them: it has no score and speed here{outcome}."
    if one in answer.decision.meeting:
        return f"{_named(answer, one)} meets the limits."
    missed = words.join([limit_text(limit) for limit in answer.faults(one)])
    return f"{_named(answer, one)} does not meet: {missed}."


def _place(one: Candidate) -> str:
    return f"{one.variant} on {one.device}"


def _named(answer: Answer, one: Candidate) -> str:
    """A candidate with its speed and score."""
    if one.parts:
        return f"{_place(one)} ({', '.join(_short(answer, one))})"
    row = _row_of(answer, one)
    return f"{_place(one)} ({speed_of(row).short(row)}, {score_text(row)})"


def _several(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
