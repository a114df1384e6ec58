"""The steps for a cell's inputs: datasets, samples, calibrations, converted checkpoints.

Nothing here runs a job or imports an engine.
"""

from __future__ import annotations

from functools import cache, partial
from pathlib import Path

from pydantic import JsonValue

from frontier import templates
from frontier.catalogue.entries import Catalogue, Dataset
from frontier.catalogue.question import Config
from frontier.conversions import CONVERSIONS
from frontier.datasets import LOADERS, Loader
from frontier.datasets.common import files
from frontier.errors import UserError
from frontier.fetching import contents
from frontier.planning import cells, local_data
from frontier.planning.model_steps import ModelSteps
from frontier.planning.placement import engine_facts
from frontier.planning.step import Known, Step, environment_step, step
from frontier.quantizers import Preparation
from frontier.results import layout
from frontier.sampling.calibration import CalibrationSpec, Draw
from frontier.sampling.drawing import SampleSpec
from frontier.sampling.shots import ShotsSpec, TaskSample
from frontier.specs.inputs import DatasetSpec, QuantizeSpec


class InputSteps(ModelSteps):
    """The steps for cells' inputs; each is computed once, on demand."""

    def __init__(self, catalogue: Catalogue, config: Config) -> None:
        """Nothing is computed or read yet."""
        super().__init__(catalogue)
        self.config = config
        self.dataset = cache(self._dataset)
        self.sample = cache(self._sample)
        self.calibration = cache(self._calibration)
        self.quantized = cache(self._quantized)
        self.produced = cache(self._produced)

    def source(self, dataset: str) -> Dataset:
        """The dataset, with the study's source if it names another."""
        block = self.catalogue.datasets[dataset]
        source = self.config.sources.get(dataset)
        return block.model_copy(update={"source": source}) if source else block

    def _dataset(self, dataset: str) -> Step:
        source = self.source(dataset).source
        spec = DatasetSpec(source=source)
        if source.path:
            return step("fetch_dataset", spec, {"content": self._raw(dataset)}, identity_spec={})
        place: JsonValue = {"source": source.model_dump(mode="json", exclude_defaults=True)}
        if source.generator == "mathematics":
            pins = {"environment": environment_step("mathematics")}
            modules = ("generate_mathematics",)
            return step("fetch_dataset", spec, pins, *modules, identity_spec=place)
        return step("fetch_dataset", spec, {}, identity_spec=place)

    def _raw(self, dataset: str) -> Known:
        """The identification of a dataset's content, not of the code that fetches it."""
        source = self.source(dataset).source
        if source.path:
            replaced = dataset in self.config.sources
            key = f"sources.{dataset}" if replaced else f"datasets.{dataset}.source"
            return contents.of_source(source.path, key, self._looked_for(dataset, source.path))
        if source.hub or source.generator == "demo":
            return source.model_dump(mode="json", exclude_defaults=True)
        return source.sha256 or self.dataset(dataset)

    def _looked_for(self, dataset: str, path: Path) -> contents.Read | None:
        """Lists the files that the loader reads in a local folder; None for a single file."""
        if not path.is_dir():
            return None
        loader = LOADERS.load(self.source(dataset).loader)
        return partial(files.some_files, wanted=loader.FILES)

    def _sample(self, task: str) -> Step:
        block, examples = self.catalogue.tasks[task], self.catalogue.examples.get(task)
        spec = TaskSample(**dict(self._sample_spec(task)))
        local_data.check(task, self.source(block.dataset).source, spec.loader)
        data, modules = {"dataset": block.dataset}, _loading(spec.loader)
        if block.shots and examples:
            local_data.check(task, self.source(examples.dataset).source, examples.loader)
            fields = templates.used(block.prompt)
            keys = block.shots.slice("sample")
            del keys["from"]
            shots = {**keys, "fields": fields, "own": examples.own, "loader": examples.loader}
            spec = spec.model_copy(update={"shots": ShotsSpec.model_validate(shots)})
            if other := self.shots_dataset(task):
                data["shots"] = other
        read = {name: self._raw(dataset) for name, dataset in data.items()}
        fetched = {name: self.dataset(dataset) for name, dataset in data.items()}
        written = spec.model_dump(mode="json", exclude_none=True)
        return step("sample", written, read, *modules, fetched=fetched)

    def shots_dataset(self, task: str) -> str | None:
        """The dataset of a task's shots; None if it has none, or takes them from its own."""
        found = self.catalogue.examples.get(task)
        other = found is not None and found.dataset != self.catalogue.tasks[task].dataset
        return found.dataset if found and other else None

    def _sample_spec(self, task: str) -> SampleSpec:
        keys = self.catalogue.tasks[task].sample
        loader = self.catalogue.loaders[task]
        return SampleSpec(loader=loader, size=keys.size, seed=keys.seed, shares=keys.shares)

    def _calibration(self, name: str) -> Step:
        block = self.catalogue.calibrations[name]
        draws = tuple(map(self._draw, block.tasks))
        spec = CalibrationSpec(size=block.size, seed=block.seed, draws=draws)
        data = {task: self.catalogue.tasks[task].dataset for task in block.tasks}
        read = {task: self._raw(name) for task, name in data.items()}
        fetched = {task: self.dataset(name) for task, name in data.items()}
        modules = {module for draw in draws for module in _loading(draw.sample.loader)}
        return step(
            "calibrate", spec.model_dump(mode="json"), read, *sorted(modules), fetched=fetched
        )

    def _draw(self, task: str) -> Draw:
        """The texts of one task, disjoint from the samples of all tasks of its dataset."""
        block, own = self.catalogue.tasks[task], self._sample_spec(task)
        alike = (name for name, t in self.catalogue.tasks.items() if t.dataset == block.dataset)
        specs = list(map(self._sample_spec, alike))
        tested = tuple(one for at, one in enumerate(specs) if one not in specs[:at])
        return Draw(task=task, prompt=block.prompt, sample=own, tested=tested)

    def preparation(self, variant: str, engine: str) -> Preparation | None:
        """The job that produces a variant's checkpoint; None if the engine loads the model's."""
        model, quantization, _ = cells.parts(self.catalogue, variant)
        quantizer = self.catalogue.quantizations[quantization]
        facts = engine_facts(self.catalogue.engines[engine])
        return quantizer.preparation(facts, self.catalogue.models[model].dtype)

    def format(self, variant: str, engine: str) -> str | None:
        """The format of the checkpoint that the engine loads; None: it quantizes while loading."""
        quantization = cells.parts(self.catalogue, variant).quantization
        quantizer = self.catalogue.quantizations[quantization]
        return quantizer.makes(engine_facts(self.catalogue.engines[engine]))

    def _produced(self, variant: str, format: str, identity: str) -> tuple[Preparation, Step]:
        """The preparation and the step with that result, the same for each engine that has it.

        Raises UserError if there is none: the catalogue, the code or packages have changed.
        """
        for engine in self.catalogue.engines:
            if self.format(variant, engine) == format:
                prepared, found = self.preparation(variant, engine), self.quantized(variant, engine)
                if prepared and found and found.identity == identity:
                    return prepared, found
        path = layout.quantized(variant, format, identity)
        raise UserError(f"{path}: nothing produces it: mistyped, or from an earlier catalogue")

    def _quantized(self, variant: str, engine: str) -> Step | None:
        prepared = self.preparation(variant, engine)
        if prepared is None:
            return None
        spec = QuantizeSpec(conversion=prepared.conversion, options=dict(prepared.options))
        model = cells.parts(self.catalogue, variant).model
        inputs: dict[str, Known] = {
            "weights": self.weights(model),
            "calibration": prepared.calibration and self.calibration(prepared.calibration),
        }
        entry = CONVERSIONS.module(prepared.conversion)
        fetched = {"model": self.model(model)}
        return step(
            "quantize_model", spec, inputs, entry, environment=prepared.environment, fetched=fetched
        )


def _loading(loader: Loader) -> list[str]:
    """The modules that read a sample's rows."""
    return [type(loader).__module__, *loader.plugins()]
