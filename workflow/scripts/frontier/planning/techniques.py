"""Whether a variant can run with its techniques: what is impossible is refused before any job."""

from __future__ import annotations

from itertools import combinations

from frontier.catalogue.entries import Catalogue, Task
from frontier.errors import Reason
from frontier.planning.drafting import why_not_drafted
from frontier.planning.placement import Placement
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
        head_dim=_head_dim(found),
        asks="choose" if task.choices else "generate",
        scenario=scenario,
        samples=task.samples is not None,
        environment=found.environment,
        experts=found.model.active_parameters is not None,
    )
    for one in found.techniques:
        if reason := _alone(one, found, context):
            return reason
    if reason := why_not_drafted(found, catalogue):
        return reason
    for one, other in combinations(found.techniques, 2):
        if one.kind == other.kind:
            return f"{one.kind} twice: the second would replace the first"
        if one.SPECULATES and other.SPECULATES:
            return f"{one.kind} and {other.kind} would each draft the next tokens"
        if reason := one.clashes(other) or other.clashes(one):
            return reason
        here = [not found.engine.runs_technique(block_of(each)) for each in (one, other)]
        if any(here) and (reason := _both(one, other)):
            return reason
    return None


def _head_dim(found: Placement) -> int | None:
    """The size of a model's attention heads, if known before the checkpoint is fetched."""
    grow = found.model.grow
    return grow.hidden // grow.heads if grow else found.model.head_dim


def _alone(one: Technique, found: Placement, context: Context) -> Reason | None:
    """The reason why a technique cannot run in a cell, whatever the others are."""
    if not one.CHOOSES and context.asks == "choose":
        return f"{one.kind} changes only how texts are generated, and nothing is generated here"
    if reason := one.pointless(context):
        return reason
    if found.engine.runs_technique(block_of(one)):
        return None
    if context.engine not in one.ENGINES:
        return f"{found.device.engine} has no {one.kind} with these keys"
    if context.scenario not in one.SCENARIOS:
        return f"{context.engine} does not run {one.kind} in the scenario {context.scenario}"
    return one.unsupported(context)


def _both(one: Technique, other: Technique) -> Reason | None:
    """The reason why two techniques do not run together in this process, by what they replace."""
    for cached, speculating in ((one, other), (other, one)):
        if cached.OWN_CACHE and speculating.SPECULATES:
            return f"the cache of {cached.kind} cannot take back what {speculating.kind} drafts"
    if one.OWN_CACHE and other.OWN_CACHE:
        return f"{one.kind} and {other.kind} each bring a cache of their own"
    return None
