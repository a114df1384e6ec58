"""The style of all charts: fonts, sizes, colours, shapes, and ticks of a log axis."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from frontier.report.naming import Naming

Json = dict[str, Any]
"""A part of a Vega-Lite specification."""

FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', 'Noto Sans CJK SC', sans-serif"
INK = "#1b1f24"
QUIET = "#5c6570"
FAINT = "#e6e9ed"
LINE = "#8a939e"
CONFIG: Json = {
    "font": FONT,
    "background": "white",
    # A reader's font may be wider than the one used here to measure labels.
    "padding": {"left": 14, "top": 6, "right": 12, "bottom": 6},
    # The whole image carries the description; a label on every mark would only repeat figures.
    "aria": False,
    "view": {"stroke": None},
    "axis": {
        "labelFontSize": 12, "titleFontSize": 12, "titleFontWeight": "normal",
        "labelColor": QUIET, "titleColor": QUIET, "gridColor": FAINT, "domainColor": LINE,
        "tickColor": LINE, "titlePadding": 8, "labelLimit": 170,
    },
    "legend": {
        "labelFontSize": 12, "titleFontSize": 12, "titleFontWeight": "normal",
        "labelColor": INK, "titleColor": QUIET, "orient": "bottom", "labelLimit": 190,
        "symbolSize": 80, "symbolStrokeWidth": 0, "direction": "horizontal", "columnPadding": 14,
        "symbolOpacity": 1, "offset": 12,
        # Vega's setting, which Vega-Lite passes on although its schema lacks it: stacked.
        "layout": {"bottom": {"direction": "vertical", "anchor": "start", "margin": 8}},
    },
    "title": {
        "anchor": "start", "fontSize": 14, "fontWeight": 600, "color": INK, "offset": 10,
        "limit": 400, "subtitleFontSize": 12, "subtitleColor": QUIET, "subtitlePadding": 4,
    },
}  # fmt: skip
LEGEND_WIDTH = 460  # pixels; a wider legend would shrink the chart
LETTER, SYMBOL = 6.3, 34  # the width of a letter, and of a symbol with its padding


def _unique(items: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(items))


def _quantizations(naming: Naming, variants: Sequence[str], **more: Any) -> Json:
    """The legend of the quantizations present; one for colour and shape if they are equal."""
    present = _unique(naming.quantization(variant) for variant in variants)
    return {"values": present, "columns": _columns(present), **more}


def _columns(labels: Sequence[str]) -> int:
    """The number of legend columns that fit below a chart; a wider legend would shrink it."""
    widest = min(max(map(len, labels), default=1) * LETTER, CONFIG["legend"]["labelLimit"])
    return max(1, min(4, int(LEGEND_WIDTH // (widest + SYMBOL))))


def colour(naming: Naming, variants: Sequence[str], legend: bool = True) -> Json:
    """The encoding of colour, with a legend of the models present, or of the quantizations."""
    if naming.several_models:
        label, field, title = naming.model, "model", "Model"
        present = _unique(naming.model(variant) for variant in variants)
        shown = {"values": present, "columns": _columns(present), "symbolType": "circle"}
    else:
        label, field, title = naming.quantization, "quantization", "Quantization"
        shown = _quantizations(naming, variants)
    every = {label(variant): naming.colour(variant) for variant in naming.variants}
    return nominal(field, title=title, scale=_scale(every), legend=shown if legend else None)


def shape(naming: Naming, variants: Sequence[str], legend: bool = True) -> Json:
    """Encoding of the field `quantization`: the study's shapes, a legend of those present."""
    every = {naming.quantization(variant): naming.shape(variant) for variant in naming.variants}
    grey = {"symbolFillColor": QUIET} if naming.several_models else {}
    return nominal(
        "quantization",
        title="Quantization",
        scale=_scale(every),
        legend=_quantizations(naming, variants, **grey) if legend else None,
    )


def _scale(every: Mapping[str, str]) -> Json:
    return {"domain": list(every), "range": list(every.values())}


def nominal(field: str, **more: Any) -> Json:
    """The encoding of a field of names."""
    return {"field": field, "type": "nominal", **more}


def quantitative(field: str, **more: Any) -> Json:
    """The encoding of a field of numbers."""
    return {"field": field, "type": "quantitative", **more}


def log_ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Round numbers between two positive ones, for a logarithmic axis: at most about `most`."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    for steps in ((1, 1.5, 2, 3, 4, 5, 6, 7, 8, 9), (1, 2, 3, 5, 7), (1, 2, 5), (1, 3), (1,)):
        ticks = [step * 10.0**power for power in range(first, last + 1) for step in steps]
        inside = [tick for tick in ticks if low <= tick <= high]
        if len(inside) <= most:
            break
    if len(inside) >= 2:
        return inside
    step = 10.0 ** math.floor(math.log10((high - low) / 3)) if high > low else low
    while (high - low) / step > most:
        step *= 2
    return [step * count for count in range(math.ceil(low / step), math.floor(high / step) + 1)]


def log_domain(values: Iterable[float | None], room: float = 0.08) -> tuple[float, float]:
    """The ends of a logarithmic axis over positive values, with room at both ends."""
    known = [value for value in values if value is not None and value > 0]
    low, high = min(known), max(known)
    pad = max(room * math.log(high / low), math.log(1.1))
    return low * math.exp(-pad), high * math.exp(pad)


def log_x(field: str, values: Sequence[float | None], title: str | None, most: int = 6) -> Json:
    """A logarithmic x axis over `values`."""
    domain = log_domain(values)
    ticks = [float(f"{tick:.6g}") for tick in log_ticks(*domain, most)]
    return quantitative(
        field,
        title=title,
        scale={"type": "log", "domain": list(domain), "nice": False},
        axis={"values": ticks, "format": "~r", "grid": True},
    )
