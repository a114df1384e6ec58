"""What each job is given, and where its result lies.

A step's specification is its slice of the catalogue, and its identity a digest of that, of what it
reads, of its code and of that code's packages. Nothing here runs a job or imports an engine.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from frontier import contents, identity, plan
from frontier.catalogue import Catalogue, Config, Dataset, Model
from frontier.errors import UserError
from frontier.fetching.environments import REQUIREMENTS
from frontier.plan import Cell, HostMemory

TEMPLATE = identity.SCRIPTS.parents[1] / "resources" / "report"


@dataclass(frozen=True)
class Step:
    """A job to be: `spec` is handed to its program, `identity` names its result."""

    spec: dict[str, Any]
    identity: str
    made_of: dict[str, Any]

    @property
    def argument(self) -> str:
        """The program's --spec."""
        return identity.canonical(self.spec)

    @property
    def signed(self) -> str:
        """The program's --spec with what the identity is made of, for results that keep it."""
        return identity.canonical({**self.spec, "identity": self.made_of})


def _step(rule: str, spec: dict[str, Any], inputs: Any, *plugins: str, decides: Any = None) -> Step:
    """A rule's job. `plugins` are the modules that its program picks by name.

    `decides`: what of the specification the identity is made of, where that is not all.
    """
    entries = (rule, *plugins)
    made_of = {
        "spec": spec if decides is None else decides,
        "inputs": inputs,
        "command": identity.shells()[rule],
        "code": _code(entries),
        "packages": _packages(entries),
    }
    digest = identity.digest(made_of)
    return Step(spec, digest, {"digest": digest, **made_of})


@cache
def _code(entries: tuple[str, ...]) -> dict[str, str]:
    return identity.code(*entries)


@cache
def _packages(entries: tuple[str, ...]) -> dict[str, str]:
    return identity.packages(*entries)


class Steps:
    """Every step of a catalogue under a study; each is worked out once, when asked for."""

    def __init__(self, catalogue: Catalogue, config: Config, host_memory: HostMemory) -> None:
        """Nothing is computed or read yet."""
        self.catalogue, self.config, self.host_memory = catalogue, config, host_memory
        self.cell = cache(
            lambda variant, device, task: plan.cell(catalogue, variant, device, task, host_memory)
        )
        self.dataset = cache(self._dataset)
        self.sample = cache(self._sample)
        self.model = cache(self._model)
        self.measure = cache(self._measure)
        self.score = cache(self._score)

    def source(self, dataset: str) -> Dataset:
        """The dataset with the source that the study puts in its place, if it does."""
        block = self.catalogue.datasets[dataset]
        source = self.config.sources.get(dataset)
        return block.model_copy(update={"source": source}) if source else block

    def _dataset(self, dataset: str) -> Step:
        source = self.source(dataset).source
        spec = {"source": source.model_dump(mode="json", exclude_defaults=True)}
        if source.path:
            return _step(
                "fetch_dataset", spec, _content(source.path, f"datasets.{dataset}"), decides={}
            )
        if source.generator == "mathematics":
            pins = REQUIREMENTS.joinpath("mathematics.txt").read_text(encoding="utf-8")
            return _step("fetch_dataset", spec, pins, "generate_mathematics")
        return _step("fetch_dataset", spec, None)

    def _raw(self, dataset: str) -> Any:
        """What a dataset's content is known by: its pinned place, not the code that fetches it."""
        source = self.source(dataset).source
        if source.path:
            return _content(source.path, f"datasets.{dataset}")
        if source.hub or source.generator == "demo":
            return source.model_dump(mode="json", exclude_defaults=True)
        return source.sha256 or self.dataset(dataset).identity

    def _sample(self, task: str) -> Step:
        block = self.catalogue.tasks[task]
        loader = self.source(block.dataset).loader
        keys = block.sample
        spec = {"loader": loader, "options": keys.options, "size": keys.size, "seed": keys.seed}
        modules = [f"frontier.datasets.{loader}"]
        if "grammar" in keys.options:
            modules.append(f"frontier.grammars.{keys.options['grammar']}")
        return _step("sample", spec, self._raw(block.dataset), *modules)

    def _model(self, model: str) -> Step:
        block = self.catalogue.models[model]
        if block.grow:
            grammars = [f"frontier.grammars.{name}" for name in sorted(block.grow.corpora)]
            spec = block.grow.model_dump(mode="json")
            return _step("grow_model", spec, None, *grammars)
        if block.path:
            spec = {"path": str(block.path)}
            return _step("fetch_model", spec, _content(block.path, f"models.{model}"), decides={})
        pinned = block.slice("fetch")
        spec = {**pinned, "gated": block.gated}
        return _step("fetch_model", spec, None, decides=pinned)

    def _weights(self, block: Model, model: str) -> Any:
        """What a checkpoint's content is known by: for a hub's, its pinned revision."""
        if block.path:
            return _content(block.path, f"models.{model}")
        return block.slice("fetch") if block.hub else self.model(model).identity

    def _measure(self, cell: Cell) -> Step:
        model = self.catalogue.models[cell.model]
        device = self.catalogue.devices[cell.device]
        quantization = self.catalogue.quantizations[cell.quantization]
        decides = {
            "model": model.slice("measure"),
            "quantization": {"method": quantization.method, **quantization.options},
            "device": device.slice("measure"),
            "task": self.catalogue.tasks[cell.task].slice("measure"),
        }
        names = ("variant", "model", "quantization", "device", "task")
        spec = {
            "cell": {name: getattr(cell, name) for name in names},
            "memory_bytes": plan.device_bytes(device, self.host_memory),
            **decides,
        }
        return _step(
            "measure",
            spec,
            {
                "sample": self.sample(cell.task).identity,
                "weights": self._weights(model, cell.model),
            },
            f"frontier.engines.{device.engine}",
            f"frontier.quantizers.{quantization.method}",
            decides=decides,
        )

    def _score(self, cell: Cell) -> Step:
        names = {name: getattr(cell, name) for name in ("variant", "model", "quantization")}
        spec: dict[str, Any] = {"cell": {**names, "device": cell.device, "task": cell.task}}
        if not cell.planned:
            spec |= {"outcome": cell.outcome, "reason": cell.reason}
            return _step("score", spec, None)
        task = self.catalogue.tasks[cell.task]
        scorer = task.scorer
        spec |= {
            "scorer": {"kind": scorer.kind, "options": scorer.options},
            "model": _active_share(self.catalogue.models[cell.model]),
            "device": self.catalogue.devices[cell.device].slice("score"),
        }
        entry = f"frontier.scorers.{scorer.kind}"
        return _step("score", spec, self.measure(cell).identity, entry)

    @cached_property
    def cells(self) -> list[Cell]:
        """The study's cells."""
        study = self.config.study
        return [
            self.cell(plan.variant_id(model, quantization), device, task)
            for model in study.models
            for quantization in study.quantizations
            for device in study.devices
            for task in study.tasks
        ]

    @cached_property
    def aggregate(self) -> Step:
        """The study's table."""
        study = self.config.study
        variants = [
            plan.variant_id(model, quantization)
            for model in study.models
            for quantization in study.quantizations
        ]
        axes = {"variants": variants, "devices": study.devices, "tasks": study.tasks}
        scores = [self.score(cell).identity for cell in self.cells]
        return _step("aggregate", {"study": axes}, identity.digest(scores))

    @cached_property
    def render(self) -> Step:
        """The charts and the report."""
        shown = {
            axis: [
                {"id": name, **_shown(getattr(self.catalogue, axis)[name])}
                for name in getattr(self.config.study, axis)
            ]
            for axis in ("models", "quantizations", "devices", "tasks")
        }
        spec = {"title": self.config.title, **shown, **self.aggregate.spec}
        template = {path.name: path.read_text(encoding="utf-8") for path in TEMPLATE.iterdir()}
        inputs = {"table": self.aggregate.identity, "template": identity.digest(template)}
        return _step("render", spec, inputs)


def _shown(block: Any) -> dict[str, str | None]:
    """A block's name in the report, and what is to be said of it there."""
    licence = getattr(block, "licence", None)
    return {"label": block.label, "note": f"licence: {licence}" if licence else None}


def _content(path: Path, where: str) -> str:
    """The digest of a local file or folder. Raises UserError that says which key names it."""
    try:
        return contents.digest(path)
    except UserError as error:
        raise UserError(f"{where}: {error}") from None


def _active_share(model: Model) -> dict[str, float]:
    """The share of the weights that is read for a token, where that is not all of them."""
    if model.active_parameters is None or model.parameters is None:
        return {}
    return {"active_share": model.active_parameters / model.parameters}
