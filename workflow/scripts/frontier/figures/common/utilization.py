"""Utilization: the share of a machine's limits that a model needs, at the speed that was measured.

The limits are the vendor's figures (`bandwidth_gb_s`, `tflop_s` of the device), and those that were
measured on the host (`Ceilings`). The work is what the model needs at least, not what the engine
does: padding, caches that are copied and rejected drafts are no use.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from frontier.figures import Measured
from frontier.results.columns import Column, with_interval
from frontier.results.part import Ceilings
from frontier.results.records import Record
from frontier.scoring.latency import dependence, in_order, over
from frontier.stats.intervals import Estimate
from frontier.stats.jackknife import LOG, jackknife

Work = Sequence[tuple[Record, float, float]]
"""Requests in order of time, each with its work in bytes or operations, and its seconds."""


def columns(name: str, what: str, nominal: str) -> tuple[Column, ...]:
    """The columns of a utilization against the nominal and the measured limit."""
    return (
        *with_interval(name, "fraction of the peak", f"{what} / {nominal}"),
        *with_interval(
            f"{name}_measured", "fraction", f"{what} / the rate that torch reaches on this host"
        ),
    )


def ceilings(measured: Measured) -> Ceilings | None:
    """The limits of the machine that timed the requests; None for an earlier release's cell.

    Unknown where sessions on several machines timed them, or where others were busy meanwhile.
    """
    measurement = measured.measurement
    asked = {one.session for one in measurement.asking}
    found = [one.loaded.ceilings for one in measurement.sessions if one.session in asked]
    found = found or [measurement.ceilings]
    known = [one for one in found if one is not None]
    if not known:
        return None
    if missing := next((one for one in known if one.missing), None):
        return missing
    if len(known) < len(found) or len({one.read_gb_s for one in known}) > 1:
        return Ceilings(missing="the requests were timed on several machines")
    most = measured.spec.device.max_background_cores
    if known[0].foreign_cores > most:
        busy = f"other processes used {known[0].foreign_cores:.1f} cores while they were measured"
        return Ceilings(missing=busy)
    return known[0]


def parameters(measured: Measured) -> float | None:
    """The parameters that a token is multiplied with: of experts only the active ones.

    By the catalogue, or by the checkpoint's files; None where neither has their number. All of a
    mixture's parameters are no such number.
    """
    model, measurement = measured.spec.model, measured.measurement
    if measurement.experts is None or model.active_share != 1.0:
        return model.parameters or measurement.parameters
    resting, every = measurement.experts.resting_parameters, measurement.parameters
    return None if resting is None or every is None else every - resting


def weights_of_a_step(measured: Measured) -> float | None:
    """The bytes of weights that a step of one request reads; None if they are not known.

    Of experts those of one token: a step of several requests reads as many at least, and at most
    all. Their bytes are counted, or else the catalogue's share of the parameters is used.
    """
    measurement, share = measured.measurement, measured.spec.model.active_share
    weights, experts = measurement.weights_bytes, measurement.experts
    if weights is None or (experts is None and share == 1.0):
        return weights
    if experts and experts.resting_bytes is not None:
        return weights - experts.resting_bytes
    return weights * share if share != 1.0 else None


def limits_of_memory(measured: Measured) -> tuple[float | None, float | None]:
    """The nominal and the measured rate of reading memory, in bytes per second."""
    nominal, known = measured.spec.device.bandwidth_gb_s, ceilings(measured)
    found = known.read_gb_s if known else None
    return nominal and nominal * 1e9, found and found * 1e9


def limits_of_matrices(measured: Measured) -> tuple[float | None, float | None]:
    """The nominal and the measured rate of multiplying matrices, in operations per second.

    That of the precision of activations, which is also a quantized model's: its weights are
    unpacked to it, or its kernels may be faster than this limit.
    """
    dtype, known = measured.measurement.dtype, ceilings(measured)
    nominal = measured.spec.device.tflop_s.get(dtype)
    found = known.matrix_tflop_s.get(dtype) if known else None
    return nominal and nominal * 1e12, found and found * 1e12


def shares(
    name: str, work: Work, limits: tuple[float | None, float | None]
) -> dict[str, Estimate | None]:
    """The work of all requests over their time, as a share of both limits, each with its interval.

    The rate of the totals, with a jackknife interval over requests.
    """
    found: dict[str, Estimate | None] = {}
    kept = [one for one in work if one[2] > 0]
    if not kept:
        return found
    totals = np.array([[amount, seconds] for _, amount, seconds in kept], dtype=np.float64)
    timed = dependence(totals[:, 1], [record for record, _, _ in kept])
    rate = jackknife(over, totals, scale=LOG, timed=timed).estimate
    for column, limit in zip((name, f"{name}_measured"), limits, strict=True):
        found[column] = scaled(rate, limit)
    return found


def scaled(rate: Estimate, limit: float | None) -> Estimate | None:
    """A rate as a share of a limit; None without one."""
    if not limit:
        return None
    value, low, high = (
        None if one is None else one / limit for one in (rate.value, rate.low, rate.high)
    )
    return Estimate(value, low, high, rate.method)


def prompts(measured: Measured) -> Work:
    """The requests with the tokens of their prompts, without cached ones, and their TTFT."""
    return [
        (one, one.prompt_tokens - (one.cached_tokens or 0), one.arrivals[0].ns / 1e9)
        for one in in_order(measured.records)
        if one.arrivals
    ]


def tokens(measured: Measured) -> Work:
    """The requests with the tokens after their first arrival, and the time that those took."""
    return [
        (one, later, (one.end_ns - one.arrivals[0].ns) / 1e9)
        for one in in_order(measured.records)
        if one.arrivals and (later := one.tokens - one.arrivals[0].tokens)
    ]
