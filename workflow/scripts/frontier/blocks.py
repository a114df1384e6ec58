"""The blocks of the catalogue, and the stage that each of their keys decides.

Each key of an entry names the stage whose result it decides (`Decides`). A job's identity contains
exactly the keys of its stage, so this annotation makes caching exact: a price changes scores but no
measurement, a label changes only the report.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    model_validator,
)

from frontier.text import visible

Stage = Literal["fetch", "sample", "measure", "load", "score", "show", "operate", "plan"]


@dataclass(frozen=True)
class Decides:
    """The stage that must be repeated when the annotated key changes.

    `load` marks keys that decide measuring in the scenario `server` alone; `operate` those by which
    measuring reaches something, which decide neither an answer nor a time; `plan` those that only
    decide whether a cell is planned at all.
    """

    stage: Stage


Fetch = Decides("fetch")
Sample = Decides("sample")
Measure = Decides("measure")
Load = Decides("load")
Score = Decides("score")
Show = Decides("show")
Operate = Decides("operate")
Plan = Decides("plan")
# Bounds far above real values, so that sums in plans and costs stay finite.
Positive = Annotated[float, Field(gt=0, le=1e9)]
Price = Annotated[float, Field(ge=0, le=1e9)]
Count = Annotated[int, Field(gt=0, le=10**15)]
Rows = Annotated[int, Field(gt=0, le=10**7)]
Dtype = Literal["float32", "bfloat16", "float16"]
Accelerator = Literal["cpu", "cuda", "rocm", "mps", "xpu", "remote"]
"""`remote`: an endpoint that runs elsewhere, on hardware that nobody names."""


def _canonical(arguments: dict[str, JsonValue]) -> dict[str, JsonValue]:
    """Raises ValueError for numbers that JSON lacks (infinity, NaN)."""
    json.dumps(arguments, allow_nan=False)
    return arguments


def _readable(label: str) -> str:
    """Raises ValueError for characters that are invisible or misleading in the report."""
    if label != visible(label, len(label)) or label != " ".join(label.split()):
        raise ValueError("must be one line without control characters, no spaces around it")
    return label


Label = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_readable)]
Name = Annotated[str, Field(min_length=1, max_length=80, pattern=r"^[A-Za-z0-9_.-]+$")]
Text = Annotated[str, Field(min_length=1, max_length=100_000)]
Arguments = Annotated[dict[str, JsonValue], AfterValidator(_canonical)]


class Block(BaseModel):
    """A block of keys: unknown keys are rejected, and values never change."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, use_attribute_docstrings=True, allow_inf_nan=False
    )


class TokenPrices(Block):
    """Prices per million tokens, in the currency of your choice."""

    input: Price
    """The price of a prompt's tokens."""
    cached_input: Price | None = None
    """The price of a prompt's tokens in the endpoint's cache; by default that of any others."""
    output: Price
    """The price of generated tokens, those of hidden reasoning included."""

    @model_validator(mode="after")
    def _cached_cost_no_more(self) -> Self:
        # What is set aside for a request counts all of its prompt at the price of `input`.
        if self.cached_input is not None and self.cached_input > self.input:
            raise ValueError("cached_input: must not be above input")
        return self


class Entry(Block):
    """A block of the catalogue; each job sees the keys that decide its result."""

    @classmethod
    def deciding(cls, stage: Stage) -> set[str]:
        """The keys that decide `stage`."""
        return {
            name
            for name, field in cls.model_fields.items()
            if any(isinstance(mark, Decides) and mark.stage == stage for mark in field.metadata)
        }

    def says(self, name: str) -> bool:
        """True if a key has another value than the one that it has by default."""
        default = type(self).model_fields[name].get_default(call_default_factory=True)
        return bool(getattr(self, name) != default)

    def slice(self, stage: Stage) -> dict[str, JsonValue]:
        """The keys that decide `stage`, as JSON-able values; unset keys are left out."""
        keys = self.deciding(stage)
        return self.model_dump(mode="json", include=keys, exclude_none=True, by_alias=True)


class Derived(Entry):
    """A block that may take over another's keys, which are filled in when it is read."""

    like: Annotated[str | None, Plan] = None
    """Another block of this kind, whose keys apply where this one has none, except its label."""


class Plugin(BaseModel):
    """A block whose further keys belong to the plug-in that it names, which checks them."""

    model_config = ConfigDict(
        extra="allow", frozen=True, use_attribute_docstrings=True, allow_inf_nan=False
    )

    @property
    def options(self) -> dict[str, Any]:
        """The plug-in's own keys."""
        return dict(self.model_extra or {})
