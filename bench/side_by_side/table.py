"""The table: medians over rounds, and ratios ours / theirs, paired by round."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from frontier.stats.intervals import quantile_interval
from frontier.stats.passes import rate
from side_by_side.tools import Outcome, Tool

UNITS = {"wall": (1.0, "s"), "ttft": (1e3, "ms"), "tpot": (1e3, "ms"), "memory": (1e-6, "MB")}
NOTHING = "-"


@dataclass
class Row:
    """A tool and its runs, one a round; or the reason why it did not run."""

    tool: Tool
    runs: list[Outcome] = field(default_factory=list)
    reason: str = ""
    agreement: str = NOTHING
    score: str = NOTHING

    def values(self, name: str) -> list[float]:
        """A figure in each round; empty unless all have it."""
        found = [one.figures.get(name) for one in self.runs]
        return [one for one in found if one is not None] if None not in found else []


def number(value: float) -> str:
    """A number with three digits, or all before the point."""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def figure(row: Row, name: str) -> str:
    """The median over rounds, in the unit of its column."""
    values, (factor, _) = row.values(name), UNITS[name]
    return number(statistics.median(values) * factor) if values else NOTHING


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> str:
    """Ours over theirs, paired by round, with Student's t interval on the log scale."""
    if not ours or len(ours) != len(theirs):
        return NOTHING
    found = rate(ours, theirs)
    assert found.value is not None
    spread = f" [{found.low:.3f}, {found.high:.3f}]" if found.low and found.high else ""
    return f"{found.value:.3f}{spread}"


def others_share(row: Row, model_s: Sequence[float]) -> str:
    """The share of the whole time that is not the model's, the median over rounds."""
    shares = [
        1 - own / one.ran.wall_s
        for one, own in zip(row.runs, model_s, strict=False)
        if one.ran and own
    ]
    return f"{100 * statistics.median(shares):.0f} %" if shares else NOTHING


def model_seconds(row: Row, rows: Mapping[str, Row]) -> list[float]:
    """The model's time in each round: by the tool's own clock, else that of bare `generate`."""
    bare = rows.get("generate")
    found = [one.model_s or 0.0 for one in row.runs]
    if not any(found) and row.tool.answers and bare:
        return [one.model_s or 0.0 for one in bare.runs]
    return found


def lines(rows: Mapping[str, Row]) -> list[str]:
    """The table as markdown."""
    titles = ["tool", "whole, s", "ours / it", "not the model's", "TTFT, ms", "ours / it"]
    titles += ["TPOT, ms", "ours / it", "peak, MB", "ours / it", "same answers as ours", "score"]
    found = [titles, ["---"] * len(titles)]
    for row in rows.values():
        if row.reason:
            found.append([row.tool.name, f"not run: {row.reason}", *[""] * (len(titles) - 2)])
            continue
        ours = rows.get(row.tool.against)
        cells = [row.tool.name]
        for name in UNITS:
            own = ours.values(name) if ours and ours is not row and not ours.reason else []
            cells += [figure(row, name), ratio(own, row.values(name))]
            if name == "wall":
                cells.append(others_share(row, model_seconds(row, rows)))
        found.append([*cells, row.agreement, row.score])
    return ["| " + " | ".join(cells) + " |" for cells in found]


def both(rows: Mapping[str, Row]) -> str:
    """Ours over lm-evaluation-harness and optimum-benchmark, one after the other."""
    names = ("ours", "lm-eval", "optimum-benchmark")
    walls = [rows[name].values("wall") if name in rows else [] for name in names]
    if not all(walls):
        return NOTHING
    return ratio(walls[0], [first + second for first, second in zip(*walls[1:], strict=True)])


def in_turns(pairs: Sequence[Sequence[float]], place: int = 0) -> str:
    """The median of requests' ratios, our engine / bare `generate`, by order statistics."""
    ratios = [one[place] / one[place + 1] for one in pairs]
    found = quantile_interval(ratios, 0.5)
    if found is None or found.low is None or found.high is None:
        return NOTHING
    return f"{found.value:.4f} [{found.low:.4f}, {found.high:.4f}], {len(ratios)} pairs"
