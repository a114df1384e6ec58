"""Everything that could be measured, as typed entries, and the study that asks for some of it.

Each key of an entry names the step whose result it decides (`Decides`). A job's identity is made
of exactly the keys of its step, so this annotation is what makes caching exact: a price changes
scores and no measurement, a label changes the report alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from frontier.fetching.sources import Source
from frontier.growing.recipe import Recipe

Step = Literal["fetch", "sample", "measure", "score", "show", "plan"]


@dataclass(frozen=True)
class Decides:
    """The step that must be done again when the annotated key changes.

    `plan` stands for keys that decide only whether a cell is planned at all.
    """

    step: Step


Fetch, Sample, Measure = Decides("fetch"), Decides("sample"), Decides("measure")
Score, Show, Plan = Decides("score"), Decides("show"), Decides("plan")
Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(gt=0)]


class Entry(BaseModel):
    """A block of the catalogue: no unknown keys, never changed after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    def slice(self, step: Step) -> dict[str, Any]:
        """The keys that decide `step`, as JSON-able values; unset keys are left out."""
        chosen = {
            name
            for name, field in type(self).model_fields.items()
            if any(isinstance(mark, Decides) and mark.step == step for mark in field.metadata)
        }
        return self.model_dump(mode="json", include=chosen, exclude_none=True)


class Model(Entry):
    """A checkpoint at its native precision: from a hub, a local folder, or grown here."""

    hub: Annotated[str | None, Fetch] = None
    """Hub id, such as tiiuae/falcon-7b-instruct."""
    revision: Annotated[str | None, Fetch] = None
    """Full commit hash; a branch or tag is resolved at the first fetch and kept in the lock."""
    path: Path | None = None
    """Local checkpoint folder. Its content, not its place, decides."""
    grow: Annotated[Recipe | None, Fetch] = None
    """Train it here, from scratch, by this recipe."""
    trust_remote_code: Annotated[bool, Measure] = False
    """Let the checkpoint's own Python code run while loading."""
    dtype: Annotated[Literal["float32", "bfloat16", "float16"], Measure] = "float32"
    """The precision of the native variant."""
    prompt: Annotated[str, Measure] = "plain"
    """`plain`, `chat` (the tokenizer's chat template), or a template with {prompt} in it."""
    parameters: Annotated[Count | None, Plan] = None
    """How many; it tells what memory the weights of a variant need."""
    layers: Annotated[Count | None, Plan] = None
    """With kv_heads and head_dim it tells the size of the key-value cache."""
    kv_heads: Annotated[Count | None, Plan] = None
    """Key-value heads; fewer than the attention's heads where these share them."""
    head_dim: Annotated[Count | None, Plan] = None
    """Width of a head."""
    architecture: Annotated[str | None, Plan] = None
    """transformers' model_type; quantizations declare which they cannot quantize."""
    active_parameters: Annotated[Count | None, Score] = None
    """Parameters read for one token, where that is not all of them (mixture of experts)."""
    label: Annotated[str | None, Show] = None
    """Its name in the report."""
    licence: Annotated[str | None, Show] = None
    """The weights' licence, by its name."""
    gated: Annotated[bool, Show] = False
    """The hub asks for an accepted licence and a token (HF_TOKEN)."""

    @model_validator(mode="after")
    def _one_origin(self) -> Model:
        origins = [name for name in ("hub", "path", "grow") if getattr(self, name) is not None]
        if len(origins) != 1:
            raise ValueError(f"give exactly one of hub, path, grow (found {origins or 'none'})")
        if (self.hub is None) != (self.revision is None):
            raise ValueError("hub and revision go together")
        if self.prompt not in ("plain", "chat") and "{prompt}" not in self.prompt:
            raise ValueError("prompt must be 'plain', 'chat' or a template containing {prompt}")
        return self


class Plugin(BaseModel):
    """A block whose further keys belong to the module it names, whose Options check them."""

    model_config = ConfigDict(extra="allow", frozen=True, use_attribute_docstrings=True)

    @property
    def options(self) -> dict[str, Any]:
        """The named module's own keys."""
        return dict(self.model_extra or {})


class Quantization(Plugin):
    """A way to make a checkpoint smaller."""

    method: str
    """frontier/quantizers/METHOD.py."""
    label: str | None = None
    """Its name in the report."""


class Warmup(Entry):
    """Untimed requests before the timed ones, until latency has settled."""

    minimum: Annotated[Count, Measure] = 5
    """Requests of a round; the same ones each time."""
    maximum: Annotated[Count, Measure] = 100
    """Requests after which to give up; the measurement is then invalid."""
    tolerance: Annotated[Positive, Measure] = 0.1
    """Settled: the median change of a request from one round to the next is below this share."""


class Device(Entry):
    """A place where a variant runs: hardware and the engine on it."""

    engine: Annotated[str, Measure] = "transformers"
    """frontier/engines/ENGINE.py."""
    accelerator: Annotated[Literal["cpu", "cuda", "mps"], Measure]
    """What computes."""
    gpu: Annotated[str | None, Measure] = None
    """Part of the GPU's name as the driver reports it; the host must have such a one."""
    gpus: Annotated[int, Field(ge=0), Measure] = 0
    """How many GPUs a job takes."""
    threads: Annotated[Count | Literal["auto"], Measure] = "auto"
    """CPU threads of the engine; auto: the cores that the job may use."""
    dtype: Annotated[Literal["float32", "bfloat16", "float16"] | None, Measure] = None
    """Overrides the native precision where the hardware lacks it (V100: no bfloat16)."""
    warmup: Annotated[Warmup, Measure] = Warmup()
    """Untimed requests before the timed ones."""
    foreign_load: Annotated[Positive, Score] = 0.5
    """Cores that other processes may use on average during the timed requests; above: invalid."""
    memory_gb: Annotated[Positive | Literal["auto"], Plan] = "auto"
    """Memory for weights and cache in GB (10^9 bytes), all its GPUs together; auto: the host's."""
    bandwidth_gb_s: Annotated[Positive | None, Score] = None
    """Peak memory bandwidth in GB/s, all its GPUs together; for MBU."""
    price_per_hour: Annotated[Positive | None, Score] = None
    """For the cost per thousand requests, in the currency of your choice."""
    label: Annotated[str | None, Show] = None
    """Its name in the report."""

    @model_validator(mode="after")
    def _gpus_where_gpus_are(self) -> Device:
        if (self.accelerator == "cpu") != (self.gpus == 0):
            raise ValueError("gpus: must be 0 for accelerator cpu and at least 1 for others")
        return self


class Dataset(Entry):
    """Where rows come from."""

    loader: Annotated[str, Sample]
    """frontier/datasets/LOADER.py."""
    source: Annotated[Source, Fetch]


class SampleKeys(Plugin):
    """What is drawn from a dataset; further keys are the loader's."""

    size: Count
    seed: int = 0


class ScorerKeys(Plugin):
    """How generations become scores; further keys are the scorer's."""

    kind: str
    """frontier/scorers/KIND.py."""


class Task(Entry):
    """A dataset's sample, a prompt, decoding limits and a scorer."""

    dataset: str
    """Id of a dataset above."""
    sample: Annotated[SampleKeys, Sample]
    """What is drawn from it."""
    prompt: Annotated[str, Measure]
    """Template over the row's fields, such as "{sentence}\\nSentiment:"."""
    max_new_tokens: Annotated[Count, Measure]
    """Generation ends there at the latest."""
    stop: Annotated[tuple[str, ...], Measure] = ()
    """Generation ends at the first of these; none of it is part of the answer."""
    scorer: Annotated[ScorerKeys, Score]
    """How answers are scored."""
    label: Annotated[str | None, Show] = None
    """Its name in the report."""


class Catalogue(Entry):
    """config/{models,quantizations,devices,tasks}.yaml together."""

    models: dict[str, Model]
    quantizations: dict[str, Quantization]
    devices: dict[str, Device]
    datasets: dict[str, Dataset]
    tasks: dict[str, Task]


class Study(Entry):
    """The cross product that a plain run builds."""

    models: tuple[str, ...]
    """Ids of models.yaml."""
    quantizations: tuple[str, ...] = ("native",)
    """Ids of quantizations.yaml; `native` is what the others are compared with."""
    devices: tuple[str, ...]
    """Ids of devices.yaml."""
    tasks: tuple[str, ...]
    """Ids of tasks.yaml."""


class Config(Entry):
    """config/config.yaml: the question."""

    title: str = "Fast enough, good enough"
    """The report's heading."""
    study: Study
    """What to measure."""
    sources: dict[str, Source] = {}
    """Where a dataset comes from instead, by its id: a mirror, or a folder of yours."""
