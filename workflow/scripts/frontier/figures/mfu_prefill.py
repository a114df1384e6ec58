"""The utilization of the arithmetic units while prompts are read."""

from __future__ import annotations

from frontier import words
from frontier.figures import Figure, Measured, Needs, Values, heading
from frontier.figures.common import utilization


class MfuPrefill(Figure):
    """The share of its peak at which a device multiplies until the first token.

    2 x parameters x prompt tokens / TTFT / peak rate, as for `mfu`; the prompt tokens that a server
    took from its cache do not count. TTFT has the time of tokenizing, and of sending the request to
    a server, so short prompts give low shares.
    """

    ORDER = 106
    NEEDS = Needs.LATENCIES
    COLUMNS = utilization.columns(
        "mfu_prefill",
        "model FLOPs utilization in prefill: 2 x parameters x prompt tokens / TTFT",
        "peak rate in the precision of activations",
    )
    HEADINGS = (
        heading("MFU of prompts, of the measured limit", "mfu_prefill_measured", words.percent),
    )

    def values(self, measured: Measured) -> Values:
        """The shares; None without the number of parameters or the limit."""
        parameters = utilization.parameters(measured)
        if parameters is None:
            return {}
        work = [(one, 2 * parameters * n, s) for one, n, s in utilization.prompts(measured)]
        return utilization.shares("mfu_prefill", work, utilization.limits_of_matrices(measured))
