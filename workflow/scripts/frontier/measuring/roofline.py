"""The limits of the machine that is about to time requests, measured once for each machine.

A program of its own measures them (measure_ceilings.py), before anything is loaded: its memory and
its settings are not those of the measurement, and its code is no part of what the measurement
depends on. They are recorded with the session, since only the process that times requests knows on
which host of a cluster it runs.
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

from frontier.machine import ceilings, hardware
from frontier.results.part import Ceilings
from frontier.serving import servers
from frontier.specs.measure import MeasureSpec

PROGRAM = Path(__file__).resolve().parents[2] / "measure_ceilings.py"
LONGEST_S = 120.0
"""Time after which measuring them is given up."""


def limits(
    spec: MeasureSpec, threads: int | None, folder: Path | None, job_bytes: int | None = None
) -> Ceilings:
    """The limits of this host's device, or the reason why they are unknown.

    `job_bytes`: the memory of this job, beyond which its scheduler ends all of it.
    """
    device, most = spec.device, spec.max_background_cores
    if device.accelerator == "remote":
        return Ceilings(missing="an endpoint's hardware is unknown")
    if folder is None:
        return Ceilings(missing="not measured: measure.py was started without --machines")
    if importlib.util.find_spec("torch") is None:
        return Ceilings(missing="not measured: torch is not in the engine's environment")
    threads = threads or hardware.cores()
    known = ceilings.identity(device.accelerator, threads, device.gpus)
    found = ceilings.stored(folder, known, most)
    if found is None:
        if job_bytes is not None and job_bytes < ceilings.LEAST_FREE_BYTES:
            return Ceilings(missing=f"not measured: the job has only {job_bytes / 1e9:.1f} GB")
        servers.end_kept()  # it holds the device
        if missing := _measure(spec, threads, folder):
            return Ceilings(missing=f"not measured: {missing}")
        found = ceilings.stored(folder, known, float("inf"))
    if found is None:
        return Ceilings(missing="not measured: the machine's description changed meanwhile")
    return Ceilings.of(found)


def _measure(spec: MeasureSpec, threads: int, folder: Path) -> str | None:
    """Runs the program; returns the reason if it fails."""
    given = {
        "accelerator": spec.device.accelerator,
        "threads": threads,
        "gpus": spec.device.gpus,
        "folder": folder,
        "max-background-cores": spec.max_background_cores,
    }
    options = [part for name, one in given.items() for part in (f"--{name}", str(one))]
    try:
        done = subprocess.run(
            [sys.executable, str(PROGRAM), *options],
            capture_output=True, text=True, check=False, timeout=LONGEST_S,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return f"not finished after {LONGEST_S:.0f} s"
    except OSError as error:
        return f"the program did not start: {error.strerror}"
    if done.returncode == 0:
        return None
    said = done.stderr.strip().splitlines()
    return (said[-1] if said else f"ended with {done.returncode}").removeprefix("error: ")[:200]
