"""The key of a cell and the identity of a result, as recorded in files."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from frontier.catalogue.ids import SINGLE_STREAM
from frontier.results.layout import Place

Digest = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
Amount = Annotated[float, Field(ge=0)]
Count = Annotated[int, Field(ge=0)]


class Block(BaseModel):
    """A block of the JSON: strict types, finite numbers."""

    model_config = ConfigDict(strict=True, frozen=True, allow_inf_nan=False)


class Key(Block):
    """The names that identify a cell."""

    variant: str
    model: str
    quantization: str
    techniques: tuple[str, ...] = ()
    device: str
    task: str
    scenario: str = SINGLE_STREAM

    @property
    def place(self) -> Place:
        """The cell's place in results/."""
        return Place(self.variant, self.device, self.task, self.scenario)

    @property
    def native(self) -> bool:
        """True if the variant is the model as published, without techniques."""
        plain = self.quantization == "native" or self.variant == self.model
        return plain and not self.techniques

    @property
    def parent(self) -> str:
        """The variant with which it is compared: without its last technique, else its model's."""
        return self.variant.rpartition("+")[0] if self.techniques else self.model


class Identity(BaseModel):
    """The identity of a result (planning/step.py); all of it is recorded, some of it read."""

    model_config = ConfigDict(extra="allow", frozen=True)
    digest: str
    inputs: dict[str, JsonValue] = Field(default_factory=dict)


class MeasureIdentity(Identity):
    """The identity of a measurement."""

    request: str | None = None
    """The digest of the part that each request depends on, except its prompt."""
