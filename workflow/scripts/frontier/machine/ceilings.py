"""The limits of a machine: how fast it reads memory, and how fast it multiplies matrices.

They are those that torch reaches, which the vendors' figures are not: a device that reads 90 % of
its nominal bandwidth is at its limit. Source of the idea: Williams, Waterman and Patterson,
"Roofline: an insightful visual performance model", CACM 52 (2009).
"""

from __future__ import annotations

import hashlib
import json
import platform
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Literal

import psutil

from frontier.errors import UserError
from frontier.host import caches
from frontier.host.files import write_json
from frontier.machine import conditions, hardware, packages, torch_devices
from frontier.machine.limits import free_bytes
from frontier.values import read_json

Accelerator = Literal["cpu", "cuda", "rocm", "mps", "xpu"]
VERSION = 2
"""Raised where another way to measure gives other figures."""
BYTES = 2**30
"""The bytes that are read at once: several times the largest cache of most processors."""
LEAST_FREE_BYTES = 3 * BYTES
"""Free memory of the host without which nothing is measured: torch takes some as well."""
SIDE = {"cpu": 1024, "cuda": 8192, "mps": 4096, "xpu": 8192}
"""The side of the square matrices that are multiplied, by torch's name of the accelerator."""
SMALL_SIDE = 256
"""The side where a precision is so slow, as half precision is on many processors, that one product
of the larger ones would take more than SLOW times LEAST_S."""
SLOW = 3.0
DTYPES = ("float32", "bfloat16", "float16")
LEAST_S = 0.3
"""The time for which each is repeated; the best repetition counts, as others are disturbed."""
AGAIN_S = 300.0
"""The time after which a machine is measured again that others disturbed."""
BUSY = ("user", "nice", "system", "irq", "softirq")  # a guest's time is part of the user's


def identity(accelerator: str, threads: int, gpus: int) -> dict[str, Any]:
    """Everything that the limits depend on, as far as it can be known.

    The host's name is in it as a digest, so that hosts that share a folder, as in a cluster, never
    take each other's limits, however alike they are.
    """
    return {
        "version": VERSION,
        "host": hashlib.sha256(platform.node().encode()).hexdigest()[:16],
        "accelerator": accelerator,
        "threads": threads,
        "gpus": gpus,
        "hardware": hardware.describe(),
        "power": conditions.read(accelerator).power,
        "packages": packages.versions(["torch"]),
    }


def place(folder: Path, known: dict[str, Any]) -> Path:
    """The file of the limits with this identity: its name is the identity's digest."""
    digest = hashlib.sha256(json.dumps(known, sort_keys=True).encode()).hexdigest()
    return caches.shared_path(folder) / f"{digest[:16]}.json"


def stored(folder: Path, known: dict[str, Any], most_foreign: float) -> dict[str, Any] | None:
    """The limits with this identity from their file in `folder`.

    None if there is none, if it was altered, or if other processes used more than `most_foreign`
    cores while it was measured; on a machine that stays busy, measuring it for every job is in
    vain, so such limits are only replaced after AGAIN_S.
    """
    path = place(folder, known)
    if not path.exists():
        return None
    value = read_json(path)
    if not isinstance(value, dict) or value.get("identity") != known:
        return None
    found = value.get("ceilings")
    if not isinstance(found, dict):
        return None
    calm = found.get("foreign_cores", 0.0) <= most_foreign
    return found if calm or 0 <= time.time() - path.stat().st_mtime < AGAIN_S else None


def cached(
    folder: Path, accelerator: Accelerator, threads: int, gpus: int, most_foreign: float
) -> tuple[Path, dict[str, Any]]:
    """The limits from their file in `folder`, measured unless it has them for this very machine.

    Raises UserError if too little memory is free, or if torch finds other GPUs than the driver.
    """
    known = identity(accelerator, threads, gpus)
    path = place(folder, known)
    with caches.locked(path):  # another job of this host may be measuring the same
        found = stored(folder, known, most_foreign)
        if found is None:
            if (free := free_bytes()) < LEAST_FREE_BYTES:
                raise UserError(f"too little memory to measure the machine: {free / 1e9:.1f} GB")
            found = measured(accelerator, threads)
            if accelerator != "cpu" and found["gpus"] != gpus:
                raise UserError(f"torch finds {found['gpus']} GPU(s) instead of {gpus}")
            write_json(path, {"identity": known, "ceilings": found})
    return path, found


def measured(
    accelerator: Accelerator, threads: int, size: int = BYTES, least_s: float = LEAST_S
) -> dict[str, Any]:
    """Measures the limits: the keys of `Ceilings` (frontier/results/part.py). Takes seconds.

    `size`: the bytes to read at once. Several GPUs are measured one after the other, and summed.
    """
    import torch

    torch.set_num_threads(threads)
    reads: list[float] = []
    rates: dict[str, float] = dict.fromkeys(DTYPES, 0.0)
    with torch.inference_mode(), _foreign() as foreign:
        for name in torch_devices.devices(accelerator):
            reads.append(_read_gb_s(torch.device(name), size, least_s))
            for dtype in DTYPES:
                rates[dtype] += _tflop_s(torch.device(name), dtype, size, least_s)
    return {
        "read_gb_s": sum(reads),
        "matrix_tflop_s": rates,
        "gpus": len(reads) if accelerator != "cpu" else 0,
        "foreign_cores": foreign[0],
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "torch": torch.__version__,
    }


@contextmanager
def _foreign() -> Iterator[list[float]]:
    """Fills the list with the number of cores that other processes use in the block."""

    def now() -> tuple[float, float, float]:
        times = psutil.cpu_times()
        busy_s = sum(getattr(times, name, 0.0) for name in BUSY)
        return busy_s, time.process_time(), time.monotonic()

    found: list[float] = []
    before = now()
    yield found
    busy_s, own_s, wall_s = (end - start for start, end in zip(before, now(), strict=True))
    found.append(max(0.0, (busy_s - own_s) / wall_s))


def _read_gb_s(device: Any, size: int, least_s: float) -> float:
    """The rate of a sum or of a matrix times a vector, whichever reads faster."""
    import torch

    side = int((size / 4) ** 0.5)
    weights = torch.ones((side, side), device=device)
    reads = (weights.sum, partial(torch.mv, weights, torch.ones(side, device=device)))
    best = min(_best_s(one, device, least_s / 2) for one in reads)
    return weights.nbytes / best / 1e9


def _tflop_s(device: Any, dtype: str, size: int, least_s: float) -> float:
    """The rate of multiplying matrices: a multiplication and an addition are two operations."""
    import torch

    def seconds(side: int, least_s: float) -> float:
        matrix = torch.rand((side, side), device=device).to(getattr(torch, dtype))
        return _best_s(partial(torch.mm, matrix, matrix), device, least_s)

    side = min(SIDE[device.type], int((size / 4) ** 0.5))
    small = min(SMALL_SIDE, side)
    if seconds(small, 0.0) * (side / small) ** 3 > SLOW * least_s > 0:
        side = small
    return 2 * side**3 / seconds(side, least_s) / 1e12


def _best_s(work: Callable[[], Any], device: Any, least_s: float) -> float:
    """The shortest time of several repetitions, the first one left out."""
    times: list[float] = []
    ends = time.perf_counter() + least_s
    while len(times) < 2 or time.perf_counter() < ends:
        began = time.perf_counter()
        work()
        torch_devices.synchronize(device.type, device)
        times.append(time.perf_counter() - began)
    return min(times[1:])
