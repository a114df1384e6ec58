"""Which cell something is of, as its files say it."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from frontier.catalogue.ids import SINGLE_STREAM
from frontier.results.layout import Place


class Block(BaseModel):
    """A block of the JSON: no number out of a text, nothing infinite."""

    model_config = ConfigDict(strict=True, frozen=True, allow_inf_nan=False)


class Key(Block):
    """Which cell it is."""

    variant: str
    model: str
    quantization: str
    techniques: tuple[str, ...] = ()
    device: str
    task: str
    scenario: str = SINGLE_STREAM

    @property
    def place(self) -> Place:
        """Where it lies."""
        return Place(self.variant, self.device, self.task, self.scenario)

    @property
    def native(self) -> bool:
        """Whether its variant is its model as published."""
        return self.quantization == "native" or self.variant == self.model
