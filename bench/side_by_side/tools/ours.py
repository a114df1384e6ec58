"""This workflow: `snakemake` for one cell, from its start to the scored cell."""

from __future__ import annotations

from typing import ClassVar

from frontier.results.records import read
from side_by_side.tools import Outcome, Tool, Work
from side_by_side.workspace import DEVICE


class Ours(Tool):
    """The product, with its default engine."""

    name = "ours"
    does = "this workflow: snakemake, plan, measure, score"
    device: ClassVar[str] = DEVICE

    def run(self, work: Work) -> Outcome:
        """Measures and scores the cell from nothing."""
        work.checkout.forget(self.device)
        ran = work.checkout.build(self.device, work.folder / f"{self.name}.log")
        measured, folder = work.checkout.measured(self.device)
        records = read(folder / "requests.jsonl")
        arrivals = {one.id: one.arrivals for one in records}
        ttft = [one[0].ns / 1e9 for one in arrivals.values()]
        tpot = [
            (one[-1].ns - one[0].ns) / 1e9 / (len(one) - 1)
            for one in arrivals.values()
            if len(one) > 1
        ]
        return Outcome(
            ran,
            ttft,
            tpot,
            sum(one.end_ns for one in records) / 1e9,
            {one.id: one.text for one in records},
            measured.memory.host_peak_bytes if measured.memory else None,
        )
