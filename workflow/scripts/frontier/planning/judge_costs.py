"""Estimates of what judges cost: requests, tokens and money, before any is sent."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from frontier.errors import UserError
from frontier.judging import pairs
from frontier.judging.asking import CHECKS
from frontier.judging.templates import OWN, own
from frontier.planning import costs
from frontier.planning.cells import Cell
from frontier.planning.costs import Estimate
from frontier.planning.judge_steps import JudgeSteps, Judging
from frontier.planning.prices import is_priced, token_prices
from frontier.prices import cost
from frontier.scorers.judge import Judge


def estimate(steps: JudgeSteps, cell: Cell, judging: Judging, scorer: Judge) -> Estimate:
    """The requests, tokens and money of judging a cell's answers, at most.

    Both orders of each pair, and the judge's check; equal answers, and what was asked before, cost
    nothing. An answer counts at its task's limit of tokens.
    """
    task = steps.catalogue.tasks[cell.task]
    placement = steps.placement(judging.judge.model, judging.judge.quantization, scorer.device)
    rows = task.sample.size
    compared = len(judging.others) + bool(scorer.baseline)
    own = task.requests if scorer.form == "rating" else 2 * task.requests * compared
    checks = min(rows, CHECKS) if judging.check is None else len(pairs.read(judging.check))
    calls = own + 2 * checks + placement.device.warmup.maximum
    shown = 1 if scorer.form == "rating" else 2
    prompt = costs.prompt_tokens(steps, cell, Path()) + shown * task.new_tokens
    prompt += costs.tokens_of("".join(_texts(scorer)))
    tokens, new = round(calls * prompt), calls * (1 if judging.chooses else scorer.max_new_tokens)
    prices = token_prices(placement)
    return Estimate(calls, tokens, new, cost(prices, tokens, new) if prices else 0.0)


def _texts(scorer: Judge) -> tuple[str, str]:
    """The longest template and its system message; ours if the dataset has them."""
    found = scorer.asks() if scorer.template or scorer.form in OWN else own("pair")
    return scorer.system or found.system or "", found.text


def lines(steps: JudgeSteps, cells: Iterable[Cell]) -> Iterator[str]:
    """A line for each cell that is to be judged. Raises UserError for a limit that cannot hold."""
    for cell in cells:
        judging, scorer = steps.judging(cell), steps.catalogue.scorers[cell.task]
        if judging is None or not isinstance(scorer, Judge):
            continue
        judge = judging.judge
        if steps.paid(judge) and steps.config.study.max_cost is not None:
            raise UserError(
                f"study.max_cost: does not count the requests to a judge, {judge.name}: leave it "
                f"out and set devices.{judge.device}.max_cost"
            )
        found = estimate(steps, cell, judging, scorer)
        placement = steps.placement(judge.model, judge.quantization, judge.device)
        words = f"at most {found.calls:,} requests"
        if placement.served is not None:
            priced = is_priced(placement)
            words = f"at most {found}" if priced else f"{words}; their cost is not known"
        yield f"judged: {cell.name} by {judge.variant} on {judge.device}: {words}"
