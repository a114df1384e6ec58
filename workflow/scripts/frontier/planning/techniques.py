"""Whether a variant can run with its techniques: what is impossible is refused before any job."""

from __future__ import annotations

from itertools import combinations

from frontier.catalogue.entries import Catalogue, Task
from frontier.errors import Reason
from frontier.planning.placement import Placement, placed
from frontier.techniques import Context, Technique, block_of


def why_not_with(
    found: Placement, catalogue: Catalogue, task: Task, scenario: str
) -> Reason | None:
    """The reason why a variant's techniques cannot run in a cell; None if they can."""
    context = Context(
        engine=found.engine.kind,
        accelerator=found.device.accelerator,
        dtype=found.dtype,
        quantizer=found.quantizer.method,
        architecture=found.architecture,
        asks="choose" if task.choices else "generate",
        scenario=scenario,
        samples=task.samples is not None,
    )
    for one in found.techniques:
        if reason := _alone(one, found, context):
            return reason
        if reason := _draft(one, found, catalogue):
            return reason
    for one, other in combinations(found.techniques, 2):
        if reason := one.clashes(other) or other.clashes(one) or _same(one, other):
            return reason
    return None


def _alone(one: Technique, found: Placement, context: Context) -> Reason | None:
    """The reason why a technique cannot run in a cell, whatever the others are."""
    if not one.CHOOSES and context.asks == "choose":
        return f"{one.kind} changes only how texts are generated, and nothing is generated here"
    if found.engine.runs_technique(block_of(one)):
        return None
    if context.engine not in one.ENGINES:
        return f"{found.device.engine} has no {one.kind} with these keys"
    if context.scenario not in one.SCENARIOS:
        return f"{context.engine} does not run {one.kind} in the scenario {context.scenario}"
    return one.unsupported(context)


def _draft(one: Technique, found: Placement, catalogue: Catalogue) -> Reason | None:
    """The reason why a technique's second model cannot be loaded next to the first."""
    if one.draft_model is None:
        return None
    draft = catalogue.models[one.draft_model]
    if draft.applied:
        return f"its draft, {one.draft_model}, has an adapter, which is not loaded with it"
    device = next(name for name, other in catalogue.devices.items() if other == found.device)
    reason = placed(catalogue, one.draft_model, "native", device).unsupported()
    if reason:
        return f"its draft, {one.draft_model}: {reason}"
    if draft == found.model:
        return f"{one.draft_model} is the model itself, which is no draft of its own"
    return None


def _same(one: Technique, other: Technique) -> Reason | None:
    """The reason why two techniques of a kind, or with a draft each, do not run together."""
    if one.kind == other.kind:
        return f"{one.kind} twice: the second would replace the first"
    if one.draft_model and other.draft_model:
        return f"{one.kind} and {other.kind} would each load a draft"
    return None
