"""Texts for calibration: of the tasks' own kind, and on rows that none is tested on."""

from __future__ import annotations

from pathlib import Path

import pytest

from frontier.datasets.demo import Demo
from frontier.errors import UserError
from frontier.sampling import calibration
from frontier.sampling.calibration import Draw
from frontier.sampling.drawing import SampleSpec


def drawing(size: int = 200, seed: int = 0, **options: object) -> SampleSpec:
    """A sample of the demo's sums."""
    return SampleSpec(loader=Demo(grammar="arithmetic", **options), size=size, seed=seed)


def draw(*tested: SampleSpec) -> Draw:
    """Texts like the demo's sums."""
    return Draw(task="sums", prompt="{question} =", sample=drawing(), tested=tested)


def shown(sample: SampleSpec) -> set[str]:
    """The rows of a sample as texts."""
    return {f"{row.fields['question']} = {row.reference}" for row in sample.rows(Path())}


def test_no_text_is_tested() -> None:
    """Neither the task's sample nor another task's of the same dataset has one, however many."""
    samples = (drawing(), drawing(size=250, seed=5))
    texts = list(calibration.texts(draw(*samples), Path(), 64, 0))
    assert len(set(texts)) == 64
    for sample in samples:
        assert not shown(sample) & set(texts)
    everything = {
        f"{row.fields['question']} = {row.reference}" for row in drawing().all_rows(Path())
    }
    assert set(texts) <= everything


def test_the_same_every_time_and_others_with_another_seed() -> None:
    """Drawn by hash, as samples are."""
    one, same, other = (
        list(calibration.texts(draw(drawing()), Path(), 32, seed)) for seed in (0, 0, 1)
    )
    assert one == same
    assert one != other


def test_too_few_rows_beside_the_samples() -> None:
    """The rows that are left are counted, not those that there are."""
    with pytest.raises(UserError, match="64 was asked for, but there are only 50"):
        list(calibration.texts(draw(drawing(size=650)), Path(), 64, 0))
