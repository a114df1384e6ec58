"""The steps of judges: the requests about a cell's answers, and the judge's measurement of them.

Nothing here runs a job or imports an engine.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from frontier.catalogue.entries import Catalogue
from frontier.catalogue.ids import SINGLE_STREAM
from frontier.catalogue.question import Config
from frontier.errors import UserError
from frontier.planning import cells
from frontier.planning.cells import Cell, HostMemory
from frontier.planning.measure_steps import MeasureSteps
from frontier.planning.step import Known, Measuring, Step, step
from frontier.results import layout
from frontier.results.layout import Place
from frontier.scorers.judge import Judge
from frontier.specs.judge import AsksFor, JudgeSpec
from frontier.specs.measure import MeasuredTask

REQUEST = "{request}"
"""The judge's prompt: a row's only field (judge_requests.py)."""


@dataclass(frozen=True)
class Judging:
    """A cell's judge: the cells whose answers it sees, the requests, and their measurement."""

    judge: Cell
    others: dict[str, Cell]
    asks: Step
    measure: Measuring

    @property
    def asked(self) -> Path:
        """The requests to the judge."""
        return layout.judged(self.judge.task, self.asks.identity)

    @property
    def measurement(self) -> Path:
        """The measurement of the judge."""
        return self.judge.place.judging(self.measure.identity)


class JudgeSteps(MeasureSteps):
    """The judgements of a catalogue and a study; each is computed once, on demand."""

    def __init__(self, catalogue: Catalogue, config: Config, host_memory: HostMemory) -> None:
        """Nothing is computed or read yet."""
        super().__init__(catalogue, config, host_memory)
        self.judging = cache(self._judging)

    def _judging(self, cell: Cell) -> Judging | None:
        """The judge of a cell's answers; None if its task has none, or it is not measured.

        Raises UserError for a judge that cannot run, or a variant that is unknown.
        """
        scorer = self.catalogue.scorers[cell.task]
        if not isinstance(scorer, Judge) or not cell.planned:
            return None
        where = f"config/tasks.yaml: tasks.{cell.task}.scorer"
        try:
            judge = self.cell_at(Place(scorer.judge, scorer.device, cell.task))
            template = scorer.asks()
            others = {
                name: self.cell_at(replace(cell.place, variant=name))
                for name in scorer.against
                if name != cell.variant
            }
        except (UserError, ValueError) as error:
            raise UserError(f"{where}: {error}") from None
        if not judge.planned:
            raise UserError(f"{where}: the judge {judge.name} is {judge.outcome}: {judge.reason}")
        others = {name: one for name, one in others.items() if one.planned}
        system = scorer.system or template.system
        spec = JudgeSpec(
            template=AsksFor(form=template.form, text=template.text),
            prompt=self.catalogue.tasks[cell.task].prompt,
            question=scorer.question,
            baseline=scorer.baseline,
        )
        inputs: dict[str, Known] = {
            "sample": self.sample(cell.task),
            "measurement": self.measure(cell),
        }
        inputs |= {f"against {name}": self.measure(one) for name, one in others.items()}
        asks = step("judge_requests", spec, inputs)
        task = MeasuredTask(
            prompt=REQUEST, max_new_tokens=scorer.max_new_tokens, stop=(), system=system
        )
        keys = task.model_dump(mode="json", exclude_none=True, exclude_defaults=True)
        return Judging(judge, others, asks, self.measuring(judge, keys, task, asks))

    def judged_cell(self, task: str, identity: str) -> tuple[Cell, Judging]:
        """The cell for whose judging a step has this identity, and the judging.

        Raises UserError if there is none: the catalogue, the code or packages have changed.
        """
        studied = [cell for cell in self.cells if cell.task == task]
        for cell in (*studied, *self._others(task)):
            found = self.judging(cell)
            if found and identity in (found.asks.identity, found.measure.identity):
                return cell, found
        raise UserError(
            f"{task}/{identity}: nothing judges it: mistyped, or from an earlier catalogue"
        )

    def _others(self, task: str) -> list[Cell]:
        """The task's cells that the catalogue allows, for those that no study selects."""
        return [
            self.cell_at(Place(variant, device, task, SINGLE_STREAM))
            for device in self.catalogue.devices
            for variant, (model, quantization) in cells.variants(self.catalogue).items()
            if self.placement(model, quantization, device).runs
        ]
