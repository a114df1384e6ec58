"""The facts of a measurement: those of its checkpoint's lock, and of the session that loaded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from frontier import engines
from frontier.checkpoints import experts
from frontier.errors import Reason
from frontier.host import locks
from frontier.measuring import contention
from frontier.results.journal import Journal
from frontier.results.records import Record
from frontier.results.session import Loaded
from frontier.values import read_json


def lock_of(checkpoint: Path | None) -> dict[str, Any]:
    """The content of a checkpoint's lock; empty for a folder placed by hand, and without one."""
    lock = checkpoint and checkpoint / locks.NAME
    return read_json(lock) if lock and lock.exists() else {}


def failed_job(origin: dict[str, Any], draft: dict[str, Any]) -> tuple[str, Reason] | None:
    """The outcome that the job of a checkpoint, or of its draft, recorded as it failed."""
    for lock, whose in ((origin, ""), (draft, "its draft: ")):
        if "outcome" in lock:
            return lock["outcome"], f"{whose}{lock['reason']}"
    return None


def lock_facts(origin: dict[str, Any], loaded: engines.Loaded) -> dict[str, Any]:
    """The facts in a checkpoint's lock that only its job knows."""
    rounded = origin.get("simulated_bytes") is not None
    facts: dict[str, Any] = {
        "simulated": rounded or loaded.simulated,
        "random_weights": origin.get("random_weights", False),
    }
    if origin.get("zeros") is not None:
        facts["zeros"] = origin["zeros"]
    if "parameters" in origin:
        facts["parameters"] = origin["parameters"]
    if loaded.quantized_layers is None:
        facts["quantized_layers"] = origin.get("quantized_layers")
    if rounded:
        # The weights are only rounded; these are their bytes if they were packed.
        facts |= {"weights_bytes": origin["simulated_bytes"]}
        facts |= {"quantized_layers": origin["quantized_layers"]}
    return facts


def expert_facts(checkpoint: Path | None, loaded: engines.Loaded) -> dict[str, Any]:
    """The experts of a model, by its files and as its engine stores them; empty without any."""
    found, held = checkpoint and experts.of_checkpoint(checkpoint), loaded.experts
    if not found:
        return {}
    if held:  # of the same parameters as the files', in bytes that may be others
        parameters = held.parameters if found.parameters is None else found.parameters
        known = held.bytes is not None and parameters is not None
        missing = None if known else held.missing or found.missing
        found = replace(found, bytes=held.bytes, parameters=parameters, missing=missing)
    return {"experts": asdict(found)}


def loaded_in(journal: Journal, session: int | None, records: Sequence[Record]) -> dict[str, Any]:
    """The facts of a measurement from the session that loaded, if any, and over all sessions."""
    if session is None:
        return {"memory": None}
    run = journal.facts[session].loaded
    facts = {name: one for name, one in run.given().items() if name in Loaded.model_fields}
    if run.load_average:
        facts["contention"] = contention.summary(journal, records, run.load_average)
    return {**facts, "memory": journal.peaks(), "loaded_in": session}
