"""The steps of judges: the requests about a cell's answers, and the judge's measurement of them.

Nothing here runs a job or imports an engine.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from frontier.catalogue.entries import Catalogue
from frontier.catalogue.ids import SINGLE_STREAM
from frontier.catalogue.question import Config
from frontier.errors import UserError
from frontier.judging import pairs, verdicts
from frontier.judging.sets import Kind
from frontier.judging.templates import Template
from frontier.planning import cells
from frontier.planning.cells import Cell, HostMemory
from frontier.planning.measure_steps import MeasureSteps
from frontier.planning.step import Known, Measuring, Step, step
from frontier.results import layout
from frontier.results.layout import Place
from frontier.scorers.judge import Judge
from frontier.specs.judge import AsksFor, JudgeSpec
from frontier.specs.measure import MeasuredTask
from frontier.values import sha256

VERDICTS = (verdicts.FIRST, verdicts.SECOND)
PLAIN_TASK = dict.fromkeys(("follow_ups", "samples", "shots", "answer_begins", "system"))
"""The keys of a task that decide nothing about its judge."""
REQUEST = "{request}"
"""The judge's prompt: a row's only field (judge_requests.py)."""


@dataclass(frozen=True)
class Judging:
    """A cell's judge: the cells whose answers it sees, the requests, and their measurement."""

    judge: Cell
    others: dict[str, Cell]
    asks: Step
    measure: Measuring
    reads_dataset: bool = False
    """Whether the templates are in the task's dataset."""
    check: Path | None = None
    """The table of pairs whose better answer is known."""
    chooses: bool = False
    """Whether the judge is asked for likelihoods of its verdicts, and writes nothing."""

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
        super().__init__(_judged_by(catalogue, config), config, host_memory)
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
            judge = self._judge(scorer, cell.task)
            templates = scorer.templates(self.catalogue.tasks[cell.task].turns)
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
        chosen = self._chooses(scorer, judge)
        spec = self._asks(cell.task, scorer, templates, judge, chosen=chosen)
        inputs: dict[str, Known] = {
            "sample": self.sample(cell.task),
            "measurement": self.measure(cell),
        }
        inputs |= {f"against {name}": self.measure(one) for name, one in others.items()}
        if scorer.dataset_template:
            inputs["templates"] = self.dataset(self.catalogue.tasks[cell.task].dataset)
        asks = step("judge_requests", spec, inputs)
        limits: dict[str, Any] = {"max_new_tokens": scorer.max_new_tokens}
        task = MeasuredTask(prompt=REQUEST, **({"choices": VERDICTS} if chosen else limits))
        keys = task.model_dump(mode="json", exclude_none=True, exclude_defaults=True)
        measure = self.measuring(judge, keys, task, asks)
        in_dataset = scorer.dataset_template is not None
        return Judging(judge, others, asks, measure, in_dataset, scorer.check(), chosen)

    def _judge(self, scorer: Judge, task: str) -> Cell:
        """The cell of a task's judge, which is asked for texts or likelihoods and not in turns."""
        own = self.catalogue.tasks[task].model_copy(update=PLAIN_TASK)
        tasks = {**self.catalogue.tasks, task: own}
        catalogue = self.catalogue.model_copy(update={"tasks": tasks})
        return cells.cell(catalogue, Place(scorer.judge, scorer.device, task), self.host_memory)

    def _chooses(self, scorer: Judge, judge: Cell) -> bool:
        """Whether the judge gives the probabilities of AlpacaEval's identifiers."""
        engine = self.catalogue.engines[self.catalogue.devices[judge.device].engine]
        return scorer.form == "identifier" and "choose" in engine.asks

    def _asks(
        self, task: str, scorer: Judge, templates: Mapping[Kind, Template], judge: Cell,
        *, chosen: bool,
    ) -> JudgeSpec:  # fmt: skip
        """The specification of the requests to a task's judge."""
        block = self.catalogue.tasks[task]
        texts = {
            kind: AsksFor(form=one.form, text=one.text, system=one.system)
            for kind, one in templates.items()
        }
        return JudgeSpec(
            form=scorer.form,
            templates=texts,
            file=scorer.dataset_template,
            names=scorer.names() if scorer.dataset_template else {},
            system=scorer.system,
            chat=self.catalogue.models[judge.model].prompt == "chat",
            prompts=(block.prompt, *(block.follow_ups or ())),
            samples=block.samples.count if block.samples else 1,
            question=scorer.question,
            references=scorer.references,
            baseline=scorer.baseline,
            choices=chosen,
            check_sha256=_digest(scorer.check()),
        )

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


def _digest(file: Path | None) -> str | None:
    """The digest of a file of pairs that can be read. Raises UserError as `pairs.read` does."""
    if file is None:
        return None
    pairs.read(file)
    return sha256(file)


def _judged_by(catalogue: Catalogue, config: Config) -> Catalogue:
    """The catalogue with the study's judge for its tasks, if it names one."""
    judge = config.study.judge
    if judge is None:
        return catalogue
    change = {"judge": judge.variant, "device": judge.device}
    scorers = {
        name: one.model_copy(update=change) if isinstance(one, Judge) else one
        for name, one in catalogue.scorers.items()
    }
    return catalogue.model_copy(update={"scorers": scorers})
