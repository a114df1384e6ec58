"""The content of results/provenance.json: code, packages, machines and files of the results."""

from __future__ import annotations

import importlib.metadata
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from frontier.machine import hardware, surroundings
from frontier.results import layout
from frontier.results.cell import CellResult, Provenance, read_cell
from frontier.values import sha256

CONDITIONS = ("hardware", "surroundings", "packages")
"""The parts of a cell's provenance that cells share."""
AGAIN = ("requests", "changed", "because")
"""The figures of what was measured again, without their prefix."""
DIGESTS = ("sample_sha256", "weights_sha256")


def packages() -> dict[str, str]:
    """Every installed distribution and its version."""
    found = ((one.metadata["Name"], one.version) for one in importlib.metadata.distributions())
    return dict(sorted((name, version) for name, version in found if name))


def provenance(cells: Iterable[Path], files: Iterable[Path], **inputs: str) -> dict[str, Any]:
    """The content of provenance.json, without a time: the same results have the same.

    `rendered`: this process, which wrote tables and report. `conditions`: each distinct hardware,
    surroundings and packages of the measurements once, with the cells measured in them. `cells`:
    the digests of what each cell came from and of its files. `files`: those of this run's outputs.
    """
    conditions: dict[str, dict[str, Any]] = {}
    described: dict[str, dict[str, Any]] = {}
    for path in cells:
        cell, name = read_cell(path), layout.name_of(path)
        described[name] = _digests(cell, path)
        if cell.provenance:
            here = _conditions(cell.provenance)
            key = json.dumps(here, sort_keys=True)
            conditions.setdefault(key, {**here, "cells": []})["cells"].append(name)
    return {
        "layout": layout.VERSION,
        "rendered": {
            "hardware": hardware.describe(),
            "surroundings": surroundings.describe(),
            "packages": packages(),
        },
        "conditions": list(conditions.values()),
        "cells": described,
        "inputs": inputs,
        "files": {file.name: sha256(file) for file in files},
    }


def _conditions(found: Provenance) -> dict[str, Any]:
    """Null for a measurement of an earlier release, which did not record it."""
    return {name: getattr(found, name) or None for name in CONDITIONS}


def _digests(cell: CellResult, path: Path) -> dict[str, Any]:
    digests = {name: getattr(cell.provenance, name, None) for name in DIGESTS}
    return {
        "outcome": cell.outcome,
        "identity": cell.identity.digest if cell.identity else None,
        **digests,
        "requests_sha256": cell.requests_sha256,
        "table_sha256": cell.table_sha256,
        "json_sha256": sha256(path),
        "adopted": len(cell.adopted),
        "again": {name: cell.figures.get(f"repeated_{name}") for name in AGAIN},
    }
