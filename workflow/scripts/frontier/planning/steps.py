"""The steps of a study: each job's specification and identity.

A step's specification is its slice of the catalogue, and its identity a digest of that, of its
inputs, of its code and of that code's packages. Nothing here runs a job or imports an engine.
"""

from __future__ import annotations

from functools import cache, cached_property
from itertools import product

from pydantic import JsonValue

from frontier import identity, scenarios
from frontier.catalogue.checking import one_of
from frontier.catalogue.entries import Catalogue
from frontier.catalogue.question import Config, Weights
from frontier.errors import UserError
from frontier.fetching import environments
from frontier.figures import FIGURES
from frontier.gates import GATES
from frontier.planning.cells import Cell, HostMemory
from frontier.planning.judge_steps import JudgeSteps
from frontier.planning.placement import Placement
from frontier.planning.prices import token_prices
from frontier.planning.report_labels import report_labels
from frontier.planning.step import Known, Step, step
from frontier.results.layout import Place
from frontier.specs.score import LeftOutSpec, ScoredDevice, ScoredModel, ScoreSpec

AXES = ("model", "quantization", "device")
"""Those of a study, in the order of a placement."""
TEMPLATE = identity.SCRIPTS.parents[1] / "resources" / "report"


class Steps(JudgeSteps):
    """All steps of a catalogue and a study; each is computed once, on demand."""

    def __init__(self, catalogue: Catalogue, config: Config, host_memory: HostMemory) -> None:
        """Nothing is computed or read yet."""
        super().__init__(catalogue, config, host_memory)
        self.score = cache(self._score)
        self._scored_device = cache(
            lambda name: ScoredDevice.model_validate(self.slice("devices", name, "score"))
        )

    def _score(self, cell: Cell) -> Step:
        if not cell.planned:
            left_out = LeftOutSpec(cell=cell.key, outcome=cell.outcome, reason=cell.reason)
            return step("score", left_out, {}, *_figures())
        scorer = self.catalogue.scorers[cell.task]
        spec = ScoreSpec(
            cell=cell.key,
            scorer=scorer,
            model=_scored(self.placement(cell.model, cell.quantization, cell.device)),
            device=self._scored_device(cell.device),
        )
        engine = self.catalogue.engines[self.catalogue.devices[cell.device].engine]
        if share := engine.slice("score").get("max_failed"):
            spec = spec.model_copy(update={"max_failed": share})
        scenario = scenarios.module_of(cell.scenario)
        plugins = type(scorer).__module__, scenario, *_gates(), *_figures()
        inputs: dict[str, Known] = {"measurement": self.measure(cell)}
        if judging := self.judging(cell):
            inputs["judged"] = judging.measure
        return step("score", spec, inputs, *plugins)

    def cell(self, variant: str, device: str, task: str) -> Cell:
        """The cell of those ids. Raises UserError with the nearest name for an id unknown."""
        return self.cell_at(Place(variant, device, task))

    def check(self) -> None:
        """Raises UserError if an id of the study has no cell, or a local file is missing."""
        study = self.config.study
        engines = sorted({self.catalogue.devices[at].engine for at in study.ids("devices")})
        by = f"the engine of any of its devices ({', '.join(engines)})"
        if study.reference and study.reference not in {cell.variant for cell in self.cells}:
            raise UserError(
                f"study.reference: {study.reference!r} has no cell: it does not run on {by}"
            )
        for axis, one in (
            ("quantizations", "quantization"), ("devices", "device"), ("models", "model"),
        ):  # fmt: skip
            found = {getattr(cell, one) for cell in self.cells}
            for name in study.ids(axis):
                if name not in found:
                    why = f"no quantization of the study supports {by}"
                    if axis == "models":
                        why = f"it does not run in any of its quantizations on {by}"
                    raise UserError(
                        f"study.{axis}: {name!r} has no cell: {why}{self._example(one, name)}"
                    )
        for name, engine in self.catalogue.engines.items():
            if engine.environment:
                where = f"config/engines.yaml: engines.{name}.environment"
                one_of(engine.environment, environments.names(), where)
        _ = self.aggregate  # computing it reads every file

    def _example(self, axis: str, name: str) -> str:
        """The reason why one combination with this id does not run, as the end of a message."""
        for part in self.config.study.products:
            for found in product(part.models, part.quantizations, part.devices):
                if dict(zip(AXES, found, strict=True))[axis] == name:
                    reason = self.placement(*found).unsupported()
                    if reason:
                        return f"; {found[0]} on {found[2]}: {reason}"
        return ""

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
        if reference := self.config.study.reference:
            axes["reference"] = reference
        digest = identity.digest([self.score(cell).identity for cell in self.cells])
        return {"study": axes}, {"cells": digest}

    @cached_property
    def aggregate(self) -> Step:
        """The study's table."""
        return step("aggregate", *self._cells, *_figures())

    @cached_property
    def compare(self) -> Step:
        """The comparison of each quantized variant with its native one."""
        spec, cells = self._cells
        models = {cell.model for cell in self.cells}
        pairs = {name: self.catalogue.models[name].base for name in sorted(models)}
        bases: dict[str, JsonValue] = {name: base for name, base in pairs.items() if base in models}
        return step("compare", {**spec, "bases": bases} if bases else spec, cells)

    @cached_property
    def render(self) -> Step:
        """The charts and the report."""
        shown = report_labels(self.catalogue, self.config)
        spec: dict[str, JsonValue] = {"title": self.config.title, **shown, **self.aggregate.spec}
        if self.config.weights != Weights():
            spec["weights"] = self.config.weights.model_dump(mode="json")
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


def _scored(placement: Placement) -> ScoredModel:
    """The part of a model that decides a figure."""
    model, found = placement.model, ScoredModel()
    if model.active_parameters is not None and model.parameters is not None:
        found = ScoredModel(active_share=model.active_parameters / model.parameters)
    if used := model.active_parameters or model.parameters:
        found = found.model_copy(update={"parameters": used})
    prices = token_prices(placement)
    return found.model_copy(update={"prices": prices}) if prices else found
