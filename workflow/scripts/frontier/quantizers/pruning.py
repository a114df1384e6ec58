"""Pruning, simulated: the weights of least magnitude, or by Wanda's score, become zero."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import JsonValue, model_validator

from frontier.blocks import Measure
from frontier.errors import Reason
from frontier.quantizers import EngineFacts, Preparation, Target
from frontier.quantizers.common.pruned import Pruned


class Pruning(Pruned):
    """Keys of a `pruning` block."""

    CONVERSION = "pruning"

    score: Annotated[Literal["magnitude", "wanda"], Measure]
    """magnitude: |W|, compared within a matrix. wanda: |W| times the norm of the inputs that it
    multiplies, compared within a row."""
    calibration: Annotated[str | None, Measure] = None
    """Id of the texts whose inputs Wanda measures; magnitude needs none."""

    @model_validator(mode="after")
    def _texts_of_wanda(self) -> Self:
        if (self.score == "wanda") != (self.calibration is not None):
            raise ValueError("calibration, the id of texts, is required by wanda, and only by it")
        return self

    def unsupported(self, target: Target) -> Reason | None:
        """Rejects experts whose inputs cannot be observed, and rows as of 2:4."""
        if self.score == "wanda" and target.architecture == "mixtral":
            return "Wanda observes the inputs of layers; Mixtral's experts are in one parameter"
        return super().unsupported(target)

    def preparation(self, engine: EngineFacts, dtype: str) -> Preparation:
        """The job that prunes."""
        keys: dict[str, JsonValue] = {
            "score": self.score,
            "pattern": self.pattern,
            "sparsity": self.sparsity,
            "dtype": dtype,
        }
        return Preparation(self.CONVERSION, keys, calibration=self.calibration)
