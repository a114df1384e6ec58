"""The measured limits of the machine."""

from __future__ import annotations

from frontier.figures import Figure, Measured, Needs, Values
from frontier.figures.common import utilization
from frontier.results.columns import Column


class CeilingRates(Figure):
    """The limits with which utilization is compared: those that torch reaches on this host.

    Measured once for each machine, before the first model is loaded: a sum over 1 GiB or a matrix
    times a vector, and products of square matrices; the best of several repetitions.
    """

    ORDER = 108
    NEEDS = Needs.MEASUREMENT
    COLUMNS = (
        Column("ceiling_read_gb_s", "number", "GB/s", "rate at which torch reads memory"),
        Column(
            "ceiling_tflop_s",
            "number",
            "TFLOP/s",
            "rate at which torch multiplies matrices in the precision of activations",
        ),
    )

    def values(self, measured: Measured) -> Values:
        """The limits; None where `ceilings` has a reason."""
        found = utilization.ceilings(measured)
        if found is None or found.missing:
            return {}
        return {
            "ceiling_read_gb_s": found.read_gb_s,
            "ceiling_tflop_s": found.matrix_tflop_s.get(measured.measurement.dtype),
        }
