"""What programs are given by --spec, typed: planning builds it, they read it."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, JsonValue


class Spec(BaseModel):
    """What a program is given, or a block of it: no unknown keys, never changed."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Identity(BaseModel):
    """What a result depends on (planning/step.py); all of it is recorded, some of it read."""

    model_config = ConfigDict(extra="allow", frozen=True)
    digest: str
    inputs: dict[str, JsonValue] = Field(default_factory=dict)
