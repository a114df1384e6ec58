"""Estimates of the resources that a measuring job requests from a cluster; they grow per attempt.

They are generous, since a job that exceeds them is killed; unused resources only cost waiting time.
"""

from __future__ import annotations

from frontier.catalogue.entries import Task
from frontier.catalogue.models import Model
from frontier.planning.placement import Placement, kv_cache_bytes
from frontier.quantizers import BYTES
from frontier.scenarios import Scenario

RUNTIME_BYTES = 4_000_000_000  # Python, torch and its kernels, CUDA's context on the host
START_S = 300.0  # imports, warm-up, compilation
LOAD_BYTES_S = 200e6  # from a busy network disk
TOKEN_S = 0.03  # overhead of a token apart from reading the weights
BANDWIDTH_BYTES_S = {
    "cpu": 20e9,
    "cuda": 400e9,
    "rocm": 400e9,
    "xpu": 400e9,
    "mps": 60e9,
    "remote": 400e9,
}  # if the device gives none
SHARE = 0.2  # of the bandwidth that a poor kernel reaches
MINUTE_S = 60.0
PREPARATION_MINUTES = 240  # calibrating some ten billion parameters on a GPU; a guess


def native_bytes(model: Model) -> int:
    """Bytes of the checkpoint that is read; 0 if the number of parameters is not given."""
    return (model.parameters or 0) * BYTES[model.dtype]


def preparation_bytes(model: Model, attempt: int) -> int:
    """Host memory to quantize: the checkpoint, the result, and a temporary copy."""
    return int(attempt * (RUNTIME_BYTES + 2.5 * native_bytes(model)))


def _read_bytes(placement: Placement) -> int:
    """Bytes of the checkpoint that is read here; none of a model that an endpoint serves."""
    return 0 if placement.served else native_bytes(placement.model)


def host_bytes(
    placement: Placement, task: Task, attempt: int, draft: Placement | None = None
) -> int:
    """Host memory to measure: for loading the checkpoints, and on a CPU to hold them with a copy,
    and with the caches of a request.

    `draft`: the second model that a technique loads.
    """
    models = [placement, draft] if draft else [placement]
    on_cpu = placement.device.accelerator == "cpu"
    weights, copies = sum(map(_read_bytes, models)), 2.5 if on_cpu else 1.2
    caches = sum(_cache_bytes(one, task) for one in models) if on_cpu else 0
    return int(attempt * (RUNTIME_BYTES + copies * weights + caches))


def _cache_bytes(placement: Placement, task: Task) -> int:
    """Bytes of a request's key-value cache; 0 if they are unknown."""
    new = task.new_tokens * task.turns
    return kv_cache_bytes(placement.model, placement.engine, placement.dtype, new) or 0


def seconds(
    placement: Placement,
    task: Task,
    scenario: Scenario,
    *,
    paid: bool,
    draft: Placement | None = None,
) -> float:
    """Time to load, warm up and measure in a scenario, with all answers at full length.

    Each token reads all weights, those of a draft too.

    TPOT is at least weights / bandwidth; a poor kernel reaches a fifth of that.
    """
    models = [placement, draft] if draft else [placement]
    read = sum(map(_read_bytes, models))
    weights = sum(one.weight_bytes or _read_bytes(one) for one in models)
    gb_s = placement.device.bandwidth_gb_s
    bandwidth = gb_s * 1e9 if gb_s else BANDWIDTH_BYTES_S[placement.device.accelerator]
    token = TOKEN_S + weights / (SHARE * bandwidth)
    load = read / LOAD_BYTES_S
    each = task.new_tokens * token
    warmup = placement.device.warmup.maximum * each
    return START_S + load + warmup + scenario.seconds(task.requests, each, paid=paid)


def minutes(
    placement: Placement,
    task: Task,
    scenario: Scenario,
    attempt: int,
    draft: Placement | None = None,
) -> int:
    """The time to measure a cell in whole minutes, as clusters expect it."""
    whole = attempt * seconds(placement, task, scenario, paid=False, draft=draft)
    return int(-(-whole // MINUTE_S))
