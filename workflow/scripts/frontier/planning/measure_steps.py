"""The steps of measurements: a study's cells, and the specification and identity of each.

Nothing here runs a job or imports an engine.
"""

from __future__ import annotations

from functools import cache, cached_property
from pathlib import Path

from pydantic import JsonValue

from frontier import scenarios
from frontier.catalogue.entries import Catalogue
from frontier.catalogue.question import Config
from frontier.engines import ENGINES
from frontier.errors import UserError
from frontier.identity.code import code
from frontier.meters import METERS
from frontier.planning import cells as plan
from frontier.planning import prices
from frontier.planning.cells import Cell, HostMemory, Parts
from frontier.planning.drafting import draft_of
from frontier.planning.input_steps import InputSteps
from frontier.planning.placement import Placement, placed
from frontier.planning.step import Known, Measuring, Step, step
from frontier.quantizers import block_of
from frontier.results.layout import Place
from frontier.scenarios import Scenario
from frontier.specs.measure import (
    Costs,
    MeasuredDevice,
    MeasuredModel,
    MeasuredTask,
    MeasureSpec,
)
from frontier.techniques import identity_of

ASKED = ("prompt", "system")
"""The keys of a model that decide how an endpoint is asked for it."""


class MeasureSteps(InputSteps):
    """The measurements of a catalogue and a study; each is computed once, on demand."""

    def __init__(self, catalogue: Catalogue, config: Config, host_memory: HostMemory) -> None:
        """Nothing is computed or read yet."""
        super().__init__(catalogue, config)
        self.host_memory = memory = cache(host_memory)
        self.cell_at = cache(lambda place: plan.cell(catalogue, place, memory))
        self.placement = cache(
            lambda model, quantization, device, techniques=(): placed(
                catalogue, model, quantization, device, techniques
            )
        )
        self.measure = cache(self._measure)
        # Blocks of specifications, which thousands of cells share.
        self._model_keys = cache(
            lambda *names: MeasuredModel.model_validate(self._model_slice(*names))
        )
        self._device_keys = cache(
            lambda name: MeasuredDevice.model_validate(self.slice("devices", name, "measure"))
        )
        self._task_keys = cache(
            lambda name: MeasuredTask.model_validate(self.slice("tasks", name, "measure"))
        )

    def _model_slice(
        self, model: str, published: str | None, served: str | None
    ) -> dict[str, JsonValue]:
        """The keys of a model that decide its measurement at an endpoint (`served`), or here."""
        keys = self.slice("models", model, "measure")
        if served is not None:
            return {"served": served, **{name: keys[name] for name in ASKED if name in keys}}
        return keys if published is None else {**keys, "published": published}

    def _measure(self, cell: Cell) -> Measuring:
        keys, task = self.slice("tasks", cell.task, "measure"), self._task_keys(cell.task)
        return self.measuring(cell, keys, task, self.sample(cell.task))

    def measuring(
        self, cell: Cell, keys: dict[str, JsonValue], task: MeasuredTask, sample: Step
    ) -> Measuring:
        """The step that asks a variant for a sample by a task, whose `keys` are in identities."""
        device = self.catalogue.devices[cell.device]
        engine = self.catalogue.engines[device.engine]
        placement = self.placement(cell.model, cell.quantization, cell.device, cell.techniques)
        published = placement.published.method if placement.published else None
        names = cell.model, published, placement.served
        identity_spec: dict[str, JsonValue] = {
            "model": self._model_slice(*names),
            "quantization": block_of(placement.quantizer),
            "device": self.slice("devices", cell.device, "measure"),
            "engine": {"kind": engine.kind, **self.slice("engines", device.engine, "measure")},
            "dtype": placement.dtype,
            "task": {**keys, **self.scenario_keys(cell)},
            "scenario": cell.scenario,
        }
        if placement.techniques:
            identity_spec["techniques"] = [identity_of(one) for one in placement.techniques]
        quantizers = {type(placement.quantizer).__module__, placement.loader.__module__}
        ways = {type(one).__module__ for one in placement.techniques}
        plugins = (
            ENGINES.module(engine.kind),
            scenarios.module_of(cell.scenario),
            *sorted(quantizers | ways),
            *map(METERS.module, METERS.names()),
        )
        spec = MeasureSpec(
            cell=cell.key,
            memory_bytes=plan.device_bytes(device, self.host_memory),
            environment=placement.environment,
            max_background_cores=device.max_background_cores,
            max_drift=device.max_drift,
            max_slowed=device.max_slowed,
            attempts=device.attempts,
            model=self._model_keys(*names),
            quantization=placement.quantizer,
            device=self._device_keys(cell.device),
            engine=engine,
            engine_id=device.engine,
            dtype=placement.dtype,
            task=task,
            references=code("measure", *plugins).references,
        )
        if own := self.scenario_keys(cell):
            spec = spec.model_copy(update={"scenario_keys": own})
        if placement.techniques:
            spec = spec.model_copy(update={"techniques": placement.techniques})
        if paid := self._costs(cell, placement):
            spec = spec.model_copy(update={"costs": paid})
        inputs: dict[str, Known] = {"sample": sample}
        fetched = {}
        if placement.served is None:
            prepared = self.quantized(cell.base, device.engine)
            inputs["weights"] = prepared or self.weights(cell.model)
            inputs["adapter"] = self.adapter(cell.model)
            fetched["model"] = self.model(cell.model)
            if draft := self.draft(cell):
                name, _ = draft
                inputs["draft"] = self.quantized(name, device.engine) or self.weights(name)
                fetched["draft"] = self.model(name)
        base = step(
            "measure",
            spec,
            inputs,
            *plugins,
            identity_spec=identity_spec,
            environment=placement.environment,
            fetched=fetched,
        )
        return Measuring(**vars(base))

    def scenario_keys(self, cell: Cell) -> dict[str, JsonValue]:
        """The keys of a cell's task that decide its measurement in the cell's scenario alone."""
        keys, wanted = self.slice("tasks", cell.task, "load"), scenarios.keys_of(cell.scenario)
        return {name: one for name, one in keys.items() if name in wanted}

    def scenario(self, cell: Cell) -> Scenario:
        """The scenario of a cell, with its task's keys."""
        return scenarios.load(cell.scenario, self.scenario_keys(cell))

    def draft(self, cell: Cell) -> tuple[str, Placement] | None:
        """The id and the placement of the second model that a cell's techniques load, if any."""
        names = cell.model, cell.quantization, cell.device, cell.techniques
        return draft_of(self.placement(*names), self.catalogue)

    def measurement(self, cell: Cell) -> Path:
        """The path of a planned cell's measurement."""
        return cell.place.measurement(self.measure(cell).identity)

    def _costs(self, cell: Cell, placement: Placement) -> Costs | None:
        """The prices and limits of a cell at a paid endpoint; None at any other place."""
        most = self.config.study.max_cost
        others = (one for one in self.cells if one != cell) if most else ()
        folders = (str(one.place.folder) for one in others if self.paid(one))
        return prices.costs_of(placement, most, folders)

    def paid(self, cell: Cell) -> bool:
        """True if the requests of a cell cost money."""
        placement = self.placement(cell.model, cell.quantization, cell.device)
        return cell.planned and prices.is_paid(placement)

    @cached_property
    def cells(self) -> list[Cell]:
        """The study's cells, for the pairs of quantization and device that an engine supports.

        Those of the reference come last, on all devices that run it. Raises UserError if the
        reference is unknown.
        """
        study = self.config.study
        wanted = [
            (Parts(model, quantization, techniques), device)
            for part in study.products
            for model in part.models
            for quantization in part.quantizations
            for techniques in study.combinations(part.techniques)
            for device in part.devices
        ]
        if self.reference:
            wanted += [(self.reference, device) for device in study.ids("devices")]
        places = dict.fromkeys(
            Place(plan.variant_id(model, quantization, techniques), device, task, scenario)
            for (model, quantization, techniques), device in wanted
            if self.placement(model, quantization, device).runs
            for task in study.tasks
            for scenario in study.scenarios
        )
        return [self.cell_at(place) for place in places]

    @cached_property
    def reference(self) -> Parts | None:
        """The parts of the study's reference, if it has one."""
        variant = self.config.study.reference
        try:
            return plan.parts(self.catalogue, variant) if variant else None
        except UserError as error:
            raise UserError(f"study.reference: {error}") from None
