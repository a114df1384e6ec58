"""The report's spec: labels, order, colours and shapes of models, quantizations, devices, tasks.

Scenarios are named where a study has several.

A model has one colour, and a quantization with its techniques one shape, the same in every chart.
With a single model it has a colour as well: 9 colours and 16 shapes make 144 different marks.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any

from pydantic import BaseModel, ConfigDict

from frontier.catalogue.ids import SINGLE_STREAM
from frontier.catalogue.question import Weights
from frontier.results.outputs import Axes
from frontier.text import visible

# Okabe and Ito's colours for the colour-blind, without black and yellow, then three of Paul
# Tol's; they repeat after the last.
COLOURS = (
    "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#332288", "#882255",
    "#999933",
)  # fmt: skip
# Vega's own, then outlines in its square from -1 to 1; they repeat after the last.
SHAPES = (
    "circle", "square", "triangle-up", "diamond", "triangle-down", "cross", "triangle-right",
    "triangle-left",
    "M-1,-1L0,-.4L1,-1L.4,0L1,1L0,.4L-1,1L-.4,0Z",  # a star of four points
    "M-1,-1L1,-1L-1,1L1,1Z",  # an hourglass
    "M-1,-.35L1,-.35L1,.35L-1,.35Z",  # a horizontal bar
    "M-.35,-1L.35,-1L.35,1L-.35,1Z",  # a vertical bar
    "M-1,-1L-1,1L1,-1L1,1Z",  # a bow tie
    "M-1,-1L1,-1L1,-.3L.35,-.3L.35,1L-.35,1L-.35,-.3L-1,-.3Z",  # a T
    "M-1,-1L-.3,-1L-.3,.3L1,.3L1,1L-1,1Z",  # an L
    "M-.5,-1L.5,-1L1,0L.5,1L-.5,1L-1,0Z",  # a hexagon
)  # fmt: skip


class Named(BaseModel):
    """One entry of an axis of the study."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    id: str
    label: str | None = None
    note: str | None = None
    licence: str | None = None
    heads: int | None = None
    """A model's attention heads."""
    kv_heads: int | None = None
    """Those of them that have keys and values of their own."""

    @property
    def attention(self) -> str | None:
        """Multi-head, grouped-query or multi-query attention, by the heads; None if unknown."""
        if not self.heads or not self.kv_heads:
            return None
        if self.kv_heads == self.heads:
            return f"MHA, {self.heads} heads"
        kind = "MQA" if self.kv_heads == 1 else "GQA"
        return f"{kind}, {self.kv_heads} KV of {self.heads} heads"


class RenderSpec(BaseModel):
    """The specification of render.py. The lists give the order of display."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    title: str = "Fast enough, good enough"
    note: str | None = None
    models: tuple[Named, ...] = ()
    quantizations: tuple[Named, ...] = ()
    techniques: tuple[Named, ...] = ()
    devices: tuple[Named, ...] = ()
    tasks: tuple[Named, ...] = ()
    margin: float = 2.0
    weights: Weights = Weights()
    study: Axes | None = None


class Axis:
    """The ids of one axis in order of display: the spec's, then any others, sorted."""

    def __init__(self, named: Iterable[Named], found: Iterable[str]) -> None:
        entries = {entry.id: entry for entry in named}
        present = set(found)
        self.ids = [id_ for id_ in entries if id_ in present] + sorted(present - set(entries))
        self.entries = {id_: entries[id_] for id_ in self.ids if id_ in entries}
        self.notes = {id_: visible(entry.note) for id_, entry in entries.items() if entry.note}
        labels = {id_: visible(entry.label or id_, 80) for id_, entry in entries.items()}
        shared = Counter(labels.values())
        self._labels = {
            id_: label if shared[label] == 1 else f"{label} ({id_})"
            for id_, label in labels.items()
        }
        self._rank = {id_: rank for rank, id_ in enumerate(self.ids)}

    def label(self, id_: str) -> str:
        """The label of an id."""
        return self._labels.get(id_, visible(id_, 80))

    def rank(self, id_: str) -> int:
        """Its place in the order of display."""
        return self._rank[id_]


def techniques(row: Mapping[str, Any]) -> tuple[str, ...]:
    """The ids of the techniques of a row's variant, in their order."""
    return tuple(row["techniques"].split("+")) if row["techniques"] else ()


def way_of(row: Mapping[str, Any]) -> str:
    """The quantization and techniques of a row's variant, as one name."""
    return "+".join((row["quantization"], *techniques(row)))


class Naming:
    """Labels, order, colours and shapes of everything in a study.

    `rows` are rows of the study (see frontier.results.columns).
    """

    def __init__(self, spec: RenderSpec, rows: Iterable[Mapping[str, Any]]) -> None:
        cells = list(rows)
        self.models = Axis(spec.models, (row["model"] for row in cells))
        natives = [entry for entry in spec.quantizations if entry.id == "native"]
        quantized = [entry for entry in spec.quantizations if entry.id != "native"]
        self._plain = Axis(
            [*(natives or [Named(id="native")]), *quantized], (row["quantization"] for row in cells)
        )
        self._techniques = Axis(spec.techniques, (one for row in cells for one in techniques(row)))
        self.quantizations = self._ways(cells)
        """Quantizations, each alone and with the techniques that run with it."""
        self.devices = Axis(spec.devices, (row["device"] for row in cells))
        self.tasks = Axis(spec.tasks, (row["task"] for row in cells))
        ordered = (*(spec.study.scenarios if spec.study else ()), SINGLE_STREAM)
        self.scenarios = Axis(
            (Named(id=one) for one in ordered), (row["scenario"] for row in cells)
        )
        # Cells measured here come last, so that their names win over those from elsewhere.
        cells.sort(key=lambda row: "@" not in row["device"])
        self._variants = {row["variant"]: (row["model"], way_of(row)) for row in cells}

    def _ways(self, cells: Iterable[Mapping[str, Any]]) -> Axis:
        """The axis of quantizations and techniques, those without techniques first."""
        found = {way_of(row): (row["quantization"], techniques(row)) for row in cells}

        def place(way: str) -> tuple[int, list[int]]:
            quantization, names = found[way]
            return self._plain.rank(quantization), [self._techniques.rank(one) for one in names]

        named = []
        for way in sorted(found, key=place):
            quantization, names = found[way]
            labels = self._plain.label(quantization), *map(self._techniques.label, names)
            note = None if names else self._plain.notes.get(quantization)
            named.append(Named(id=way, label=" + ".join(labels), note=note))
        return Axis(named, found)

    @cached_property
    def variants(self) -> list[str]:
        """Every variant, by model and then quantization, native first."""
        return sorted(self._variants, key=self._variant_rank)

    def _variant_rank(self, variant: str) -> tuple[int, int, str]:
        model, quantization = self._variants[variant]
        return self.models.rank(model), self.quantizations.rank(quantization), variant

    def rank(self, row: Mapping[str, Any]) -> tuple[int, int, int, int]:
        """The sort key of a cell in the report: by task, scenario, device and variant."""
        axes = ("task", self.tasks), ("scenario", self.scenarios), ("device", self.devices)
        task, scenario, device = (axis.rank(row[name]) for name, axis in axes)
        return task, scenario, device, self._places[row["variant"]]

    @cached_property
    def _places(self) -> dict[str, int]:
        return {variant: place for place, variant in enumerate(self.variants)}

    def knows(self, variant: str) -> bool:
        """True if the study has a cell of a variant."""
        return variant in self._variants

    def model(self, variant: str) -> str:
        """The label of a variant's model."""
        return self.models.label(self._variants[variant][0])

    def attention(self, variant: str) -> str | None:
        """The kind of attention of a variant's model; None if it is not known."""
        entry = self.models.entries.get(self._variants[variant][0])
        return entry.attention if entry else None

    def quantization(self, variant: str) -> str:
        """The label of a variant's quantization and techniques."""
        return self.quantizations.label(self._variants[variant][1])

    def variant(self, variant: str) -> str:
        """A variant's label: its model's, unless native its quantization's, and its techniques."""
        quantization, *names = self._variants[variant][1].split("+")
        label = self.model(variant)
        if quantization != "native":
            label += f" {self._plain.label(quantization)}"
        return " + ".join((label, *map(self._techniques.label, names)))

    @property
    def several_scenarios(self) -> bool:
        """True if headings name the scenario."""
        return len(self.scenarios.ids) > 1

    def task(self, task: str, scenario: str) -> str:
        """The label of a task, followed by the scenario if there are several."""
        label = self.tasks.label(task)
        return f"{label} · {self.scenarios.label(scenario)}" if self.several_scenarios else label

    @property
    def several_models(self) -> bool:
        """True if colours distinguish models; otherwise they distinguish quantizations."""
        return len(self.models.ids) > 1

    def colour(self, variant: str) -> str:
        """The colour of its model, or of its quantization if there is only one model."""
        model, quantization = self._variants[variant]
        if self.several_models:
            return COLOURS[self.models.rank(model) % len(COLOURS)]
        return COLOURS[self.quantizations.rank(quantization) % len(COLOURS)]

    def shape(self, variant: str) -> str:
        """The shape of its quantization."""
        rank = self.quantizations.rank(self._variants[variant][1])
        return SHAPES[rank % len(SHAPES)]
