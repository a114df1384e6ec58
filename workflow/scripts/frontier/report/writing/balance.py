"""The section on the balanced score: its ranking at several weights, next to the frontier."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from frontier import words
from frontier.report.deciding.balance import SHARES, WEAKNESSES, Parts, leads, parts, ranked
from frontier.report.deciding.findings import Group, by_task, point
from frontier.report.deciding.pareto import front
from frontier.report.naming import Naming
from frontier.report.writing.tables import Box

SHOWN = 20
"""Variants in a task's table: the first at the study's weights."""


@dataclass(frozen=True)
class Ranked:
    """A variant with the parts of its balanced score, and its ranks."""

    place: str
    """Its group's name in the page."""
    variant: str
    device: str
    frontier: bool
    speed: str
    quality: str
    balanced: Box
    ranks: tuple[int, ...]
    """At each weight of `Balance.shares`."""


@dataclass(frozen=True)
class TaskBalance:
    """The ranking of one task in one scenario, over all devices."""

    task: str
    leads: str
    rows: list[Ranked]
    more: int


@dataclass(frozen=True)
class Balance:
    """The section: the weights, the ranking of each task, and the number's weaknesses."""

    weights: str
    shares: list[str]
    tasks: list[TaskBalance]
    weaknesses: tuple[str, ...] = WEAKNESSES


def ratio(share: float) -> str:
    """The two weights, the speed's first: 30/70."""
    return f"{_hundred(share)}/{_hundred(1 - share)}"


def _hundred(share: float) -> str:
    return f"{100 * share:.1f}".removesuffix(".0")


def balance(groups: Sequence[Group], naming: Naming, share: float) -> Balance:
    """The section for the weight `share` of the speed."""
    tasks = []
    for here in by_task(groups):
        cells = parts(row for group in here for row in group.rows)
        if len(cells) > 1:
            order = ranked(cells, share)
            tasks.append(
                TaskBalance(
                    naming.task(here[0].task, here[0].scenario),
                    _leads(cells, naming),
                    list(_rows(here[0].file, order[:SHOWN], cells, naming, share)),
                    len(cells) - len(order[:SHOWN]),
                )
            )
    return Balance(ratio(share), [ratio(one) for one in SHARES], tasks)


def _rows(
    file: str, shown: Sequence[Parts], cells: Sequence[Parts], naming: Naming, share: float
) -> Iterator[Ranked]:
    orders = [ranked(cells, at) for at in SHARES]
    places = [{point(one.row).name: rank for rank, one in enumerate(order, 1)} for order in orders]
    line = {one.name for one in front(point(cell.row) for cell in cells)}
    for one in shown:
        name = point(one.row).name
        yield Ranked(
            f"{file}/{one.row['device']}",
            naming.variant(one.row["variant"]),
            naming.devices.label(one.row["device"]),
            name in line,
            f"{one.speed.value:.3f}",
            f"{one.quality.value:.3f}",
            Box(f"{one.at(share):.1f}", words.interval(one.ends(share), places=1)),
            tuple(by_name[name] for by_name in places),
        )


def _leads(cells: Sequence[Parts], naming: Naming) -> str:
    """The first at each weight, in a sentence."""
    several = len({one.row["device"] for one in cells}) > 1

    def name(one: Parts) -> str:
        at = f" on {naming.devices.label(one.row['device'])}" if several else ""
        return naming.variant(one.row["variant"]) + at

    found = leads(cells)
    if len(found) == 1:
        weights = f"from {ratio(SHARES[0])} to {ratio(SHARES[-1])}"
        return f"{name(found[0].first)} is first at every weight {weights}."
    each = [
        f"{name(one.first)} from {ratio(one.low)} to {ratio(one.high)}" for one in found
    ]  # fmt: skip
    return f"The first depends on the weights: {words.join(each)}."
