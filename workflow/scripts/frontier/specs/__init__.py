"""The typed specifications that planning passes to programs by --spec."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, JsonValue


class Spec(BaseModel):
    """A program's specification, or a block of it: no unknown keys, immutable."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Identity(BaseModel):
    """The identity of a result (planning/step.py); all of it is recorded, some of it read."""

    model_config = ConfigDict(extra="allow", frozen=True)
    digest: str
    inputs: dict[str, JsonValue] = Field(default_factory=dict)
