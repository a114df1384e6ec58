"""The conditions under which each device's cells were measured."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from frontier import words
from frontier.report.naming import Axis
from frontier.report.reading.gather import Provenance
from frontier.report.writing import tables
from frontier.text import visible


def conditions(provenance: Mapping[str, Provenance], devices: Axis) -> list[dict[str, Any]]:
    """The conditions of each device: each distinct set, flattened to name and text."""
    return [
        {
            "device": devices.label(device),
            "note": devices.notes.get(device),
            "sets": {
                name: [tables.flat(value) for value in found.values()]
                for name, found in provenance[device].conditions.items()
                if any(isinstance(value, dict) for value in found.values())
            },
            # Words and numbers: all that occurred, on one line.
            "settings": {
                name: visible("; ".join(map(str, found.values())), 2000)
                for name, found in provenance[device].conditions.items()
                if found and not any(isinstance(value, dict) for value in found.values())
            },
            "ranges": {
                name: words.interval(sorted(set(ends)))
                for name, ends in provenance[device].ranges.items()
            },
            "cells": provenance[device].cells,
        }
        for device in devices.ids
        if device in provenance
    ]
