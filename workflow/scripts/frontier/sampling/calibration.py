"""Texts for quantizations that look at some: what tasks ask and expect, on rows not tested on."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from frontier.catalogue import templates
from frontier.sampling import drawing
from frontier.sampling.drawing import SampleSpec


class Draw(BaseModel):
    """Texts of one task."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    task: str
    prompt: str
    sample: SampleSpec
    """How the task's own sample is drawn; its loader and the loader's keys are used."""
    tested: tuple[SampleSpec, ...]
    """The samples of all tasks of the dataset: none of their rows becomes a text."""


class CalibrationSpec(BaseModel):
    """What calibrate.py is told besides its files."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    size: int = Field(gt=0)
    seed: int = 0
    draws: tuple[Draw, ...] = Field(min_length=1)


def texts(draw: Draw, dataset: Path, size: int, seed: int) -> Iterable[str]:
    """`size` prompts with their references behind them, of rows that no sample has.

    Raises UserError where the dataset has not so many rows beside its samples.
    """
    tested = {row.id for sample in draw.tested for row in sample.rows(dataset)}
    left = (row for row in draw.sample.all_rows(dataset) if row.id not in tested)
    for row in drawing.sample(left, size, seed):
        yield f"{templates.fill(draw.prompt, row.fields)} {row.reference}"
