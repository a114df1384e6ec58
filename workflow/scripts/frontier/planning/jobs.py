"""The jobs of a study: their rules, outputs and inputs.

The rules take their inputs from here, and frontier/planning/pending.py the jobs that would run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from frontier.fetching import environments
from frontier.planning import cells
from frontier.planning.cells import Cell
from frontier.planning.judge_steps import Judging
from frontier.planning.step import Step, environment_step
from frontier.planning.steps import Steps
from frontier.results import layout


@dataclass(frozen=True, eq=False)
class Job:
    """A rule applied to names, with the file that shows that it is done, and its inputs.

    `names`: the wildcards of the rule, without the identity.
    """

    rule: str
    names: Mapping[str, str]
    step: Step
    output: Path
    reads: Mapping[str, Job] = field(default_factory=dict)
    cell: str | None = None

    @property
    def about(self) -> str:
        """The name of its result: a model, a task, a cell."""
        return self.cell or "/".join(self.names.values())


class Jobs:
    """All jobs below the tables; each is computed once, on demand."""

    def __init__(self, steps: Steps) -> None:
        """Computes nothing yet."""
        self.steps = steps
        self.dataset = cache(self._dataset)
        self.sample = cache(self._sample)
        self.model = cache(self._model)
        self.published = cache(self._published)
        self.environment = cache(self._environment)
        self.adapters = cache(self._adapters)
        self.calibration = cache(self._calibration)
        self.checkpoint = cache(self._checkpoint)
        self.measure = cache(self._measure)

    def _environment(self, name: str) -> Job:
        return Job("environment", {"name": name}, environment_step(name), environments.lock(name))

    def _environments(self, name: str | None) -> dict[str, Job]:
        return {"environment": self.environment(name)} if name else {}

    def _dataset(self, name: str) -> Job:
        step, generator = self.steps.dataset(name), self.steps.source(name).source.generator
        own = self._environments(generator if generator in environments.names() else None)
        output = layout.dataset(name, step.identity)
        return Job("fetch_dataset", {"dataset": name}, step, output, own)

    def _sample(self, task: str) -> Job:
        step = self.steps.sample(task)
        reads = {"dataset": self.dataset(self.steps.catalogue.tasks[task].dataset)}
        if other := self.steps.shots_dataset(task):
            reads["shots"] = self.dataset(other)
        output = layout.sample(task, step.identity)
        return Job("sample", {"task": task}, step, output, reads)

    def _model(self, model: str) -> Job:
        adapter, published = self.adapter_files(model), self.published(model)
        if adapter is None or self.steps.adapter(model):
            return published
        step = self.steps.model(model)
        reads, output = (
            {"model": published, "adapter": adapter},
            layout.model(model, step.identity, merged=True),
        )
        return Job("merge_adapter", {"model": model}, step, output, reads)

    def _published(self, model: str) -> Job:
        """The job for the checkpoint without an adapter, which models with adapters share."""
        step, name = self.steps.published(model), self.steps.grown_as(model)
        rule = "grow_model" if self.steps.catalogue.models[model].grow else "fetch_model"
        return Job(rule, {"model": name}, step, layout.model(name, step.identity))

    def _adapters(self, model: str) -> dict[str, Job]:
        """The job for the adapter that is applied while loading, if there is one."""
        job = self.adapter_files(model) if self.steps.adapter(model) else None
        return {"adapter": job} if job else {}

    def adapter_files(self, model: str) -> Job | None:
        """The job for an adapter's files, which models with the same grown one share."""
        step, adapter = self.steps.adapter_files(model), self.steps.catalogue.models[model].adapter
        if step is None or adapter is None:
            return None
        if not adapter.grow:
            output = layout.adapter(model, step.identity)
            return Job("fetch_adapter", {"model": model}, step, output)
        name, reads = self.steps.adapted_as(model), {"model": self.published(model)}
        return Job(
            "grow_adapter", {"model": name}, step, layout.adapter(name, step.identity), reads
        )

    def _calibration(self, name: str) -> Job:
        step, tasks = self.steps.calibration(name), self.steps.catalogue.calibrations[name].tasks
        reads = {task: self.dataset(self.steps.catalogue.tasks[task].dataset) for task in tasks}
        output = layout.calibration(name, step.identity)
        return Job("calibrate", {"calibration": name}, step, output, reads)

    def quantized(self, variant: str, engine: str) -> Job | None:
        """The job for the checkpoint that an engine loads; None if that is the model's own.

        Engines for which the same is produced in the same format share one job.
        """
        step, format = self.steps.quantized(variant, engine), self.steps.format(variant, engine)
        return self.checkpoint(variant, format, step.identity) if step and format else None

    def _checkpoint(self, variant: str, format: str, identity: str) -> Job:
        prepared, step = self.steps.produced(variant, format, identity)
        model = cells.parts(self.steps.catalogue, variant).model
        reads = {"model": self.model(model), **self._environments(prepared.environment)}
        if prepared.calibration:
            reads["texts"] = self.calibration(prepared.calibration)
        output = layout.quantized(variant, format, identity)
        return Job("quantize_model", {"variant": variant, "format": format}, step, output, reads)

    def _measure(self, cell: Cell) -> Job:
        reads = self._asking(cell, self.sample(cell.task))
        output = self.steps.measurement(cell)
        return Job("measure", _names(cell), self.steps.measure(cell), output, reads, cell.name)

    def judge_requests(self, cell: Cell) -> Job:
        """The job that writes the requests to a cell's judge, which the cell must have."""
        judging = self._judging(cell)
        reads = {"sample": self.sample(cell.task), "measurement": self.measure(cell)}
        reads |= {
            f"against_{at}": self.measure(one) for at, one in enumerate(judging.others.values())
        }
        if judging.reads_dataset:
            reads["templates"] = self.dataset(self.steps.catalogue.tasks[cell.task].dataset)
        return Job(
            "judge_requests", {"task": cell.task}, judging.asks, judging.asked, reads, cell.name
        )

    def judge(self, cell: Cell) -> Job:
        """The job that asks a cell's judge, which the cell must have."""
        judging = self._judging(cell)
        reads = self._asking(judging.judge, self.judge_requests(cell))
        names = _names(judging.judge)
        return Job("judge", names, judging.measure, judging.measurement, reads, cell.name)

    def _judging(self, cell: Cell) -> Judging:
        judging = self.steps.judging(cell)
        if judging is None:
            raise ValueError(f"{cell.name} has no judge")
        return judging

    def _asking(self, cell: Cell, sample: Job) -> dict[str, Job]:
        """The jobs of which asking a cell's variant for a sample reads the files."""
        engine = self.steps.catalogue.devices[cell.device].engine
        placement = self.steps.placement(cell.model, cell.quantization, cell.device)
        reads = {"sample": sample, **self._environments(placement.environment)}
        if placement.served is None:
            checkpoint = self.quantized(cell.base, engine) or self.model(cell.model)
            reads = {"model": checkpoint, **reads, **self.adapters(cell.model)}
            if draft := self.steps.draft(cell):
                reads["draft"] = self.quantized(draft[0], engine) or self.model(draft[0])
        return reads

    def score(self, cell: Cell) -> Job:
        """The scoring of a cell; without inputs for a cell that is left out."""
        reads = (
            {"measurement": self.measure(cell), "sample": self.sample(cell.task)}
            if cell.planned
            else {}
        )
        if self.steps.judging(cell):
            reads |= {"judging": self.judge(cell), "asked": self.judge_requests(cell)}
        step, output = self.steps.score(cell), cell.place.summary
        return Job("score", _names(cell), step, output, reads, cell.name)


def _names(cell: Cell) -> dict[str, str]:
    return {name: getattr(cell.place, name) for name in ("variant", "device", "task", "scenario")}
