"""The names and notes by which the report calls the blocks of the catalogue."""

from __future__ import annotations

from typing import Protocol

from pydantic import JsonValue

from frontier.catalogue.entries import Catalogue
from frontier.catalogue.question import Config
from frontier.planning.cells import variants
from frontier.results import bundles, layout
from frontier.results.layout import Place

REMOTE = (
    "An endpoint that runs elsewhere, on unknown hardware and software: those below are of the "
    "machine that asked it."
)
AXES = ("models", "quantizations", "techniques", "devices", "tasks")


class Labelled(Protocol):
    """A block that has a label for the report."""

    @property
    def label(self) -> str | None:
        """Its name there."""


def report_labels(catalogue: Catalogue, config: Config) -> dict[str, list[JsonValue]]:
    """The entries of the study's blocks by axis, and of those of added cells, in their order."""
    places = sorted(bundles.added_places(layout.RESULTS))
    added = _added(catalogue, places)
    found: dict[str, list[JsonValue]] = {
        axis: [
            {"id": name, **_shown(getattr(catalogue, axis)[name])}
            for name in dict.fromkeys([*config.study.ids(axis), *added.get(axis, [])])
        ]
        for axis in AXES
    }
    devices = dict.fromkeys(place.device for place in places)
    found["devices"] += (_added_device(catalogue, device) for device in devices)
    return found


def _added(catalogue: Catalogue, places: list[Place]) -> dict[str, list[str]]:
    """The models, quantizations and tasks of added cells that the catalogue has."""
    known = variants(catalogue) if places else {}
    pairs = [known[place.variant] for place in places if place.variant in known]
    return {
        "models": [model for model, _ in pairs],
        "quantizations": [quantization for _, quantization in pairs],
        "tasks": [place.task for place in places if place.task in catalogue.tasks],
    }


def _added_device(catalogue: Catalogue, device: str) -> dict[str, JsonValue]:
    """The entry of a device of added cells, DEVICE@NAME, labelled like our device."""
    own, name = device.split("@", 1)
    block = catalogue.devices.get(own)
    label = f"{(block and block.label) or own} ({name})"
    return {"id": device, "label": label, "note": f"Measured elsewhere, added as {name}."}


def _shown(block: Labelled) -> dict[str, JsonValue]:
    """A block's label in the report, and a note on it."""
    keys = {"licence": "licence", "served": "behind the name"}
    notes = [f"{words}: {one}" for key, words in keys.items() if (one := getattr(block, key, None))]
    if getattr(block, "accelerator", None) == "remote":
        notes = [REMOTE]
    shown: dict[str, JsonValue] = {"label": block.label, "note": "; ".join(notes) or None}
    licence = getattr(block, "licence", None)
    own: dict[str, JsonValue] = {"licence": licence} if licence else {}
    return {**shown, **own, **getattr(block, "attention_heads", {})}
