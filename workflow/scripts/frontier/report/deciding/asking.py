"""The reader's question: limits and names, as the command line gives them."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from frontier.errors import UserError, did_you_mean
from frontier.report.deciding.limits import Bound, Limit
from frontier.report.deciding.pareto import PROPORTION
from frontier.results.columns import StudyRow


@dataclass(frozen=True)
class Option:
    """A limit's option: its figure, and the factor from the unit that is typed."""

    figure: str
    bound: Bound
    help: str
    factor: float = 1.0


AT = "_p{percentile}"
LIMITS: Mapping[str, Option] = {
    "--latency-at-most": Option(f"latency{AT}", "most", "seconds for a request"),
    "--ttft-at-most": Option(f"ttft{AT}", "most", "seconds to the first token"),
    "--tpot-at-most": Option(f"tpot{AT}", "most", "seconds for each further token"),
    "--rate-at-least": Option("rate", "least", "requests per second, offline and of a server"),
    "--score-at-least": Option("score", "least", "points; percentage points of a proportion"),
    "--memory-at-most": Option("memory", "most", "gigabytes (10^9 bytes) at the peak", 1e9),
    "--energy-at-most": Option("energy", "most", "joules for a request"),
    "--cost-at-most": Option("cost", "most", "price of 1,000 requests"),
}
OPTIONS = {name: option.help for name, option in LIMITS.items()}


def known(name: str, names: Collection[str], option: str) -> None:
    """Raises UserError with the nearest name for one that is not in the study."""
    if name not in names:
        raise UserError(f"{option}: {name!r} is not in the study{did_you_mean(name, names)}")


def limits(given: Mapping[str, Any], rows: Sequence[StudyRow]) -> list[Limit]:
    """The limits of the options, by their names as argparse has them. Raises UserError."""
    tasks = {row["task"] for row in rows}
    found: list[Limit] = []
    for name, option in LIMITS.items():
        for text in given[name.strip("-").replace("-", "_")]:
            task, is_task, value = text.rpartition("=")
            if is_task:
                known(task, tasks, name)
            limit = Limit(
                option.figure.format(percentile=given["percentile"]),
                option.bound,
                _number(value, name) * option.factor,
                task if is_task else None,
            )
            if any((limit.figure, limit.task) == (one.figure, one.task) for one in found):
                raise UserError(f"{name}: given twice for {limit.task or 'all tasks'}")
            found.append(limit)
    for limit in found:
        _check_points(limit, rows)
    return found


def _number(text: str, option: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise UserError(f"{option}: {text!r} is not a number, nor TASK=NUMBER") from None
    if not math.isfinite(value) or value < 0:
        raise UserError(f"{option}: {text}: must be a number from 0")
    return value


def _check_points(limit: Limit, rows: Iterable[StudyRow]) -> None:
    """Raises UserError for a proportion given as a share, which every score would reach."""
    if limit.figure != "score" or not 0 < limit.value <= 1:
        return
    asked = (row for row in rows if limit.task in (None, row["task"]))
    if any(row["score_unit"] == PROPORTION for row in asked):
        raise UserError(
            f"--score-at-least: {limit.value:g}: scores are in points, from 0 to 100; "
            f"for that share give {100 * limit.value:g}"
        )


def selected(
    rows: Sequence[StudyRow], args: argparse.Namespace, licences: Callable[[], Mapping[str, str]]
) -> list[StudyRow]:
    """The rows of the wanted tasks, scenarios, devices and licences. Raises UserError.

    `licences` gives those of the models, by name; it is asked only if licences are wanted.
    """
    found = list(rows)
    for axis in ("task", "scenario", "device"):
        if wanted := getattr(args, axis):
            for name in wanted:
                known(name, {row[axis] for row in rows}, f"--{axis}")
            found = [row for row in found if row[axis] in wanted]
    if args.licence:
        found = _licensed(found, args.licence, licences())
    if not found:
        raise UserError("the study has no cell of these tasks, scenarios, devices and licences")
    return found


def _licensed(
    rows: Iterable[StudyRow], wanted: Iterable[str], licences: Mapping[str, str]
) -> list[StudyRow]:
    """The rows of models whose licence is among those wanted, in any case."""
    own = {name: licence.casefold() for name, licence in licences.items()}
    names = [name.casefold() for name in wanted]
    for name in names:
        known(name, set(own.values()), "--licence")
    return [row for row in rows if own.get(row["model"]) in names]
