"""The choice of tokens."""

from __future__ import annotations

from frontier.figures.common.condition import Condition
from frontier.results.columns import Column
from frontier.results.measurement import Measurement


class Decoding(Condition):
    """The choice of each token: the likeliest, unless a task or an endpoint says otherwise."""

    ORDER = 205
    COLUMNS = (
        Column(
            "decoding",
            "text",
            "",
            "greedy: each token is the likeliest; sampled: at random, because the task says so, or "
            "an endpoint refuses another choice",
        ),
    )

    def value(self, measurement: Measurement) -> str:
        """The value, by what the requests asked for."""
        if found := measurement.samples:
            top = f", top-p {found.top_p:g}" if found.top_p < 1 else ""
            if found.strata:
                of = [f"{name} {one:g}" for name, one in found.strata.items()]
                return f"sampled, temperature {found.temperature:g} ({', '.join(of)}){top}"
            return f"sampled, temperature {found.temperature:g}{top}"
        return "greedy" if all(server.greedy for server in measurement.servers) else "sampled"
