"""The limits of a machine: how fast it reads memory, and how fast it multiplies matrices.

They are those that torch reaches, which the vendors' figures are not: a device that reads 90 % of
its nominal bandwidth is at its limit. Source of the idea: Williams, Waterman and Patterson,
"Roofline: an insightful visual performance model", CACM 52 (2009).
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

from frontier.host.files import write_json
from frontier.machine import hardware, packages
from frontier.values import read_json

Accelerator = Literal["cpu", "cuda", "mps"]
VERSION = 1
"""Raised where another way to measure gives other figures."""
BYTES = 2**30
"""What is read at once: several times the largest cache of a processor."""
SIDE = {"cpu": 1024, "cuda": 8192, "mps": 4096}
"""The side of the square matrices that are multiplied."""
DTYPES = ("float32", "bfloat16", "float16")
LEAST_S = 1.0
"""The time for which each is repeated; the best repetition counts, as others are disturbed."""


@dataclass(frozen=True)
class Ceilings:
    """The limits of this host's device."""

    read_gb_s: float
    """10^9 bytes per second, of a sum or of a matrix times a vector, whichever reads faster."""
    matrix_tflop_s: dict[str, float]
    """10^12 operations per second by precision; a multiplication and an addition are two."""


def identity(accelerator: Accelerator, threads: int) -> dict[str, Any]:
    """Everything that the limits depend on, as far as it can be known."""
    return {
        "version": VERSION,
        "accelerator": accelerator,
        "threads": threads,
        "hardware": hardware.describe(),
        "packages": packages.versions(["torch"]),
    }


def cached(folder: Path, accelerator: Accelerator, threads: int) -> tuple[Path, Ceilings]:
    """The limits from their file in `folder`, measured if there is none for exactly this machine.

    The file's name is the digest of what they depend on; one that was altered is measured again.
    """
    known = identity(accelerator, threads)
    digest = hashlib.sha256(json.dumps(known, sort_keys=True).encode()).hexdigest()
    path = folder / f"{digest[:16]}.json"
    if path.exists():
        value = read_json(path)
        if isinstance(value, dict) and value.get("identity") == known:
            return path, Ceilings(**value["ceilings"])
    found = measured(accelerator, threads)
    write_json(path, {"identity": known, "ceilings": asdict(found)})
    return path, found


def measured(
    accelerator: Accelerator, threads: int, size: int = BYTES, least_s: float = LEAST_S
) -> Ceilings:
    """Measures the limits; `size`: the bytes to read at once. Takes several seconds."""
    import torch

    torch.set_num_threads(threads)
    device = torch.device(accelerator)
    wait: Callable[[], Any] = {
        "cpu": lambda: None, "cuda": torch.cuda.synchronize, "mps": torch.mps.synchronize,
    }[accelerator]  # fmt: skip
    side = int((size / 4) ** 0.5)
    with torch.inference_mode():
        weights = torch.rand((side, side), device=device)
        vector = torch.rand(side, device=device)
        reads = (weights.sum, partial(torch.mv, weights, vector))
        best = min(_best_s(one, wait, least_s) for one in reads)
        read_gb_s = weights.nbytes / best / 1e9
        rates = {}
        for name in DTYPES:
            many = min(SIDE[accelerator], side)
            matrix = torch.rand((many, many), device=device).to(getattr(torch, name))
            best = _best_s(partial(torch.mm, matrix, matrix), wait, least_s)
            rates[name] = 2 * many**3 / best / 1e12
    return Ceilings(read_gb_s, rates)


def _best_s(work: Callable[[], Any], wait: Callable[[], Any], least_s: float) -> float:
    """The shortest time of several repetitions, the first one left out."""
    work()
    wait()
    times: list[float] = []
    ends = time.perf_counter() + least_s
    while not times or time.perf_counter() < ends:
        began = time.perf_counter()
        work()
        wait()
        times.append(time.perf_counter() - began)
    return min(times)
