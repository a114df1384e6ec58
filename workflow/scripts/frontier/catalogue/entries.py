"""The catalogue's entries, typed."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, JsonValue, field_validator, model_validator
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
from frontier.techniques import Technique


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
    shares: Literal["proportional"] | None = None
    """Shares of the loader's strata: equal ones, or as in the dataset, so that a sample's mean
    estimates that of the whole set."""


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
FollowUps = Annotated[tuple[Beginning, ...], Field(min_length=1, max_length=20)]
Choices = Annotated[tuple[Beginning, ...], Field(min_length=2, max_length=100)]


class Task(Entry):
    """A dataset's sample, a prompt, decoding limits and a scorer."""

    dataset: str
    """Id of a dataset above."""
    sample: Annotated[SampleKeys, Sample]
    """The sample drawn from it."""
    prompt: Annotated[str, Measure]
    """Template over the row's fields, such as "{sentence}\\nSentiment:"; braces are doubled."""
    follow_ups: Annotated[FollowUps | None, Measure] = None
    """Templates of the user's further messages, for models with `prompt: chat`. Each is a request
    of its own, behind the model's own answers to those before it; one at a time (single-stream)."""
    preamble: Annotated[str | None, Field(min_length=1), Measure] = None
    """Template of a text before the first of the `shots`, or before the prompt without any."""
    choices: Annotated[Literal["row"] | Choices | None, Measure] = None
    """The answers among which a question is a choice: nothing is generated, the likelihood of each
    is asked for (scorer: loglikelihood). Labels such as [A, B, C, D], or `row`: the right and the
    wrong answers of each row. Each follows the prompt behind a space."""
    max_new_tokens: Annotated[int | None, Field(gt=0, le=10**6), Measure] = None
    """Limit of generated tokens; required unless there are `choices`."""
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
        return self.sample.size * (self.samples.count if self.samples else 1) * self.turns

    @property
    def turns(self) -> int:
        """The user's messages in each conversation."""
        return 1 + len(self.follow_ups or ())

    def slice(self, stage: Stage) -> dict[str, JsonValue]:
        """The keys that decide `stage`, those of `shots` likewise."""
        found = super().slice(stage)
        return (
            {**found, "shots": self.shots.slice(stage)}
            if "shots" in found and self.shots
            else found
        )

    @property
    def new_tokens(self) -> int:
        """The most tokens that are generated; 0 for choices."""
        return self.max_new_tokens or 0

    @field_validator("stop")
    @classmethod
    def _stops_say_something(cls, stop: tuple[str, ...]) -> tuple[str, ...]:
        if "" in stop:
            raise ValueError("an empty stop text would end every answer before it begins")
        return stop

    @field_validator("choices")
    @classmethod
    def _choices_differ(cls, choices: str | tuple[str, ...] | None) -> str | tuple[str, ...] | None:
        if isinstance(choices, tuple) and len({one.strip() for one in choices}) < len(choices):
            raise ValueError("two of the choices are the same")
        return choices

    @model_validator(mode="after")
    def _generates_or_chooses(self) -> Self:
        if self.choices is None and self.max_new_tokens is None:
            raise ValueError("max_new_tokens: Field required")
        names = ("max_new_tokens", "stop", "samples", "follow_ups")
        given = {name: getattr(self, name) for name in names}
        if self.choices and (odd := next((name for name, one in given.items() if one), None)):
            raise ValueError(f"{odd}: nothing is generated where there are choices")
        return self


class Catalogue(Entry):
    """config/{models,quantizations,techniques,engines,devices,tasks}.yaml together."""

    models: dict[str, Model]
    quantizations: dict[str, Quantizer]
    calibrations: dict[str, Calibration] = Field(default_factory=dict)
    techniques: dict[str, Technique] = Field(default_factory=dict)
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
