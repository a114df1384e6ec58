"""Specifications between planning and the programs: what is built here is what is read there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydantic import BaseModel

from conftest import ROOT
from frontier.blocks import Decides
from frontier.catalogue import configuration
from frontier.catalogue.devices import Device
from frontier.catalogue.entries import Task
from frontier.catalogue.models import Model
from frontier.errors import UserError
from frontier.planning.steps import Steps
from frontier.specs.measure import MeasuredDevice, MeasuredModel, MeasuredTask, MeasureSpec
from frontier.specs.score import LeftOutSpec, ScoredDevice, ScoreSpec
from frontier.values import checked_spec


@pytest.fixture(scope="module")
def steps() -> Steps:
    """The steps of the demo's study and of one for GPUs."""
    catalogue = configuration.read_catalogue(ROOT / "config")
    study = configuration.read_study([ROOT / "config/quantization-tour.yaml"], [], catalogue)
    return Steps(catalogue, study, lambda *_: 64 * 10**9)


@pytest.mark.parametrize(
    ("block", "kind", "stage"),
    [
        (Model, MeasuredModel, "measure"),
        (Device, MeasuredDevice, "measure"),
        (Task, MeasuredTask, "measure"),
        (Device, ScoredDevice, "score"),
    ],
)
def test_a_specification_has_the_keys_that_decide(
    block: type[BaseModel], kind: type[BaseModel], stage: str
) -> None:
    """No more and no fewer: a new key of the catalogue reaches its program, or fails here."""
    deciding = {
        name
        for name, field in block.model_fields.items()
        if any(isinstance(mark, Decides) and mark.stage == stage for mark in field.metadata)
    }
    assert kind.model_fields.keys() == deciding


def test_programs_read_what_planning_has_built(steps: Steps) -> None:
    """Key for key, with the identity, for every cell of a study."""
    planned = [cell for cell in steps.cells if cell.planned]
    assert planned
    for cell in planned:
        measured, scored = steps.measure(cell), steps.score(cell)
        text = measured.spec_with_identity
        spec = checked_spec(text, MeasureSpec)
        assert spec.model_dump(mode="json", exclude_unset=True) == json.loads(text)
        assert (spec.digest, spec.request) == (measured.identity, measured.request)
        found = checked_spec(scored.spec_with_identity, ScoreSpec)
        assert found.identity
        assert found.identity.inputs == {"measurement": measured.identity}
    for cell in set(steps.cells) - set(planned):
        left_out = checked_spec(steps.score(cell).spec_with_identity, LeftOutSpec)
        assert (left_out.outcome, left_out.reason) == (cell.outcome, cell.reason)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"dtyp": "float32"}, "dtyp: Extra inputs are not permitted"),
        ({"task": {"prompt": "{a}", "stop": []}}, "task.max_new_tokens: Field required"),
        ({"engine": {"kind": "transformer", "options": {}}}, "did you mean 'transformers'"),
        ({"device": {"accelerator": "gpu"}}, "device.accelerator: Input should be 'cpu'"),
    ],
)
def test_a_specification_by_hand_is_checked(
    change: dict[str, object], words: str, steps: Steps
) -> None:
    """The error is one line that names the key."""
    cell = next(cell for cell in steps.cells if cell.planned)
    spec = steps.measure(cell).spec | change
    with pytest.raises(UserError, match=words):
        checked_spec(json.dumps(spec), MeasureSpec)


def test_no_program_reads_a_specification_by_its_keys() -> None:
    """Programs take their specifications as classes, but for what a scheduler gives."""
    for path in (Path(ROOT) / "workflow" / "scripts").glob("*.py"):
        assert "spec[" not in path.read_text(encoding="utf-8"), path
