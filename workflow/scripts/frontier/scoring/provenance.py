"""The provenance of a cell, from its measurement."""

from __future__ import annotations

from typing import Any

from frontier.results.cell import Provenance
from frontier.results.measurement import Measurement


def provenance(measured: Measurement) -> dict[str, Any]:
    """The hardware and software of the generations."""
    last = measured.sessions[-1]
    shared = Provenance.model_fields.keys() & Measurement.model_fields.keys()
    return {
        **{name: one for name, one in measured.as_json().items() if name in shared},
        "hardware": last.hardware,
        "packages": last.packages,
        "surroundings": last.surroundings,
        "sessions": [one.as_json() for one in measured.asking],
        "servers": [one.as_json() for one in measured.servers],
        "repeatable": False if any(one.base_url for one in measured.servers) else None,
        "adopted": [one.as_json() for one in measured.adopted],
    }
