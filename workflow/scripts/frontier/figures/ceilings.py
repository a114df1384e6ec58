"""The origin of the measured limits of the machine."""

from __future__ import annotations

from frontier.figures import Figure, Measured, Needs, Values
from frontier.figures.common import utilization
from frontier.results.columns import Column

EARLIER = "missing: measured by an earlier release"


class CeilingsOfMachine(Figure):
    """The origin of the limits with which utilization is compared, or why there are none."""

    ORDER = 208
    NEEDS = Needs.MEASUREMENT
    CONDITION = True
    COLUMNS = (
        Column("ceilings", "text", "", "where the limits of the machine come from, or why none"),
    )

    def values(self, measured: Measured) -> Values:
        """The version of torch that reached them, or the reason if there are none."""
        found = utilization.ceilings(measured)
        if found is None or found.missing:
            return {"ceilings": f"missing: {found.missing}" if found else EARLIER}
        gpus = f", {found.gpus} GPU(s)" if found.gpus else ""
        return {"ceilings": f"measured with torch {found.torch}{gpus}"}
