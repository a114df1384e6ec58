"""Catalogue × study -> cells, each planned or left out with a reason. Runs nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property, partial
from typing import NamedTuple

from frontier import scenarios as scenario_kinds
from frontier.catalogue.checking import one_of, scenarios
from frontier.catalogue.devices import Device
from frontier.catalogue.entries import Catalogue, Task
from frontier.catalogue.ids import SINGLE_STREAM
from frontier.engine_block import Asked, Part
from frontier.errors import Reason, UserError, did_you_mean
from frontier.planning import chat_files
from frontier.planning.drafting import draft_bytes, why_no_model
from frontier.planning.placement import Placement, kv_cache_bytes, placed
from frontier.planning.techniques import why_not_with
from frontier.results.key import Key
from frontier.results.layout import Place
from frontier.text import shown

MARGIN_BYTES = 1_000_000_000  # activations, workspaces and the runtime's own context

HostMemory = Callable[[str, int], int | None]


@dataclass(frozen=True, order=True)
class Cell:
    """A variant on a device at a task, and whether it can be measured."""

    variant: str
    model: str
    quantization: str
    device: str
    task: str
    outcome: str = "planned"
    reason: str | None = None
    techniques: tuple[str, ...] = ()
    scenario: str = SINGLE_STREAM

    @property
    def name(self) -> str:
        """VARIANT/DEVICE/TASK, followed by .SCENARIO unless that is single-stream."""
        return self.place.name

    @property
    def key(self) -> Key:
        """The names that identify it, as in its files."""
        return Key(**{name: getattr(self, name) for name in Key.model_fields})

    @cached_property
    def place(self) -> Place:
        """The cell's place in results/."""
        return Place(self.variant, self.device, self.task, self.scenario)

    @property
    def base(self) -> str:
        """The variant without its techniques, whose checkpoint it loads."""
        return variant_id(self.model, self.quantization)

    @property
    def planned(self) -> bool:
        """True if the cell will be measured."""
        return self.outcome == "planned"


def variant_id(model: str, quantization: str, techniques: Iterable[str] = ()) -> str:
    """MODEL for the native variant, else MODEL-QUANTIZATION; followed by +TECHNIQUE for each."""
    base = model if quantization == "native" else f"{model}-{quantization}"
    return "+".join((base, *techniques))


class Parts(NamedTuple):
    """The ids that a variant's name joins."""

    model: str
    quantization: str
    techniques: tuple[str, ...] = ()

    @property
    def base(self) -> str:
        """The variant without techniques, whose checkpoint it loads."""
        return variant_id(self.model, self.quantization)


def variants(catalogue: Catalogue) -> dict[str, tuple[str, str]]:
    """Every variant id of the catalogue, without techniques, with its model and quantization."""
    return {
        variant_id(model, quantization): (model, quantization)
        for model in catalogue.models
        for quantization in catalogue.quantizations
    }


def device_bytes(device: Device, host_memory: HostMemory) -> int | None:
    """A device's memory in bytes; None if this host does not have the device."""
    if device.accelerator == "remote":
        return None
    if device.memory_gb == "auto":
        return host_memory(device.accelerator, device.gpus)
    return round(device.memory_gb * 1e9)


def parts(catalogue: Catalogue, variant: str) -> Parts:
    """The parts of a variant's name. Raises UserError with the nearest name if one is unknown.

    No id has a "+", so the texts after one are techniques.
    """
    base, *techniques = variant.split("+")
    for name in techniques:
        one_of(name, catalogue.techniques, f"variant {shown(variant)}: technique")
    if len({*techniques}) < len(techniques):
        raise UserError(f"variant {shown(variant)}: has a technique twice")
    # Both may contain dashes, so each split is tried; listing all variants takes longer.
    dashes = (place for place, letter in enumerate(base) if letter == "-")
    cuts = ((base[:dash], base[dash + 1 :]) for dash in dashes)
    for model, quantization in ((base, "native"), *cuts):
        known = model in catalogue.models and quantization in catalogue.quantizations
        if known and variant_id(model, quantization) == base:
            return Parts(model, quantization, tuple(techniques))
    raise UserError(f"unknown variant {shown(base)}{did_you_mean(base, variants(catalogue))}")


def why_not_asked(found: Placement, task: Task) -> Reason | None:
    """The reason why a variant on a device cannot be asked with a task's prompts; None if it can.

    A local checkpoint's chat template is read; a hub's only once it is fetched.
    """
    asks: Asked = "choose" if task.choices else "generate"
    if asks not in found.engine.asks:
        what = "the likelihood of a text" if task.choices else "generated texts"
        return f"{found.device.engine} does not give {what}, which {asks} in its asks would say"
    model, examples = found.model, task.shots is not None and task.shots.as_ == "turns"
    turns = examples or bool(task.follow_ups)
    parts: dict[Part, bool] = {
        "a system message": bool(task.system or model.system),
        "shots as turns": examples,
        "several turns": bool(task.follow_ups),
        "a beginning of the answer": task.answer_begins is not None,
    }
    reason = found.engine.why_not_asked(
        model.prompt, [one for one, there in parts.items() if there]
    )
    local = model.path and model.prompt == "chat" and not found.engine.renders_chats
    if reason or not local or not model.path or not (turns or task.answer_begins):
        return reason
    return chat_files.why_not(model.path, model, turns=turns, begins=bool(task.answer_begins))


def why_not_sampled(found: Placement, scenario: str) -> Reason | None:
    """The reason why a variant on a device cannot answer at random; None if it can."""
    if not found.engine.samples:
        return f"{found.device.engine} does not sample: it chooses the likeliest tokens only"
    if scenario != SINGLE_STREAM:
        return f"random answers are asked for one at a time, not in the scenario {scenario}"
    return None


def cell(catalogue: Catalogue, place: Place, host_memory: HostMemory) -> Cell:
    """The cell of that place. Raises UserError with the nearest name for an unknown id."""
    variant, device, task = place.variant, place.device, place.task
    model, quantization, techniques = parts(catalogue, variant)
    one_of(device, catalogue.devices, "device")
    one_of(task, catalogue.tasks, "task")
    one_of(place.scenario, scenarios(), "scenario")
    named = partial(
        Cell, variant, model, quantization, device, task,
        techniques=techniques, scenario=place.scenario,
    )  # fmt: skip
    found = placed(catalogue, model, quantization, device, techniques)
    reason = why_no_model(found.model) or found.unsupported()
    reason = reason or why_not_asked(found, catalogue.tasks[task])
    reason = reason or why_not_with(found, catalogue, catalogue.tasks[task], place.scenario)
    if place.scenario not in found.engine.scenarios:
        reason = f"{found.device.engine} does not support the scenario {place.scenario}"
    elif catalogue.tasks[task].choices and not scenario_kinds.load(place.scenario).CHOICES:
        reason = reason or scenario_kinds.NO_CHOICES
    if catalogue.tasks[task].samples:
        reason = reason or why_not_sampled(found, place.scenario)
    if catalogue.tasks[task].follow_ups and place.scenario != SINGLE_STREAM:
        reason = reason or scenario_kinds.NO_TURNS
    if reason:
        return named(outcome="unsupported", reason=reason)
    if found.engine.remote:
        return named()
    new = catalogue.tasks[task].new_tokens * catalogue.tasks[task].turns
    cache = kv_cache_bytes(found.model, found.engine, found.dtype, new)
    memory = device_bytes(found.device, host_memory)
    offloads = any(one.OFFLOADS for one in found.techniques)  # how much is known once it is loaded
    if found.weight_bytes is not None and memory is not None and not offloads:
        needed = found.weight_bytes + (cache or 0) + MARGIN_BYTES
        needed += draft_bytes(found, catalogue, new)
        if needed > memory:
            reason = f"needs {needed / 1e9:.1f} GB, device has {memory / 1e9:.1f} GB"
            return named(outcome="does-not-fit", reason=reason)
    return named()
