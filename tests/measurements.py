"""A measurement.json as measure.py writes it, but for what a test changes."""

from __future__ import annotations

from typing import Any

from frontier.results import layout
from frontier.results.measurement import Measurement
from frontier.results.session import Session

WARM_UP = {"requests": 8, "settled": True, "last_change": 0.01, "seconds": 1.5}


def session(number: int = 0, **facts: Any) -> dict[str, Any]:
    """A process that timed requests, after a warm-up."""
    return {
        "session": number, "started": f"2026-01-01T00:00:{number:02}", "request": None,
        "weights_sha256": None, "hardware": {"cpu": "Example"}, "packages": {"torch": "2.13.0"},
        "loaded": {"warmup": WARM_UP},
    } | facts  # fmt: skip


def a_session(**facts: Any) -> Session:
    """The same, as a journal has it."""
    return Session.of(session(**facts))


def measurement(**facts: Any) -> dict[str, Any]:
    """One that passes every gate."""
    return {
        "layout": layout.VERSION, "outcome": "measured", "reason": None, "dtype": "float32",
        "engine": "transformers", "environment": None, "start_s": 2.5, "threads": 2, "load_s": 1.5,
        "weights_bytes": 1_000_000, "quantized_layers": 21, "kv_bytes_per_token": 256,
        "kernel": None, "simulated": False, "random_weights": False, "room": None,
        "warmup": WARM_UP, "memory": {"device_peak_bytes": None, "host_peak_bytes": 9_000_000},
        "loaded_in": 0, "contention": {"foreign_cores": 0.05, "foreign_gpu_processes": None},
        "spec": {"task": {"prompt": "{sentence}\nIs it positive or negative?"}},
        "sessions": [session(0), session(1)], "requests": 40, "requests_sha256": "2" * 64,
        "sample_sha256": "3" * 64, "weights_sha256": "1" * 64,
    } | facts  # fmt: skip


def a_measurement(**facts: Any) -> Measurement:
    """The same, as it is read."""
    return Measurement.of(measurement(**facts))
