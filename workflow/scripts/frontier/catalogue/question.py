"""The question: a study that selects from the catalogue."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

from pydantic import Field, model_validator

from frontier.blocks import Entry, Label, Positive
from frontier.catalogue.ids import SINGLE_STREAM
from frontier.catalogue.source import Source

Techniques = Annotated[str, Field(min_length=1, max_length=200)]


class CrossProduct(Entry):
    """Cells in addition to a study's cross product, at its tasks; a missing axis is the study's."""

    models: tuple[str, ...] = ()
    """Ids of models.yaml."""
    quantizations: tuple[str, ...] = ()
    """Ids of quantizations.yaml."""
    devices: tuple[str, ...] = ()
    """Ids of devices.yaml."""
    techniques: tuple[Techniques, ...] = ()
    """Ids of techniques.yaml, or several joined by +."""

    @model_validator(mode="after")
    def _adds_something(self) -> CrossProduct:
        if not (self.models or self.quantizations or self.devices or self.techniques):
            raise ValueError("gives no models, quantizations, devices or techniques")
        return self


class StudyJudge(Entry):
    """The judge of all answers that a model judges (scorer: judge), instead of the tasks' own."""

    variant: Annotated[str, Field(min_length=1)]
    """A variant, as results/ names it, such as gpt-4.1; it need not be one of the study."""
    device: Annotated[str, Field(min_length=1)]
    """The device on which it judges."""


class Study(Entry):
    """The cross product that a plain run builds."""

    models: tuple[str, ...]
    """Ids of models.yaml."""
    quantizations: tuple[str, ...] = ("native",)
    """Ids of quantizations.yaml; the others are compared with `native`."""
    techniques: tuple[Techniques, ...] = ()
    """Ids of techniques.yaml, or several joined by +: each variant is measured without any, and
    with each of these; with `a+b` also with `a`, with which that is compared."""
    devices: tuple[str, ...]
    """Ids of devices.yaml."""
    tasks: tuple[str, ...]
    """Ids of tasks.yaml."""
    scenarios: tuple[str, ...] = (SINGLE_STREAM,)
    """MLPerf's scenarios; `single-stream`: one request after another."""
    reference: str | None = None
    """A variant with which all others are compared, such as gpt-4o; its cells on the study's
    devices are part of the study."""
    judge: StudyJudge | None = None
    """The judge, instead of those that its tasks name."""
    max_cost: Positive | None = None
    """Most money for all its cells at paid endpoints together, with what they have cost before."""
    also: tuple[CrossProduct, ...] = ()
    """Further cross products, such as one device with only a few quantizations."""

    @property
    def products(self) -> tuple[CrossProduct, ...]:
        """All of its cross products, each with all axes."""
        axes = ("models", "quantizations", "devices", "techniques")
        own = {axis: getattr(self, axis) for axis in axes}
        return (
            CrossProduct(**own),
            *(
                CrossProduct(**{axis: getattr(part, axis) or own[axis] for axis in axes})
                for part in self.also
            ),
        )

    def combinations(self, given: Iterable[str]) -> tuple[tuple[str, ...], ...]:
        """The ids of techniques that run together: none, those given, and what they are compared
        with, each once."""
        found = [tuple(one.split("+")) for one in given]
        parts = (one[:end] for one in found for end in range(len(one) + 1))
        return tuple(dict.fromkeys([(), *parts]))

    def ids(self, axis: str) -> tuple[str, ...]:
        """All ids of an axis, in order of appearance."""
        parts = (self, *self.also) if axis != "tasks" else (self,)
        given = (name for part in parts for name in getattr(part, axis))
        return tuple(dict.fromkeys(name for one in given for name in one.split("+")))


class Weights(Entry):
    """The weights of the balanced score; only their ratio matters."""

    speed: Annotated[float, Field(ge=0, le=1e6)] = 1.0
    """The weight of the speed."""
    quality: Annotated[float, Field(ge=0, le=1e6)] = 1.0
    """The weight of the score."""

    @model_validator(mode="after")
    def _one_counts(self) -> Weights:
        if self.speed + self.quality == 0:
            raise ValueError("speed and quality are both 0")
        return self

    @property
    def share(self) -> float:
        """The weight of the speed as a share of both."""
        return self.speed / (self.speed + self.quality)


class Config(Entry):
    """config/config.yaml: the question."""

    title: Label = "Fast enough, good enough"
    """The report's heading."""
    study: Study
    """Cells to measure."""
    weights: Weights = Weights()
    """Weights of speed and quality in the report's balanced score; equal by default."""
    sources: dict[str, Source] = Field(default_factory=dict)
    """Other sources of datasets, by id: a mirror, or a folder of yours."""
