"""The time that cells in the scenario `server` take, which is much longer than others'."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from frontier.planning import estimates
from frontier.planning.cells import Cell
from frontier.planning.measure_steps import MeasureSteps

SERVER = "server"


def lines(steps: MeasureSteps, cells: Iterable[Cell]) -> Iterator[str]:
    """A line with the most minutes of such a cell, if one is to be measured."""
    found = [cell for cell in cells if cell.scenario == SERVER]
    if found:
        longest = max(_minutes(steps, cell) for cell in found)
        cells_are = "1 cell is" if len(found) == 1 else f"{len(found)} cells are"
        yield (
            f"under load: {cells_are} measured at several rates of arrivals (scenario {SERVER}), "
            f"which takes at most about {longest} minutes each; `rates` of a task shorten it"
        )


def _minutes(steps: MeasureSteps, cell: Cell) -> int:
    placement, draft = (
        steps.placement(cell.model, cell.quantization, cell.device),
        steps.draft(cell),
    )
    task, its = steps.catalogue.tasks[cell.task], draft and draft[1]
    return estimates.minutes(placement, task, steps.scenario(cell), 1, its)
