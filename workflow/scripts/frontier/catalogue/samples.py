"""Several answers to each of a task's questions, sampled at random."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from frontier.blocks import Entry, Measure
from frontier.errors import UserError
from frontier.scorers import SCORERS, Scorer

Temperature = Annotated[float, Field(ge=0, le=10)]


class Samples(Entry):
    """Answers with random tokens instead of the likeliest ones."""

    count: Annotated[int, Field(gt=0, le=1000), Measure] = 1
    """Answers to each question."""
    temperature: Annotated[float, Field(gt=0, le=10), Measure]
    """The divisor of the logits: at 1 tokens have the model's own probabilities, below it likely
    ones are chosen more often."""
    strata: Annotated[dict[str, Temperature] | None, Measure] = None
    """Other temperatures of some strata, such as {math: 0}; at 0 the likeliest token is chosen."""
    top_p: Annotated[float, Field(gt=0, le=1), Measure] = 1.0
    """Only the likeliest tokens with this probability together are chosen from."""
    seed: Annotated[int, Field(ge=0, lt=2**32), Measure] = 0
    """Seed of the choices; each answer has its own, of this and its question. Servers may ignore
    it."""


def check_samples(samples: Samples | None, scorer: Scorer, where: str) -> None:
    """Raises UserError unless a scorer takes so many answers to each question, and needs no more.

    Others would count them as independent.
    """
    count = samples.count if samples else 1
    if count > 1 and not scorer.REPEATS:
        able = [name for name, kind in SCORERS.all().items() if kind.REPEATS]
        kind = SCORERS.name_of(type(scorer))
        raise UserError(
            f"{where}.samples.count: {kind} takes one answer to each question; several: "
            f"{', '.join(able)}"
        )
    if scorer.samples() > count:
        raise UserError(
            f"{where}.scorer: needs {scorer.samples()} answers to each question; samples.count is "
            f"{count}"
        )
