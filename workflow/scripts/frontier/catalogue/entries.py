"""The catalogue's entries, typed."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field, JsonValue, field_validator
from pydantic.json_schema import SkipJsonSchema

from frontier.blocks import (
    Entry,
    Fetch,
    Label,
    Load,
    Measure,
    Plugin,
    Rows,
    Sample,
    Score,
    Show,
    Stage,
    Text,
)
from frontier.catalogue.devices import Device
from frontier.catalogue.examples import Examples, Shots
from frontier.catalogue.loads import Limits, Rates
from frontier.catalogue.models import Model
from frontier.catalogue.samples import Samples
from frontier.catalogue.source import Source
from frontier.datasets import Loader
from frontier.engines import Engine
from frontier.quantizers import Quantizer
from frontier.scorers import Scorer


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


def _unpadded(text: str) -> str:
    """Raises ValueError for white space around a text, which tokenizers and templates move."""
    if text != text.strip():
        raise ValueError("must not begin or end with white space")
    return text


Beginning = Annotated[Text, AfterValidator(_unpadded)]


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
    system: Annotated[Text | None, Measure] = None
    """Text of the system message before each prompt, for models with `prompt: chat`."""
    shots: Annotated[Shots | None, Sample, Measure] = None
    """Worked examples before each question (few-shot)."""
    answer_begins: Annotated[Beginning | None, Measure] = None
    """Forced beginning of every answer, which the model continues. It is no part of the answer
    that is timed and scored; the answers of `shots` begin with it too."""
    samples: Annotated[Samples | None, Measure] = None
    """Several random answers to each question; unset: one, of the likeliest tokens."""
    scorer: Annotated[ScorerKeys, Score]
    """The scoring of answers."""
    limits: Annotated[Limits, Load] = Limits()
    """The limits of latency in the scenario `server`."""
    rates: Annotated[Rates, Load] = Rates()
    """The rates of arrivals that the scenario `server` tries."""
    label: Annotated[Label | None, Show] = None
    """Its name in the report."""

    @property
    def requests(self) -> int:
        """The number of its requests."""
        return self.sample.size * (self.samples.count if self.samples else 1)

    def slice(self, stage: Stage) -> dict[str, JsonValue]:
        """The keys that decide `stage`, those of `shots` likewise."""
        found = super().slice(stage)
        return (
            {**found, "shots": self.shots.slice(stage)}
            if "shots" in found and self.shots
            else found
        )

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
    examples: SkipJsonSchema[dict[str, Examples]] = Field(default_factory=dict)
    """The rows of the shots of each task that has some."""
    scorers: SkipJsonSchema[dict[str, Scorer]] = Field(default_factory=dict)
    """Each task's scorer, from its `scorer:` block."""
