"""The catalogue's entries, typed."""

from __future__ import annotations

from datetime import date
from typing import Annotated

from pydantic import AfterValidator, Field, field_validator, model_validator
from pydantic.json_schema import SkipJsonSchema

from frontier import templates
from frontier.blocks import (
    Arguments,
    Count,
    Dtype,
    Entry,
    Fetch,
    Label,
    Measure,
    Name,
    Plan,
    Plugin,
    Rows,
    Sample,
    Score,
    Show,
)
from frontier.catalogue.devices import Device
from frontier.catalogue.origins import HubId, LocalPath, Revision
from frontier.catalogue.recipe import Recipe
from frontier.catalogue.source import Source
from frontier.datasets import Loader
from frontier.engines import Engine
from frontier.quantizers import Quantizer
from frontier.scorers import Scorer


class Adapter(Entry):
    """A LoRA or other PEFT adapter: from a hub or a local folder."""

    hub: HubId | None = None
    """Hub id."""
    revision: Revision | None = None
    """Full commit hash."""
    path: LocalPath | None = None
    """Local adapter folder. The content that is read counts, not its place."""

    @model_validator(mode="after")
    def _one_origin(self) -> Adapter:
        if (self.hub is None) == (self.path is None):
            raise ValueError("give exactly one of hub, path")
        if (self.hub is None) != (self.revision is None):
            raise ValueError("hub and revision go together")
        return self


class Model(Entry):
    """A checkpoint at its native precision: from a hub, a local folder, or grown here."""

    hub: Annotated[HubId | None, Fetch] = None
    """Hub id, such as tiiuae/falcon-7b-instruct."""
    revision: Annotated[Revision | None, Fetch] = None
    """Full commit hash; a branch or tag is resolved at the first fetch and recorded in the lock."""
    path: LocalPath | None = None
    """Local checkpoint folder (~ is your home). The content that is read counts, not its place."""
    grow: Annotated[Recipe | None, Fetch] = None
    """Recipe to train it here from scratch."""
    adapter: Adapter | None = None
    """A PEFT adapter to apply; it is fetched, or read from a folder, like the model itself."""
    trust_remote_code: Annotated[bool, Measure] = False
    """Fetch the checkpoint's own Python modules too, and run them while loading."""
    dtype: Annotated[Dtype, Measure] = "float32"
    """The precision of the native variant."""
    prompt: Annotated[str, AfterValidator(templates.style), Measure] = "plain"
    """`plain`, `chat` (the tokenizer's chat template), or a template with {prompt} in it."""
    template_arguments: Annotated[Arguments, Measure] = Field(default_factory=dict)
    """Arguments of the chat template, such as {enable_thinking: false}."""
    template_date: Annotated[date, Measure] = templates.TODAY
    """Date that chat templates get as today's, so that prompts stay the same."""
    parameters: Annotated[Count | None, Plan] = None
    """Number of parameters; with vocabulary, hidden and tied it gives the weights' memory."""
    vocabulary: Annotated[Count | None, Plan] = None
    """Rows of the embedding, which most quantizations do not change."""
    hidden: Annotated[Count | None, Plan] = None
    """Width of the embedding."""
    tied: Annotated[bool, Plan] = False
    """The output head shares the embedding, which is stored once."""
    published: Annotated[str | None, Measure] = None
    """Method by which a hub's checkpoint is published quantized, as its config.json names it (gptq,
    awq, bitsandbytes, compressed-tensors, …); for a local folder it is read from there."""
    published_bits: Annotated[Annotated[int, Field(gt=0, le=16)] | None, Plan] = None
    """Bits per weight of a checkpoint published quantized (BitNet b1.58: 2)."""
    layers: Annotated[Count | None, Plan] = None
    """Layers; with kv_heads and head_dim they give the size of the KV cache."""
    heads: Annotated[Count | None, Plan] = None
    """Attention heads; by default hidden / head_dim."""
    kv_heads: Annotated[Count | None, Plan] = None
    """Key-value heads; fewer than the attention heads if these share them."""
    head_dim: Annotated[Count | None, Plan] = None
    """Width of a head."""
    architecture: Annotated[Name | None, Plan] = None
    """transformers' model_type; quantizations declare those that they cannot quantize."""
    active_parameters: Annotated[Count | None, Score] = None
    """Parameters read per token, if not all of them (mixture of experts)."""
    label: Annotated[Label | None, Show] = None
    """Its name in the report."""
    licence: Annotated[Label | None, Show] = None
    """The weights' licence, by its name."""
    gated: Annotated[bool, Show] = False
    """The hub requires an accepted licence and a token (HF_TOKEN)."""

    @model_validator(mode="after")
    def _one_origin(self) -> Model:
        origins = [name for name in ("hub", "path", "grow") if getattr(self, name) is not None]
        if len(origins) != 1:
            raise ValueError(f"give exactly one of hub, path, grow (found {origins or 'none'})")
        if (self.hub is None) != (self.revision is None):
            raise ValueError("hub and revision go together")
        return self

    @model_validator(mode="after")
    def _parts_of_the_parameters(self) -> Model:
        if self.parameters is None:
            return self
        outside = (self.vocabulary or 0) * (self.hidden or 0) * (1 if self.tied else 2)
        if max(outside, self.active_parameters or 0) > self.parameters:
            raise ValueError(
                f"parameters: {self.parameters} are fewer than the model's parts have, "
                "according to active_parameters, or to vocabulary, hidden and tied"
            )
        return self

    @model_validator(mode="after")
    def _template_is_used(self) -> Model:
        for key in ("template_arguments", "template_date"):
            if key in self.model_fields_set and self.prompt != "chat":
                raise ValueError(f"{key}: only with prompt: chat (found prompt: {self.prompt!r})")
        return self


class QuantizerMethod(Plugin):
    """The quantizer of a block, whose class has the other keys."""

    method: str
    """frontier/quantizers/METHOD.py."""


class Calibration(Entry):
    """Calibration texts for quantizations: rows of tasks' datasets that no task is tested on."""

    tasks: Annotated[tuple[str, ...], Field(min_length=1)]
    """Ids of tasks.yaml; a text is a row's prompt followed by its reference."""
    size: Annotated[Rows, Fetch]
    """Rows per task."""
    seed: Annotated[int, Fetch] = 0
    """Seed of the draw."""


class Dataset(Entry):
    """A source of rows, and the loader that reads it."""

    loader: Annotated[str, Sample]
    """frontier/datasets/LOADER.py."""
    source: Annotated[Source, Fetch]


class SampleKeys(Plugin):
    """The sample of a dataset; further keys are the loader's."""

    size: Rows
    seed: int = 0


class ScorerKeys(Plugin):
    """The scoring of generations; further keys are the scorer's."""

    kind: str
    """frontier/scorers/KIND.py."""


class Task(Entry):
    """A dataset's sample, a prompt, decoding limits and a scorer."""

    dataset: str
    """Id of a dataset above."""
    sample: Annotated[SampleKeys, Sample]
    """The sample drawn from it."""
    prompt: Annotated[str, Measure]
    """Template over the row's fields, such as "{sentence}\\nSentiment:"; braces are doubled."""
    max_new_tokens: Annotated[int, Field(gt=0, le=10**6), Measure]
    """Limit of generated tokens."""
    stop: Annotated[tuple[str, ...], Measure] = ()
    """Generation ends at the first of these texts, special tokens included, and the answer before
    it. White space at the very beginning ends nothing."""
    scorer: Annotated[ScorerKeys, Score]
    """The scoring of answers."""
    label: Annotated[Label | None, Show] = None
    """Its name in the report."""

    @field_validator("stop")
    @classmethod
    def _stops_say_something(cls, stop: tuple[str, ...]) -> tuple[str, ...]:
        if "" in stop:
            raise ValueError("an empty stop text would end every answer before it begins")
        return stop


class Catalogue(Entry):
    """config/{models,quantizations,engines,devices,tasks}.yaml together."""

    models: dict[str, Model]
    quantizations: dict[str, Quantizer]
    calibrations: dict[str, Calibration] = Field(default_factory=dict)
    engines: dict[str, Engine]
    devices: dict[str, Device]
    datasets: dict[str, Dataset]
    tasks: dict[str, Task]
    loaders: SkipJsonSchema[dict[str, Loader]] = Field(default_factory=dict)
    """Each task's loader, from its `sample:` block."""
    scorers: SkipJsonSchema[dict[str, Scorer]] = Field(default_factory=dict)
    """Each task's scorer, from its `scorer:` block."""
