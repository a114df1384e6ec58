"""Estimates of what asking paid endpoints would cost: calls, tokens and money."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import astuple, dataclass
from functools import cache
from pathlib import Path

from frontier.errors import UserError
from frontier.host.budget import HOUR_S, spent_below
from frontier.planning import estimates
from frontier.planning.cells import Cell
from frontier.planning.measure_steps import MeasureSteps
from frontier.planning.placement import PROMPT_TOKENS, Placement
from frontier.planning.prices import is_priced, token_prices
from frontier.prices import cost
from frontier.results import layout
from frontier.specs.measure import MeasuredTask
from frontier.values import read_lines
from frontier.words import significant

LETTERS, FRAME = 3, 8
"""Letters of a token, rather few, in scripts of one or two bytes; tokens of a chat's frame."""
HOW = (
    f"tokens of a prompt are estimated: {FRAME}, and one for {LETTERS} letters or for one "
    f"character of a script like Chinese; {PROMPT_TOKENS:,} where a sample is not drawn yet; "
    "answers count at their limit"
)


@dataclass(frozen=True)
class Estimate:
    """The number and price of a cell's requests, at most if prompts are as long as estimated."""

    calls: int
    """Warm-up included."""
    prompt_tokens: int
    new_tokens: int
    money: float

    def __add__(self, other: Estimate) -> Estimate:
        """The sum of two."""
        pairs = zip(astuple(self), astuple(other), strict=True)
        return Estimate(*(one + another for one, another in pairs))

    def __str__(self) -> str:
        """The figures as a line has them."""
        return (
            f"{self.calls:,} calls, about {self.prompt_tokens:,} tokens in, at most "
            f"{self.new_tokens:,} out, at most about {significant(self.money)}"
        )


def estimate(steps: MeasureSteps, cell: Cell, root: Path) -> Estimate:
    """The calls, tokens and money of measuring a cell at a paid endpoint, from the beginning."""
    placement = _placement(steps, cell)
    task, scenario = steps.catalogue.tasks[cell.task], steps.scenario(cell)
    timed = scenario.calls(task.requests, paid=True)
    calls = timed + placement.device.warmup.maximum
    prompt = prompt_tokens(steps, cell, root)
    tokens, new = round(calls * prompt), calls * (task.new_tokens or 1)  # a choice is read from one
    if prices := token_prices(placement):
        return Estimate(calls, tokens, new, cost(prices, tokens, new))
    hours = estimates.seconds(placement, task, scenario, paid=True) / HOUR_S
    return Estimate(calls, tokens, new, hours * (placement.device.price_per_hour or 0))


def prompt_tokens(steps: MeasureSteps, cell: Cell, root: Path) -> float:
    """The tokens of a cell's prompts on average, estimated."""
    task, system = steps.catalogue.tasks[cell.task], _placement(steps, cell).model.system
    sample = root / layout.sample(cell.task, steps.sample(cell.task).identity)
    try:
        return _prompt_tokens(sample, json.dumps(task.slice("measure")), system)
    except UserError:  # it is not drawn yet
        return PROMPT_TOKENS * (1 + (task.shots.count if task.shots else 0))


@cache
def _prompt_tokens(sample: Path, task: str, system: str | None) -> float:
    """The tokens of a prompt on average, estimated. Raises UserError if no sample is drawn.

    `task`: its keys that decide requests, as JSON.
    """
    asked = MeasuredTask.model_validate_json(task)
    before = asked.system or system or ""
    rows = [one for one in asked.questions(read_lines(sample)).values() if not one.sample]
    texts = [[before + one.texts[0], *one.texts[1:]] for one in rows]
    earlier = sum(len(one.follows) for one in rows) * asked.max_new_tokens
    return (sum(tokens_of(text) for one in texts for text in one) + earlier) / max(1, len(texts))


def tokens_of(text: str) -> float:
    """Roughly the tokens of a prompt."""
    short = sum(ord(letter) < 0x800 for letter in text)
    return FRAME + short / LETTERS + len(text) - short


def lines(steps: MeasureSteps, cells: Iterable[Cell], root: Path = Path()) -> Iterator[str]:
    """A line for each cell to be measured at an endpoint, and one for all that are paid for."""
    asked = [cell for cell in cells if _placement(steps, cell).served is not None]
    found = {cell: estimate(steps, cell, root) for cell in asked}
    paid = {cell: one for cell, one in found.items() if steps.paid(cell)}
    for cell, one in found.items():
        if cell in paid:
            most = steps.catalogue.devices[cell.device].max_cost
            yield f"paid: {cell.name}: {one}{_against(most, 0, one, 'of its device')}"
        elif not is_priced(_placement(steps, cell)):
            yield f"not priced: {cell.name}: {one.calls:,} calls; their cost is not known"
    if paid:
        whole = sum(paid.values(), Estimate(0, 0, 0, 0.0))
        most = steps.config.study.max_cost
        own = (cell for cell in steps.cells if steps.paid(cell))
        spent = sum(spent_below(root / cell.place.folder) for cell in own)
        yield f"paid in all: {whole}{_against(most, spent, whole, 'of the study')}; {HOW}"


def refuse(steps: MeasureSteps, cells: Iterable[Cell]) -> None:
    """Raises UserError if a limit of the money cannot be enforced for a cell to be measured."""
    for cell in cells:
        limits = {
            f"devices.{cell.device}.max_cost": steps.catalogue.devices[cell.device].max_cost,
            "study.max_cost": steps.config.study.max_cost,
        }
        priced = is_priced(_placement(steps, cell))
        for key, most in limits.items():
            if most is not None and _placement(steps, cell).served and not priced:
                raise UserError(
                    f"{key}: cannot be enforced for {cell.name}, which has no price: give "
                    f"config/models.yaml: models.{cell.model} a price_per_million_tokens (0 if it "
                    "is free)"
                )


def _placement(steps: MeasureSteps, cell: Cell) -> Placement:
    return steps.placement(cell.model, cell.quantization, cell.device)


def _against(most: float | None, spent: float, one: Estimate, whose: str) -> str:
    """The words on a limit, and on an estimate above it."""
    if most is None:
        return f", without a max_cost {whose}"
    already = f", of which {significant(spent)} is spent" if spent else ""
    stops = ": it may stop there" if spent + one.money > most else ""
    return f", max_cost {whose} {significant(most)}{already}{stops}"
