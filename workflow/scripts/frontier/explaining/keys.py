"""The names that keys of recorded specifications have in config/*.yaml, where users write them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from frontier.catalogue.entries import Catalogue
from frontier.explaining.differences import Difference, Input, Key
from frontier.planning import cells
from frontier.planning.jobs import Job

# rule -> the start of a key in its specification -> the key in the catalogue
PLACES: dict[str, dict[tuple[str, ...], str]] = {
    "measure": {
        ("model",): "models/{model}", ("quantization",): "quantizations/{quantization}",
        ("device",): "devices/{device}", ("engine",): "engines/{engine}",
        ("task",): "tasks/{task}", ("techniques",): "techniques",
    },
    "score": {
        ("scorer", "options"): "tasks/{task}/scorer", ("scorer",): "tasks/{task}/scorer",
        ("model", "prices"): "models/{model}/price_per_million_tokens",
        ("model",): "models/{model}", ("device",): "devices/{device}",
    },
    "sample": {
        ("loader", "kind"): "datasets/{dataset}/loader",
        ("loader", "options"): "tasks/{task}/sample",
        (): "tasks/{task}/sample",
    },
    "judge_requests": {(): "tasks/{task}/scorer"},
    "judge": {
        ("model",): "models/{model}", ("quantization",): "quantizations/{quantization}",
        ("device",): "devices/{device}", ("engine",): "engines/{engine}",
        ("task",): "tasks/{task}/scorer",
    },
    "fetch_dataset": {(): "datasets/{dataset}"},
    "grow_model": {(): "models/{model}/grow"},
    "fetch_model": {(): "models/{model}"},
    "fetch_adapter": {(): "models/{model}/adapter"},
    "grow_adapter": {(): "models/{model}/adapter/grow"},
    "merge_adapter": {(): "models/{model}/adapter"},
    "calibrate": {("draws",): "draws", (): "calibrations/{calibration}"},
    "quantize_model": {("options",): "quantizations/{quantization}"},
}  # fmt: skip


AXES = {
    "models": "MODEL", "quantizations": "QUANTIZATION", "engines": "ENGINE",
    "devices": "DEVICE", "tasks": "TASK", "datasets": "DATASET", "calibrations": "CALIBRATION",
}  # fmt: skip


def general(found: Iterable[Difference]) -> tuple[Difference, ...]:
    """The differences from `named`, without the names of models, tasks and devices."""
    return tuple(_general(one) for one in found)


def _general(one: Difference) -> Difference:
    match one:
        case Input(within=within):
            return replace(one, within=general(within))
        case Key(path=(axis, _, *rest)) if axis in AXES:
            return replace(one, path=(axis, AXES[axis], *rest))
    return one


def named(found: Iterable[Difference], job: Job, catalogue: Catalogue) -> tuple[Difference, ...]:
    """The differences of a job, with the catalogue's names for keys that it has."""
    names = dict(job.names)
    if "variant" in names:
        parts = cells.parts(catalogue, names["variant"])
        names |= {"model": parts.model, "quantization": parts.quantization}
    if "device" in names:
        names["engine"] = catalogue.devices[names["device"]].engine
    if "task" in names:
        names["dataset"] = catalogue.tasks[names["task"]].dataset
    return _named(found, job.rule, names)


def _named(
    found: Iterable[Difference], rule: str, names: Mapping[str, str]
) -> tuple[Difference, ...]:
    return tuple(_renamed(one, rule, names) for one in found)


def _renamed(one: Difference, rule: str, names: Mapping[str, str]) -> Difference:
    if isinstance(one, Input) and one.rule:
        return replace(one, within=_named(one.within, one.rule, names))
    return replace(one, path=_place(one.path, rule, names)) if isinstance(one, Key) else one


def _place(path: tuple[str, ...], rule: str, names: Mapping[str, str]) -> tuple[str, ...]:
    """A key's path in the catalogue; the path itself if that is unknown."""
    for start, place in PLACES.get(rule, {}).items():
        if path[: len(start)] == start:
            try:
                return (*place.format(**names).split("/"), *path[len(start) :])
            except KeyError:
                return path
    return path
