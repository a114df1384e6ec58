"""Cells whose server may answer prompts from its prefix cache, so that their times are marked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from frontier import words
from frontier.planning.cells import Cell
from frontier.planning.measure_steps import MeasureSteps

ALONE = "where prompts may have a beginning in common (prefix_cache)"
MEANS = {
    "server": "whose rates repeat prompts: times of cached prompts (server_prompts)",
    "offline": "which is asked in one pass: a throughput without an interval (prefix_cache)",
}
"""The effect of a prefix cache in a scenario, and the column with the mark."""


def lines(steps: MeasureSteps, cells: Iterable[Cell]) -> Iterator[str]:
    """A line for each scenario with cells that are to be measured on such a server."""
    found: dict[str, dict[str, None]] = {}
    for cell in cells:
        device = steps.catalogue.devices[cell.device]
        if steps.catalogue.engines[device.engine].prefix_cache(device.prefix_cache) is not False:
            found.setdefault(cell.scenario, {})[cell.device] = None
    for scenario, devices in found.items():
        yield (
            f"prefix cache: {words.join(list(devices))} {'has' if len(devices) == 1 else 'have'} "
            f"one, or may have; scenario {scenario}, {MEANS.get(scenario, ALONE)}"
        )
