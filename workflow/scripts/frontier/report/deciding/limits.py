"""A reader's limits, and the best, fastest, cheapest and smallest of the variants that meet them.

The page's script follows the same rules; tests/decisions.json has cases that both must pass.

1. A candidate is a cell with a score and the figure by which its scenario is fast or slow.
2. A limit is met if the figure is known and no worse than the limit. An unknown figure meets none.
3. best: the highest score; of equals the fastest, then the first by name.
   fastest: the fewest seconds; of equals the highest score, then the first by name.
   cheapest, smallest: the lowest cost or memory, where it is known; of equals the fastest.
   answer: the fastest of those at most `margin` points below the best.
   frontier: those that no other dominates, fastest first.
   All are chosen from the candidates that meet every limit.
4. A limit is doubtful if a candidate meets it, but not with the worse end of its 95 % interval, or
   if that end is unknown.
5. A limit that names a task is about that task alone, and replaces there those of the same figure
   that name none.
6. Over several tasks, a candidate is a variant on a device with a cell in each of them. Its score,
   seconds, energy and cost are means over the tasks, and limits on them that name no task are about
   the means. Its memory is the highest. All other limits are about each task.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Self

from frontier.report.deciding.pareto import ROUNDING, Point, best, fastest_within, front

Bound = Literal["most", "least"]
MEANS = ("score", "energy", "cost")
"""The figures that are means over several tasks."""


class Figure(NamedTuple):
    """A figure with the ends of its interval; equal to the value if it is not an estimate."""

    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Limit:
    """The most or the least that a figure may be, in every task or in one."""

    figure: str
    bound: Bound
    value: float
    task: str | None = None

    def allows(self, value: float | None) -> bool:
        """True if a known value is no worse than the limit, up to rounding."""
        if value is None:
            return False
        slack = ROUNDING * max(1.0, abs(self.value))
        if self.bound == "most":
            return value <= self.value + slack
        return value >= self.value - slack

    def worse_end(self, figure: Figure) -> float | None:
        """The end of a figure's interval that is nearer to the limit, or beyond it."""
        return figure.high if self.bound == "most" else figure.low


@dataclass(frozen=True)
class Candidate:
    """A variant on a device, in one task or over several, with its figures by name."""

    variant: str
    device: str
    task: str
    seconds: float
    figures: Mapping[str, Figure]
    parts: tuple[Candidate, ...] = ()
    """Those of the tasks that it is over."""

    @property
    def name(self) -> str:
        """VARIANT DEVICE."""
        return f"{self.variant} {self.device}"

    @property
    def point(self) -> Point:
        """Its seconds and its score."""
        return Point(self.name, self.seconds, self.figures["score"].value)

    @classmethod
    def of_json(cls, value: Mapping[str, Any]) -> Self:
        """A candidate of the page's data and of tests/decisions.json."""
        figures = {name: Figure(*ends) for name, ends in value["figures"].items()}
        return cls(value["variant"], value["device"], value["task"], value["seconds"], figures)

    def as_json(self) -> dict[str, Any]:
        """The same for the page's data."""
        figures = {name: list(figure) for name, figure in self.figures.items()}
        return {**{key: getattr(self, key) for key in KEYS}, "figures": figures}


KEYS = ("variant", "device", "task", "seconds")


@dataclass(frozen=True)
class Decision:
    """The candidates that meet all limits, and those that are chosen from them."""

    meeting: tuple[Candidate, ...]
    answer: Candidate | None
    best: Candidate | None
    fastest: Candidate | None
    cheapest: Candidate | None
    smallest: Candidate | None
    frontier: tuple[Candidate, ...]


def _checked(candidate: Candidate, limits: Sequence[Limit]) -> list[tuple[Limit, Figure | None]]:
    """The limits on a candidate, each with the figure that it is about."""
    own = {(limit.figure, limit.task) for limit in limits if limit.task is not None}
    found = []
    for limit in limits:
        over_all = limit.task is None and limit.figure in MEANS and candidate.parts
        for one in (candidate,) if over_all else candidate.parts or (candidate,):
            everywhere = limit.task is None and (limit.figure, one.task) not in own
            if over_all or everywhere or limit.task == one.task:
                found.append((limit, one.figures.get(limit.figure)))
    return found


def misses(candidate: Candidate, limits: Sequence[Limit]) -> list[Limit]:
    """The limits that a candidate does not meet."""
    checked = _checked(candidate, limits)
    missed = (limit for limit, one in checked if not limit.allows(one.value if one else None))
    return list(dict.fromkeys(missed))


def doubtful(candidate: Candidate, limits: Sequence[Limit]) -> list[Limit]:
    """The limits that a candidate meets by its value, but not by its whole interval."""
    found = (
        limit
        for limit, one in _checked(candidate, limits)
        if one and limit.allows(one.value) and not limit.allows(limit.worse_end(one))
    )
    return list(dict.fromkeys(found))


def decide(
    candidates: Iterable[Candidate],
    limits: Sequence[Limit],
    margin: float,
    surely: bool = False,
) -> Decision:
    """The decision among the candidates of one task in one scenario, or over the same tasks.

    `surely`: a doubtful limit is not met.
    """
    checks = (misses, doubtful) if surely else (misses,)
    meeting = tuple(one for one in candidates if not any(check(one, limits) for check in checks))
    by_name = {one.name: one for one in meeting}
    points = [one.point for one in meeting]

    def named(point: Point | None) -> Candidate | None:
        return by_name[point.name] if point else None

    return Decision(
        meeting,
        answer=named(fastest_within(points, margin)),
        best=named(best(points)),
        fastest=named(fastest_within(points, float("inf"))),
        cheapest=_lowest(meeting, "cost"),
        smallest=_lowest(meeting, "memory"),
        frontier=tuple(by_name[point.name] for point in front(points)),
    )


def _lowest(candidates: Iterable[Candidate], name: str) -> Candidate | None:
    """The candidate with the lowest known figure; the fastest of equals."""
    known = [(figure.value, one) for one in candidates if (figure := one.figures.get(name))]
    ranked = sorted(known, key=lambda pair: (pair[0], pair[1].seconds, pair[1].name))
    return ranked[0][1] if ranked else None


def over_tasks(candidates: Iterable[Candidate], tasks: Sequence[str]) -> list[Candidate]:
    """The variants with a candidate in each of the tasks, as candidates over all of them.

    A figure that is unknown in a task is unknown over all. The ends of a mean are the means of the
    ends: no narrower than its 95 % interval, however the tasks' figures depend on each other.
    """
    found: dict[str, dict[str, Candidate]] = {}
    for one in candidates:
        found.setdefault(one.name, {})[one.task] = one
    return [
        _over([here[task] for task in tasks]) for here in found.values() if set(tasks) <= set(here)
    ]


def _over(parts: Sequence[Candidate]) -> Candidate:
    figures = {}
    for name in (*MEANS, "memory"):
        each = [one.figures[name] for one in parts if name in one.figures]
        if len(each) == len(parts):
            value, low, high = (_combined(ends, name) for ends in zip(*each, strict=True))
            assert value is not None
            figures[name] = Figure(value, low, high)
    seconds = sum(one.seconds for one in parts) / len(parts)
    return Candidate(parts[0].variant, parts[0].device, "", seconds, figures, tuple(parts))


def _combined(values: Iterable[float | None], name: str) -> float | None:
    """The mean of the values, of memory the highest; None if one is unknown."""
    found = list(values)
    known = [value for value in found if value is not None]
    if len(known) < len(found):
        return None
    return sum(known) / len(known) if name in MEANS else max(known)
