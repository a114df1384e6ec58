"""The use of processors and GPUs by other processes while requests are timed.

Counters are read between requests and recorded with them, so that the load is known even for a
process that is killed.
"""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

import psutil

from frontier.machine import hardware
from frontier.measuring.conditions import Log
from frontier.measuring.energy import Energy
from frontier.results.part import LoadAverage
from frontier.results.recorded import Recorded
from frontier.results.records import Record
from frontier.results.session import Conditions, Contention, SessionLoad

WINDOW_S = 1.0
"""Kernels count in hundredths of a second: over shorter times the load is mostly rounding."""
OVERLAP = 0.01
"""The share by which requests one after another may seem longer than their window: two clocks."""
JOULES = ("cpu_joules", "gpu_joules")
GPU_EVERY_S = 5.0  # querying the driver may take as long as a request
BUSY = ("user", "nice", "system", "irq", "softirq")  # a guest's time is part of the user's


@dataclass(frozen=True)
class Reading:
    """Counters at one moment, in seconds: the host's, our processes', the clock's."""

    busy_s: float
    own_s: float
    clock_s: float
    gpu_processes: int | None = None
    """Other processes on our GPUs; None if not checked."""
    cpu_joules: float | None = None
    """The energy of the processors with their memory; None if not counted."""
    gpu_joules: float | None = None


class Watch:
    """Reads the counters while this process times requests."""

    def __init__(
        self, accelerator: str, own: Collection[int] = (), energy: Energy | None = None
    ) -> None:
        """Reads nothing yet; `own` are the further processes that do the work."""
        self.energy = energy
        self._used_s: dict[psutil.Process, float] = {}
        for pid in {*own} - {os.getpid()}:
            with suppress(psutil.NoSuchProcess):
                self._used_s[psutil.Process(pid)] = 0.0
        self._own = {os.getpid(), *own}
        self._accelerator, self._gpu_s = accelerator, -GPU_EVERY_S
        self._log = Log(accelerator)
        self.load_before = psutil.getloadavg()

    def read(self) -> Reading:
        """The current counters; the driver is queried only now and then."""
        times, clock_s = psutil.cpu_times(), time.monotonic()
        self._log.look(clock_s)
        busy_s = sum(getattr(times, name, 0.0) for name in BUSY)
        strangers: int | None = None
        if self._accelerator in hardware.MAKERS and clock_s - self._gpu_s >= GPU_EVERY_S:
            self._gpu_s = clock_s
            strangers = self._strangers()
        joules = self.energy.read() if self.energy else {}
        return Reading(
            busy_s, self._own_s(), clock_s, strangers, joules.get("cpu"), joules.get("gpu")
        )

    def _strangers(self) -> int | None:
        """The other processes on our GPUs; None if a driver does not list them."""
        found = [one.processes for one in hardware.gpus(self._accelerator)]
        known = [pids for pids in found if pids is not None]
        others = {pid for pids in known for pid in pids} - self._own
        return len(others) if len(known) == len(found) else None

    def _own_s(self) -> float:
        """The processor time of our processes; one that has ended keeps what it had."""
        for one in self._used_s:
            with suppress(psutil.NoSuchProcess):
                self._used_s[one] = sum(one.cpu_times()[:2])
        return time.process_time() + sum(self._used_s.values())

    def conditions(self) -> Conditions | None:
        """The machine's conditions from the first reading until now."""
        return self._log.summary(time.monotonic())

    def load_average(self) -> LoadAverage:
        """The host's load averages before and after."""
        return LoadAverage(before=self.load_before, after=psutil.getloadavg())


def loads(begun: Reading, ends: Sequence[Reading], cores: int) -> list[float]:
    """Cores that others used during each request of a process; `ends`: the readings after them.

    Requests that were answered together have the same reading. Requests share windows of
    WINDOW_S or more; the last window takes the rest. At most the host's `cores`, which a
    rounded counter over a short time could exceed.
    """
    return [
        load
        for count, start, end in windows(begun, ends)
        for load in [_foreign(start, end, cores)] * count
    ]


def windows(begun: Reading, ends: Sequence[Reading]) -> list[tuple[int, Reading, Reading]]:
    """The windows of a process's requests: how many each has, and the readings at its ends."""
    found: list[tuple[int, Reading, Reading]] = []
    waiting, start = 0, begun
    for end, together in groupby(ends):
        waiting += len(list(together))
        if end.clock_s - start.clock_s >= WINDOW_S:
            found.append((waiting, start, end))
            waiting, start = 0, end
    if waiting:
        before, start, _ = found.pop() if found else (0, begun, begun)
        found.append((before + waiting, start, ends[-1]))
    return found


def joules(start: Reading, end: Reading) -> dict[str, float | None]:
    """The energy between two readings; None where it was not counted at both, or not for WINDOW_S,
    in which a counter has hardly moved."""
    short = end.clock_s - start.clock_s < WINDOW_S
    pairs = {name: (getattr(start, name), getattr(end, name)) for name in JOULES}
    return {
        name: None if short or None in pair else pair[1] - pair[0] for name, pair in pairs.items()
    }


def energies(
    begun: Reading, ends: Sequence[Reading], seconds: Sequence[float]
) -> list[dict[str, float | None]]:
    """The energy of each request of a process, which took so many `seconds`, one after another.

    The average power of its window for as long as it took. None for requests that overlap: their
    energy has no parts.
    """
    found: list[dict[str, float | None]] = []
    for count, start, end in windows(begun, ends):
        taken, wall_s = seconds[len(found) : len(found) + count], end.clock_s - start.clock_s
        overlap = sum(taken) > wall_s * (1 + OVERLAP)
        whole = dict.fromkeys(JOULES) if overlap else joules(start, end)
        found += [
            {name: None if one is None else one * each / wall_s for name, one in whole.items()}
            for each in taken
        ]
    return found


def _foreign(start: Reading, end: Reading, cores: int) -> float:
    """The average number of cores that others used between two readings."""
    foreign_s = (end.busy_s - start.busy_s) - (end.own_s - start.own_s)
    wall_s = end.clock_s - start.clock_s
    return min(max(0.0, foreign_s / wall_s), float(cores)) if wall_s > 0 else 0.0


def with_loads(recorded: Recorded) -> list[Record]:
    """The records, each with the cores that others used meanwhile, and the energy.

    Records restored from a finished measurement have them already, and those of a session some of
    whose requests were asked again.
    """
    cores = psutil.cpu_count() or 1
    found: list[Record] = []
    for session, of in groupby(recorded.records, lambda record: record.session):
        records, begun = list(of), recorded.begun[session]
        if "busy_s" not in begun or all(one.foreign_cores is not None for one in records):
            found += records
            continue
        ends = [Reading(**recorded.ended[record.key]) for record in records]
        start = Reading(**begun)
        seconds = [record.end_ns / 1e9 for record in records]
        known = zip(records, loads(start, ends, cores), energies(start, ends, seconds), strict=True)
        found += [
            replace(
                record,
                foreign_cores=round(load, 3),
                cpu_joules=energy["cpu_joules"],
                gpu_joules=energy["gpu_joules"],
            )
            for record, load, energy in known
        ]
    return found


def strangers(recorded: Recorded, session: int) -> int | None:
    """The largest number of other processes seen on the GPUs in a session; None without a GPU."""
    own = (recorded.ended[one.key] for one in recorded.records if one.session == session)
    return _most(recorded.begun[session], *own)


def _most(*readings: dict[str, Any]) -> int | None:
    counts = (one.get("gpu_processes") for one in readings)
    return max((one for one in counts if one is not None), default=None)


def summary(
    recorded: Recorded, records: Sequence[Record], load_average: LoadAverage | None = None
) -> Contention:
    """The background load over all requests, weighted by time, and in each session with requests.

    `foreign_gpu_processes` is the largest number seen at any time; None without a GPU.
    """
    sessions: dict[int, list[Record]] = {}
    for record in records:
        sessions.setdefault(record.session, []).append(record)
    return Contention(
        load_average=load_average,
        foreign_cores=mean_load(records),
        sessions=tuple(
            SessionLoad(
                session=number,
                requests=len(own),
                foreign_cores=mean_load(own),
                foreign_gpu_processes=strangers(recorded, number),
            )
            for number, own in sorted(sessions.items())
        ),
        foreign_gpu_processes=_most(
            *(recorded.begun[number] for number in sessions), *recorded.ended.values()
        ),
    )


def mean_load(records: Sequence[Record]) -> float:
    """The average number of cores that others used during these requests; 0 without requests."""
    known = [(one.end_ns, one.foreign_cores) for one in records if one.foreign_cores is not None]
    time_ns = sum(end_ns for end_ns, _ in known)
    return sum(end_ns * load for end_ns, load in known) / time_ns if time_ns else 0.0
