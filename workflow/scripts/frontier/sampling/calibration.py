"""Calibration texts: prompts and references of tasks, from rows that no task is tested on."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from frontier import templates
from frontier.sampling import drawing
from frontier.sampling.drawing import SampleSpec


class Draw(BaseModel):
    """Texts of one task."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    task: str
    prompt: str
    sample: SampleSpec
    """The task's own sample, whose loader and loader's keys are used."""
    tested: tuple[SampleSpec, ...]
    """The samples of all tasks of the dataset, whose rows are excluded."""


class CalibrationSpec(BaseModel):
    """The specification of calibrate.py."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    size: int = Field(gt=0)
    seed: int = 0
    draws: tuple[Draw, ...] = Field(min_length=1)


def texts(draw: Draw, dataset: Path, size: int, seed: int) -> Iterable[str]:
    """`size` prompts, each followed by its reference, from rows that are in no sample.

    Raises UserError if the dataset has too few rows outside its samples.
    """
    tested = {row.id for sample in draw.tested for row in sample.rows(dataset)}
    left = (row for row in draw.sample.all_rows(dataset) if row.id not in tested)
    for row in drawing.sample(left, size, seed):
        yield f"{templates.fill(draw.prompt, row.fields)} {row.reference}"
