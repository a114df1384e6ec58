"""The key of a cell, as recorded in its files."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from frontier.catalogue.ids import SINGLE_STREAM
from frontier.results.layout import Place


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
        """True if the variant is the model as published."""
        return self.quantization == "native" or self.variant == self.model
