"""The utilization of the arithmetic units while tokens are generated."""

from __future__ import annotations

from frontier.figures import Figure, Measured, Needs, Values
from frontier.figures.common import utilization


class Mfu(Figure):
    """The share of its peak at which a device multiplies while it decodes.

    2 x parameters x tokens / time / peak rate: a multiplication and an addition for each parameter,
    of experts for each active one, and nothing for attention. Low by nature where one request is
    answered at a time, which reads all weights for one token: see MBU. The rate is that of the
    precision of activations, also for quantized weights. Source of the count: Kaplan et al.,
    "Scaling laws for neural language models" (2020), section 2.1; of the share: Chowdhery et al.,
    "PaLM" (2022), appendix B.
    """

    ORDER = 104
    NEEDS = Needs.LATENCIES
    COLUMNS = utilization.columns(
        "mfu",
        "model FLOPs utilization in decoding: 2 x parameters x tokens / time",
        "peak rate in the precision of activations",
    )

    def values(self, measured: Measured) -> Values:
        """The shares; None without further tokens, the number of parameters or the limit."""
        parameters = utilization.parameters(measured)
        if parameters is None:
            return {}
        work = [(one, 2 * parameters * n, s) for one, n, s in utilization.tokens(measured)]
        return utilization.shares("mfu", work, utilization.limits_of_matrices(measured))
