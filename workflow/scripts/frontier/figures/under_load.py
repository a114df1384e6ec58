"""The scenario `server`: the highest rate of arrivals that holds the limits, and times there."""

from __future__ import annotations

from frontier.figures import Figure, Measured, Values
from frontier.results.cell_load import Bound
from frontier.results.columns import ENDS, Column, with_interval
from frontier.stats.intervals import Estimate

TIMES = {
    "latency": "end-to-end latency from the scheduled arrival",
    "ttft": "time to first token from the scheduled arrival",
    "tpot": "time per output token",
}
QUANTILES = {"p50": "median", "p90": "90th percentile", "p99": "99th percentile"}
WHERE = "at max_rate_per_s (scenario server)"


def _quantile(time: str, quantile: str) -> tuple[Column, ...]:
    name = column(time, quantile)
    what = f"{QUANTILES[quantile]} of the {TIMES[time]}, {WHERE}; missing: too few requests"
    return (
        Column(name, "number", "s", what),
        *(
            Column(column(time, quantile, end), "number", "s", f"{text} of {name}", name)
            for end, text in ENDS.items()
        ),
    )


def column(time: str, quantile: str, end: str = "") -> str:
    """The column of a quantile, such as server_ttft_p99_s."""
    return "_".join(part for part in ("server", time, quantile, end, "s") if part)


class UnderLoad(Figure):
    """The highest rate at which the task's limits hold, by MLPerf's early stopping."""

    ORDER = 97
    COLUMNS = (
        Column(
            "max_rate_per_s",
            "number",
            "requests/s",
            "the highest rate of random arrivals at which the task's limits hold (scenario "
            "server); missing: at none, or not known",
        ),
        Column(
            "fails_at_per_s",
            "number",
            "requests/s",
            "the lowest rate above max_rate_per_s at which the limits are not known to hold",
        ),
        Column(
            "server_prompts",
            "text",
            "",
            "cached: the rates of arrivals repeat prompts, which the server had in its prefix "
            "cache, so these times are of cached prompts; may be cached: whether it has such a "
            "cache is not known; missing: it has none (scenario server)",
        ),
        *with_interval(
            "goodput_per_s", "requests/s", f"requests answered within both limits, {WHERE}"
        ),
        *(each for time in TIMES for quantile in QUANTILES for each in _quantile(time, quantile)),
    )

    def values(self, measured: Measured) -> Values:
        """The rate, and what was measured there."""
        if not measured.loads:
            return {}
        found: dict[str, Estimate | float | str | None] = {
            "max_rate_per_s": measured.loads.max_rate,
            "fails_at_per_s": measured.loads.fails_at,
            "server_prompts": measured.loads.prompts,
        }
        if best := measured.loads.best:
            found["goodput_per_s"] = _estimate(best.goodput)
            for time in TIMES:
                for name in QUANTILES:
                    found[column(time, name)] = _estimate(getattr(getattr(best, time), name))
        return found


def _estimate(bound: Bound | None) -> Estimate | None:
    return Estimate(bound.value, bound.low, bound.high, bound.method) if bound else None
