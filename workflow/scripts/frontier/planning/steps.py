"""The steps of a study: each job's specification and identity.

A step's specification is its slice of the catalogue, and its identity a digest of that, of its
inputs, of its code and of that code's packages. Nothing here runs a job or imports an engine.
"""

from __future__ import annotations

from functools import cache, cached_property
from pathlib import Path

from pydantic import JsonValue

from frontier import identity, scenarios
from frontier.catalogue.checking import one_of
from frontier.catalogue.entries import Catalogue, Model
from frontier.catalogue.question import Config
from frontier.engines import ENGINES
from frontier.errors import UserError
from frontier.fetching import environments
from frontier.figures import FIGURES
from frontier.gates import GATES
from frontier.identity.code import code
from frontier.planning import cells as plan
from frontier.planning.cells import Cell, HostMemory
from frontier.planning.input_steps import InputSteps
from frontier.planning.placement import placed
from frontier.planning.report_labels import report_labels
from frontier.planning.step import Known, Measuring, Step, step
from frontier.quantizers import block_of
from frontier.results.layout import Place
from frontier.specs.measure import MeasuredDevice, MeasuredModel, MeasuredTask, MeasureSpec
from frontier.specs.score import LeftOutSpec, ScoredDevice, ScoredModel, ScoreSpec

TEMPLATE = identity.SCRIPTS.parents[1] / "resources" / "report"


class Steps(InputSteps):
    """All steps of a catalogue and a study; each is computed once, on demand."""

    def __init__(self, catalogue: Catalogue, config: Config, host_memory: HostMemory) -> None:
        """Nothing is computed or read yet."""
        super().__init__(catalogue, config)
        self.host_memory = memory = cache(host_memory)
        self.cell_at = cache(lambda place: plan.cell(catalogue, place, memory))
        self.placement = cache(
            lambda model, quantization, device: placed(catalogue, model, quantization, device)
        )
        self.measure = cache(self._measure)
        self.score = cache(self._score)
        # Blocks of specifications, which thousands of cells share.
        self._model_keys = cache(self._measured_model)
        self._device_keys = cache(
            lambda name: MeasuredDevice.model_validate(self.slice("devices", name, "measure"))
        )
        self._task_keys = cache(
            lambda name: MeasuredTask.model_validate(self.slice("tasks", name, "measure"))
        )
        self._scored_device = cache(
            lambda name: ScoredDevice.model_validate(self.slice("devices", name, "score"))
        )

    def _measured_model(self, model: str, published: str | None) -> MeasuredModel:
        keys = self.slice("models", model, "measure")
        return MeasuredModel.model_validate(
            keys if published is None else {**keys, "published": published}
        )

    def _measure(self, cell: Cell) -> Measuring:
        device = self.catalogue.devices[cell.device]
        engine = self.catalogue.engines[device.engine]
        placement = self.placement(cell.model, cell.quantization, cell.device)
        prepared = self.quantized(cell.variant, device.engine)
        adapter = self.adapter(cell.model)
        published = placement.published and placement.published.method
        model = self.slice("models", cell.model, "measure")
        identity_spec: dict[str, JsonValue] = {
            "model": {**model, "published": published} if published else model,
            "quantization": block_of(placement.quantizer),
            "device": self.slice("devices", cell.device, "measure"),
            "engine": {"kind": engine.kind, **self.slice("engines", device.engine, "measure")},
            "dtype": placement.dtype,
            "task": self.slice("tasks", cell.task, "measure"),
            "scenario": cell.scenario,
        }
        quantizers = {type(placement.quantizer).__module__, placement.loader.__module__}
        plugins = (
            ENGINES.module(engine.kind),
            scenarios.module_of(cell.scenario),
            *sorted(quantizers),
        )
        spec = MeasureSpec(
            cell=cell.key,
            memory_bytes=plan.device_bytes(device, self.host_memory),
            environment=placement.environment,
            max_background_cores=device.max_background_cores,
            model=self._model_keys(cell.model, published),
            quantization=placement.quantizer,
            device=self._device_keys(cell.device),
            engine=engine,
            engine_id=device.engine,
            dtype=placement.dtype,
            task=self._task_keys(cell.task),
            references=code("measure", *plugins).references,
        )
        inputs: dict[str, Known] = {
            "sample": self.sample(cell.task),
            "weights": prepared or self.weights(cell.model),
            "adapter": adapter,
        }
        base = step(
            "measure",
            spec,
            inputs,
            *plugins,
            identity_spec=identity_spec,
            environment=placement.environment,
            fetched={"model": self.model(cell.model)},
        )
        return Measuring(**vars(base))

    def measurement(self, cell: Cell) -> Path:
        """The path of a planned cell's measurement."""
        return cell.place.measurement(self.measure(cell).identity)

    def _score(self, cell: Cell) -> Step:
        if not cell.planned:
            left_out = LeftOutSpec(cell=cell.key, outcome=cell.outcome, reason=cell.reason)
            return step("score", left_out, {}, *_figures())
        scorer = self.catalogue.scorers[cell.task]
        spec = ScoreSpec(
            cell=cell.key,
            scorer=scorer,
            model=_scored(self.catalogue.models[cell.model]),
            device=self._scored_device(cell.device),
        )
        plugins = type(scorer).__module__, *_gates(), *_figures()
        return step("score", spec, {"measurement": self.measure(cell)}, *plugins)

    @cached_property
    def cells(self) -> list[Cell]:
        """The study's cells, for the pairs of quantization and device that an engine supports."""
        study = self.config.study
        places = dict.fromkeys(
            Place(plan.variant_id(model, quantization), device, task, scenario)
            for part in study.products
            for model in part.models
            for quantization in part.quantizations
            for device in part.devices
            if self.placement(model, quantization, device).runs
            for task in study.tasks
            for scenario in study.scenarios
        )
        return [self.cell_at(place) for place in places]

    def cell(self, variant: str, device: str, task: str) -> Cell:
        """The cell of those ids. Raises UserError with the nearest name for an id unknown."""
        return self.cell_at(Place(variant, device, task))

    def check(self) -> None:
        """Raises UserError if an id of the study has no cell, or a local file is missing."""
        for axis, one in (("quantizations", "quantization"), ("devices", "device")):
            found = {getattr(cell, one) for cell in self.cells}
            for name in self.config.study.ids(axis):
                if name not in found:
                    engines = {
                        self.catalogue.devices[at].engine for at in self.config.study.ids("devices")
                    }
                    raise UserError(
                        f"study.{axis}: {name!r} has no cell: no quantization of the study "
                        f"supports the engine of any of its devices ({', '.join(sorted(engines))})"
                    )
        for name, engine in self.catalogue.engines.items():
            if engine.environment:
                where = f"config/engines.yaml: engines.{name}.environment"
                one_of(engine.environment, environments.names(), where)
        _ = self.aggregate  # computing it reads every file

    @cached_property
    def _cells(self) -> tuple[dict[str, JsonValue], dict[str, Known]]:
        """The study's axes, and a digest of its cells' identities."""
        variants: dict[str, dict[str, None]] = {}
        for cell in self.cells:
            variants.setdefault(cell.device, {})[cell.variant] = None
        axes: dict[str, JsonValue] = {
            "variants": {device: list(names) for device, names in variants.items()},
            "tasks": list(self.config.study.tasks),
            "scenarios": list(self.config.study.scenarios),
        }
        digest = identity.digest([self.score(cell).identity for cell in self.cells])
        return {"study": axes}, {"cells": digest}

    @cached_property
    def aggregate(self) -> Step:
        """The study's table."""
        return step("aggregate", *self._cells, *_figures())

    @cached_property
    def compare(self) -> Step:
        """The comparison of each quantized variant with its native one."""
        return step("compare", *self._cells)

    @cached_property
    def render(self) -> Step:
        """The charts and the report."""
        shown = report_labels(self.catalogue, self.config)
        spec: dict[str, JsonValue] = {"title": self.config.title, **shown, **self.aggregate.spec}
        template = {path.name: path.read_text(encoding="utf-8") for path in TEMPLATE.iterdir()}
        inputs: dict[str, Known] = {
            "study": self.aggregate.identity,
            "comparisons": self.compare.identity,
            "template": identity.digest(template),
        }
        return step("render", spec, inputs, *_figures())


@cache
def _gates() -> tuple[str, ...]:
    """The modules of all gates, which decide whether times are published."""
    return tuple(map(GATES.module, GATES.all()))


@cache
def _figures() -> tuple[str, ...]:
    """The modules of all figures: what a cell, the study and the report have is theirs to say."""
    return tuple(map(FIGURES.module, FIGURES.all()))


def _scored(model: Model) -> ScoredModel:
    """The part of a model that decides a figure."""
    if model.active_parameters is None or model.parameters is None:
        return ScoredModel()
    return ScoredModel(active_share=model.active_parameters / model.parameters)
