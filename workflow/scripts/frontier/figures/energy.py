"""The energy of requests."""

from __future__ import annotations

from frontier import words
from frontier.figures import Figure, Measured, Values, heading
from frontier.figures.common import metering
from frontier.results.columns import Column, with_interval


def _columns(part: str, what: str) -> tuple[Column, ...]:
    return (
        *with_interval(
            f"{part}_joules_per_request", "J", f"energy of {what} for a request, by their counter"
        ),
        *with_interval(
            f"{part}_joules_per_token",
            "J",
            f"energy of {what} over the generated tokens, prompts' share included",
        ),
    )


class Energy(Figure):
    """The energy for a request and for a token: of a part of the whole machine, by its counter.

    Power at rest is part of it, and what other processes use meanwhile, so the cell must have
    passed the gates for them. A request's energy is the average power between two readings at least
    a second apart, for as long as it took. Counters do not see fans, disks and power supplies, and
    that of a GPU is right within about 5 %. Missing where there is no counter (`cpu_energy_counter`
    has the reason), and where requests overlap and are no complete passes.
    """

    ORDER = 122
    COLUMNS = (
        *_columns("cpu", "the processors with their memory"),
        *_columns("gpu", "the GPUs' boards"),
    )
    HEADINGS = (
        heading("CPU J/request", "cpu_joules_per_request", words.number),
        heading("GPU J/request", "gpu_joules_per_request", words.number),
    )

    def values(self, measured: Measured) -> Values:
        """The energy of each part; None unless it was counted for all requests."""
        found = {}
        for part in metering.PARTS:
            request, token = metering.per(measured, part)
            found[f"{part}_joules_per_request"] = request
            found[f"{part}_joules_per_token"] = token
        return found
