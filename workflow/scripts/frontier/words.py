"""Figures as they appear in the report."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

MISSING = "–"
SIMULATED, RANDOM = "n/a (simulated)", "n/a (random weights)"
UNSCORED = "unscored"
WITHHELD = "withheld"
METRICS = {
    "accuracy": "accuracy",
    "bleu": "BLEU",
    "chrf2": "chrF2",
    "exact_match": "exact match",
    "f1": "F1",
    "rouge1": "ROUGE-1",
    "rouge2": "ROUGE-2",
    "rouge_l": "ROUGE-L",
    "rouge_lsum": "ROUGE-Lsum",
}


def metric(name: str | None) -> str:
    """A metric's name as written in prose."""
    return METRICS.get(name or "", (name or "score").replace("_", " "))


def natural(text: str) -> list[tuple[int, str]]:
    """The sort key by which "256 words" comes before "1024 words"."""
    parts = re.findall(r"([0-9]+)|([^0-9]+)", text)
    return [(int(digits), "") if digits else (-1, other) for digits, other in parts]


def number(value: float | None, digits: int = 3) -> str:
    """A number to so many significant digits, or that it is missing."""
    return MISSING if value is None else significant(value, digits)


def significant(value: float, digits: int = 3) -> str:
    """A number to `digits` significant digits, never in exponent form: 0.0142, 14.2, 1420."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    places = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    return f"{value:.{places}f}"


def time_unit(seconds: float) -> tuple[float, str]:
    """The factor and the unit for a time of this size."""
    return (1.0, "s") if seconds >= 1 else (1e3, "ms")


def seconds(value: float | None) -> str:
    """A time with its unit: 14.2 ms, 1.42 s."""
    if value is None:
        return MISSING
    factor, unit = time_unit(value)
    return f"{significant(value * factor)} {unit}"


def interval(ends: Sequence[float | None], digits: int = 3, places: int | None = None) -> str:
    """The ends of an interval, '?' for an unknown one; empty if both are unknown."""
    if all(end is None for end in ends):
        return ""
    written = (
        "?" if end is None else significant(end, digits) if places is None else f"{end:.{places}f}"
        for end in ends
    )
    return "–".join(written)


def seconds_interval(value: float, ends: Sequence[float | None]) -> str:
    """A time's interval in the unit of the time itself."""
    factor, _ = time_unit(value)
    return interval([None if end is None else end * factor for end in ends])


def score(points: float | None, proportion: bool) -> str:
    """A score in points: 92.5 % for a proportion, 72.3 otherwise."""
    if points is None:
        return MISSING
    return f"{points:.1f} %" if proportion else f"{points:.1f}"


def signed(points: float) -> str:
    """A change in points with its sign: +0.5, −12.0; none where it rounds to 0.0."""
    text = f"{points:+.1f}"
    return "0.0" if float(text) == 0 else text.replace("-", "−")


def signed_interval(low: float | None, high: float | None) -> str:
    """The ends of a change's interval: −15.2 to −6.1; empty if either is unknown."""
    return "" if low is None or high is None else f"{signed(low)} to {signed(high)}"


def p_value(p: float) -> str:
    """A p-value: p = .0003, p = .021, p = .21, p < .0001."""
    if p < 0.0001:
        return "p < .0001"
    if p >= 0.995:
        return "p = 1"
    places = 4 if p < 0.001 else 3 if p < 0.1 else 2
    return f"p = {p:.{places}f}".replace("0.", ".", 1)


def count(number: int, thing: str) -> str:
    """1 answer, 2 answers."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def percent(share: float | None) -> str:
    """A share as a whole percentage: 31 %; below 1 % with one significant digit."""
    if share is None:
        return MISSING
    return f"{100 * share:.0f} %" if share >= 0.01 else f"{significant(100 * share, 1)} %"


def ratio(value: float | None) -> str:
    """A ratio: ×0.86."""
    return MISSING if value is None else f"×{significant(value)}"


def size(count: float | None) -> str:
    """Bytes in decimal units: 13.5 GB."""
    if count is None:
        return MISSING
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= factor:
            return f"{significant(count / factor)} {unit}"
    return f"{count:.0f} B"


def unbroken(text: str) -> str:
    """Text with no-break spaces, so that figures, units and intervals stay on one line."""
    together = re.sub(r"(?<=\d) (?=(?:%|ms|s|points)(?!\w))", "\u00a0", text)
    together = re.sub(r"\bp ([=<]) (?=[.\d])", "p\u00a0\\1\u00a0", together)
    return re.sub(r"(?<=[\d?])–(?=[\d?])", "\u2060–\u2060", together)


def join(items: Sequence[str]) -> str:
    """a, b and c."""
    return " and ".join([", ".join(items[:-1]), items[-1]] if len(items) > 1 else items)
