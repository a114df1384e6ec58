"""The blocks that the catalogue is made of, and what each of their keys decides.

Each key of an entry names the step whose result it decides (`Decides`). A job's identity is made
of exactly the keys of its step, so this annotation is what makes caching exact: a price changes
scores and no measurement, a label changes the report alone.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
)

from frontier.text import visible

Stage = Literal["fetch", "sample", "measure", "score", "show", "plan"]


@dataclass(frozen=True)
class Decides:
    """The step that must be done again when the annotated key changes.

    `plan` stands for keys that decide only whether a cell is planned at all.
    """

    stage: Stage


Fetch = Decides("fetch")
Sample = Decides("sample")
Measure = Decides("measure")
Score = Decides("score")
Show = Decides("show")
Plan = Decides("plan")
# Bounds far above anything real, below which sums of a plan and of a cost stay finite.
Positive = Annotated[float, Field(gt=0, le=1e9)]
Count = Annotated[int, Field(gt=0, le=10**15)]
Rows = Annotated[int, Field(gt=0, le=10**7)]
Dtype = Literal["float32", "bfloat16", "float16"]
Accelerator = Literal["cpu", "cuda", "mps"]


def _canonical(arguments: dict[str, JsonValue]) -> dict[str, JsonValue]:
    """Raise ValueError for what JSON has no number for (infinity, NaN)."""
    json.dumps(arguments, allow_nan=False)
    return arguments


def _readable(label: str) -> str:
    """Raise ValueError for what would not be seen in the report, or seen as something else."""
    if label != visible(label, len(label)) or label != " ".join(label.split()):
        raise ValueError("must be one line without control characters, no spaces around it")
    return label


Label = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_readable)]
Name = Annotated[str, Field(min_length=1, max_length=80, pattern=r"^[A-Za-z0-9_.-]+$")]
Arguments = Annotated[dict[str, JsonValue], AfterValidator(_canonical)]


class Block(BaseModel):
    """A block of keys: no unknown ones, never changed after reading."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, use_attribute_docstrings=True, allow_inf_nan=False
    )


class Entry(Block):
    """A block of the catalogue, of which each job sees the keys that decide it."""

    @classmethod
    def deciding(cls, stage: Stage) -> set[str]:
        """The keys that decide `stage`."""
        return {
            name
            for name, field in cls.model_fields.items()
            if any(isinstance(mark, Decides) and mark.stage == stage for mark in field.metadata)
        }

    def slice(self, stage: Stage) -> dict[str, Any]:
        """The keys that decide `stage`, as JSON-able values; unset keys are left out."""
        return self.model_dump(mode="json", include=self.deciding(stage), exclude_none=True)


class Derived(Entry):
    """A block that may take another's keys, which are in their places once it is read."""

    like: Annotated[str | None, Plan] = None
    """Another block of this kind, whose keys, but its label, hold where this one has none."""


class Plugin(BaseModel):
    """A block whose further keys belong to the module it names, whose Options check them."""

    model_config = ConfigDict(
        extra="allow", frozen=True, use_attribute_docstrings=True, allow_inf_nan=False
    )

    @property
    def options(self) -> dict[str, Any]:
        """The named module's own keys."""
        return dict(self.model_extra or {})
