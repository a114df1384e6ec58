"""The answer for each task of a study, on a reader's terms."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from frontier.catalogue.ids import SINGLE_STREAM
from frontier.report.deciding.candidates import applies, candidates, limit_text
from frontier.report.deciding.limits import Candidate, Decision, Limit, decide, doubtful, misses
from frontier.report.deciding.limits import over_tasks as over
from frontier.results.columns import StudyRow

ROLES = ("answer", "best", "fastest", "cheapest", "smallest")
"""The chosen candidates of a decision, in order of display."""
OVER_TASKS = "over all tasks"


@dataclass(frozen=True)
class Terms:
    """The terms of an answer: limits, margin, and whether limits must be met surely."""

    limits: tuple[Limit, ...] = ()
    margin: float = 2.0
    surely: bool = False
    chosen: str | None = None
    """VARIANT/DEVICE, which is checked as well."""


@dataclass(frozen=True)
class Answer:
    """The decision for one task in one scenario, or over several tasks."""

    task: str
    """TASK, or TASK.SCENARIO unless that is single-stream, as cells' files are named."""
    terms: Terms
    limits: tuple[Limit, ...]
    """Those that are about its tasks."""
    candidates: tuple[Candidate, ...]
    decision: Decision
    rows: tuple[StudyRow, ...]
    """All cells, those without a candidate too."""

    @property
    def chosen(self) -> Candidate | None:
        """The variant to be checked, if it is a candidate here."""
        places = {f"{one.variant}/{one.device}": one for one in self.candidates}
        return places.get(self.terms.chosen or "")

    @property
    def met(self) -> bool:
        """True if the variant to be checked meets the limits, or any does if none is named."""
        if self.terms.chosen is None:
            return self.decision.answer is not None
        return self.chosen in self.decision.meeting

    def faults(self, candidate: Candidate) -> list[Limit]:
        """The limits that a candidate does not meet on these terms."""
        found = misses(candidate, self.limits)
        return found + (doubtful(candidate, self.limits) if self.terms.surely else [])

    def as_json(self) -> dict[str, Any]:
        """The answer for a program."""
        decision = self.decision
        return {
            "task": self.task,
            "met": self.met,
            **{role: _named(getattr(decision, role)) for role in ROLES},
            "frontier": [_named(one) for one in decision.frontier],
            "meeting": [_named(one) for one in decision.meeting],
            "limits": [limit_text(one) for one in self.limits],
            "doubtful": [
                limit_text(one)
                for one in (doubtful(decision.answer, self.limits) if decision.answer else ())
            ],
            "missed": {
                f"{one.variant}/{one.device}": [limit_text(limit) for limit in self.faults(one)]
                for one in self.candidates
                if one not in decision.meeting
            },
        }


def _named(candidate: Candidate | None) -> str | None:
    return f"{candidate.variant}/{candidate.device}" if candidate else None


def _answer(
    task: str, rows: Sequence[StudyRow], among: Sequence[Candidate], terms: Terms
) -> Answer:
    tasks = {row["task"] for row in rows}
    limits = tuple(limit for limit in terms.limits if limit.task is None or limit.task in tasks)
    decision = decide(among, limits, terms.margin, terms.surely)
    return Answer(task, terms, limits, tuple(among), decision, tuple(rows))


def _by_task(rows: Iterable[StudyRow]) -> dict[tuple[str, str], list[StudyRow]]:
    found: dict[tuple[str, str], list[StudyRow]] = {}
    for row in rows:
        found.setdefault((row["task"], row["scenario"]), []).append(row)
    return found


def answers(rows: Iterable[StudyRow], terms: Terms) -> tuple[list[Answer], list[str]]:
    """The answer for each task in each scenario, and a line for each that no limit is about.

    Such a one has no figure to which a limit could apply: to answer it would ignore the limit.
    """
    found, apart = [], []
    for (task, scenario), here in _by_task(rows).items():
        name = task if scenario == SINGLE_STREAM else f"{task}.{scenario}"
        about = [limit for limit in terms.limits if limit.task in (None, task)]
        if foreign := [limit for limit in about if not applies(limit, here)]:
            apart.append(f"{name}: left out: it cannot have a {limit_text(foreign[0])}")
        else:
            found.append(_answer(name, here, candidates(here), terms))
    return found, apart


def pooled(given: Sequence[Answer], terms: Terms) -> list[Answer]:
    """One answer over all tasks for each scenario of these answers."""
    found: dict[str, list[Answer]] = {}
    for answer in given:
        found.setdefault(answer.rows[0]["scenario"], []).append(answer)
    pools = []
    for scenario, each in found.items():
        tasks = [answer.rows[0]["task"] for answer in each]
        among = over([one for answer in each for one in answer.candidates], tasks)
        rows = [row for answer in each for row in answer.rows]
        name = OVER_TASKS if scenario == SINGLE_STREAM else f"{OVER_TASKS}.{scenario}"
        pools.append(_answer(name, rows, among, terms))
    return pools
