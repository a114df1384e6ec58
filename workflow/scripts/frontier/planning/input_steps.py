"""What cells are measured with, as steps: datasets, samples, models, calibrations, checkpoints.

Nothing here runs a job or imports an engine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache, partial
from pathlib import Path
from typing import Any

from frontier import blocks, datasets
from frontier.catalogue import checking
from frontier.catalogue.entries import Catalogue, Dataset
from frontier.catalogue.question import Config
from frontier.datasets.common import files
from frontier.errors import UserError
from frontier.fetching import adapters, checkpoints, contents
from frontier.planning import cells, chat_files
from frontier.planning.step import Step, environment_step, step
from frontier.quantizers import Preparation

Read = Callable[[Path], Iterable[str]]
"""Names the files of a folder that are read."""


class InputSteps:
    """What cells are measured with; each step is worked out once, when asked for."""

    def __init__(self, catalogue: Catalogue, config: Config) -> None:
        """Nothing is computed or read yet."""
        self.catalogue, self.config = catalogue, config
        self.dataset = cache(self._dataset)
        self.sample = cache(self._sample)
        self.model = cache(self._model)
        self.adapter = cache(self._adapter)
        self.calibration = cache(self._calibration)
        self.quantized = cache(self._quantized)
        self.weights = cache(self._weights)
        self.slice = cache(self._slice)
        self.loader_options = cache(self._loader_options)

    def _slice(self, axis: str, name: str, stage: blocks.Stage) -> dict[str, Any]:
        block: blocks.Entry = getattr(self.catalogue, axis)[name]
        return block.slice(stage)

    def _loader_options(self, plugin: str, task: str) -> dict[str, Any]:
        """What a task says to its loader, defaults included."""
        keys = self.catalogue.tasks[task].sample.options
        module = checking.plugin("datasets", plugin, f"config/tasks.yaml: tasks.{task}")
        return blocks.explicit(checking.check(module.Options, keys, f"config/tasks.yaml: {task}"))

    def source(self, dataset: str) -> Dataset:
        """The dataset with the source that the study puts in its place, if it does."""
        block = self.catalogue.datasets[dataset]
        source = self.config.sources.get(dataset)
        return block.model_copy(update={"source": source}) if source else block

    def _dataset(self, dataset: str) -> Step:
        source = self.source(dataset).source
        spec = {"source": source.model_dump(mode="json", exclude_defaults=True)}
        if source.path:
            return step("fetch_dataset", spec, {"content": self._raw(dataset)}, identity_spec={})
        if source.generator == "mathematics":
            pins = {"environment": environment_step("mathematics")}
            return step("fetch_dataset", spec, pins, "generate_mathematics")
        return step("fetch_dataset", spec, {})

    def _raw(self, dataset: str) -> Any:
        """What a dataset's content is known by: its pinned place, not the code that fetches it."""
        source = self.source(dataset).source
        if source.path:
            replaced = dataset in self.config.sources
            key = f"sources.{dataset}" if replaced else f"datasets.{dataset}.source"
            return _content(source.path, key, self._looked_for(dataset, source.path))
        if source.hub or source.generator == "demo":
            return source.model_dump(mode="json", exclude_defaults=True)
        return source.sha256 or self.dataset(dataset)

    def _looked_for(self, dataset: str, path: Path) -> Read | None:
        """Which files of a local dataset's folder its loader looks into; a file is all of it."""
        if not path.is_dir():
            return None
        loader = datasets.load(self.source(dataset).loader)
        return partial(files.some_files, wanted=loader.FILES)

    def _sample(self, task: str) -> Step:
        block = self.catalogue.tasks[task]
        loader = self.source(block.dataset).loader
        keys = block.sample
        options = self.loader_options(loader, task)
        spec = {"loader": loader, "options": options, "size": keys.size, "seed": keys.seed}
        read, fetched = ({"dataset": read(block.dataset)} for read in (self._raw, self.dataset))
        return step("sample", spec, read, *_loading(spec), fetched=fetched)

    def _model(self, model: str) -> Step:
        block = self.catalogue.models[model]
        if block.grow:
            grammars = [f"frontier.grammars.{name}" for name in sorted(block.grow.corpora)]
            spec = block.grow.model_dump(mode="json")
            return step("grow_model", spec, {}, *grammars)
        # Without the key, what there is of it is not fetched.
        code = {"trust_remote_code": True} if block.trust_remote_code else {}
        if block.path:
            place = {"path": str(block.path), **code}
            return step("fetch_model", place, {"content": self._weights(model)}, identity_spec=code)
        pinned = {**block.slice("fetch"), **code}
        return step("fetch_model", {**pinned, "gated": block.gated}, {}, identity_spec=pinned)

    def _check_chat(self, model: str, folder: Path) -> None:
        """Of a checkpoint that is here already, as far as no code of its own has a say in it."""
        block = self.catalogue.models[model]
        if block.prompt == "chat" and not block.trust_remote_code and folder.is_dir():
            try:
                chat_files.check(folder, block)
            except UserError as error:
                raise UserError(f"config/models.yaml: models.{model}: {error}") from None

    def _weights(self, model: str) -> Any:
        """What a checkpoint's content is known by: for a hub's, its pinned revision."""
        block = self.catalogue.models[model]
        if block.path:
            self._check_chat(model, block.path)
            read = partial(checkpoints.read_files, trusted=block.trust_remote_code)
            return _content(block.path, f"models.{model}", read)
        return block.slice("fetch") if block.hub else self.model(model)

    def _adapter(self, model: str) -> Step | None:
        adapter = self.catalogue.models[model].adapter
        if adapter is None:
            return None
        if adapter.path:
            content = _content(adapter.path, f"models.{model}.adapter", adapters.read_files)
            place, read = {"path": str(adapter.path)}, {"content": content}
            return step("fetch_adapter", place, read, identity_spec={})
        return step("fetch_adapter", adapter.model_dump(mode="json", exclude_none=True), {})

    def _calibration(self, name: str) -> Step:
        block = self.catalogue.calibrations[name]
        draws: list[dict[str, Any]] = []
        for task in block.tasks:
            dataset = self.catalogue.tasks[task].dataset
            tested = [
                self.sample(other).spec
                for other, entry in self.catalogue.tasks.items()
                if entry.dataset == dataset
            ]
            prompt = self.catalogue.tasks[task].prompt
            sample = self.sample(task).spec
            draws.append({"task": task, "prompt": prompt, "sample": sample, "tested": tested})
        spec = {**block.slice("fetch"), "draws": draws}
        data = {task: self.catalogue.tasks[task].dataset for task in block.tasks}
        read = {task: self._raw(name) for task, name in data.items()}
        fetched = {task: self.dataset(name) for task, name in data.items()}
        modules = {module for draw in draws for module in _loading(draw["sample"])}
        return step("calibrate", spec, read, *sorted(modules), fetched=fetched)

    def preparation(self, variant: str, engine: str) -> Preparation | None:
        """What makes a variant's checkpoint for an engine; None where it loads the model's own."""
        model, quantization = cells.parts(self.catalogue, variant)
        quantizer, options = cells.quantizer(self.catalogue, quantization)
        dtype = self.catalogue.models[model].dtype
        found: Preparation | None = quantizer.preparation(options, engine, dtype)
        return found

    def _quantized(self, variant: str, engine: str) -> Step | None:
        made = self.preparation(variant, engine)
        if made is None:
            return None
        spec = {"conversion": made.conversion, "options": made.options}
        model, _ = cells.parts(self.catalogue, variant)
        inputs = {
            "weights": self.weights(model),
            "calibration": made.calibration and self.calibration(made.calibration),
        }
        entry = f"frontier.conversions.{made.conversion}"
        fetched = {"model": self.model(model)}
        return step(
            "quantize_model", spec, inputs, entry, environment=made.environment, fetched=fetched
        )


def _loading(sample: dict[str, Any]) -> list[str]:
    """The modules that read a sample's rows."""
    modules = [f"frontier.datasets.{sample['loader']}"]
    if grammar := sample["options"].get("grammar"):
        modules.append(f"frontier.grammars.{grammar}")
    return modules


def _content(path: Path, where: str, read: Read | None) -> str:
    """The digest of a local file; of a folder, of the files that `read` names in it.

    Raises UserError that says which key names it.
    """
    try:
        if read is None:
            return contents.digest(path)
        return contents.digest_of({name: path / name for name in read(path)})
    except UserError as error:
        raise UserError(f"{where}.path: {error}") from None
    except OSError as error:
        raise UserError(f"{where}.path: {error.filename}: {error.strerror}") from None
