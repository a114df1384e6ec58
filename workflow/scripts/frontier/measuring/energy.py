"""The energy that a machine uses while requests are timed, by its own counters.

Counters are read between requests, as those of processor time are, so a request's energy is that of
its window: the average power between two readings at least WINDOW_S apart, for as long as the
request took. In between a thread reads them too, so that none wraps around unseen, with the GPUs'
use. It waits at least PERIOD_S, and so long that reading takes less than MOST_SHARE of the time.
"""

from __future__ import annotations

import platform
import statistics
import threading
import time
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Self

from frontier.meters import (
    METERS,
    Counter,
    Energized,
    Meter,
    NoCounterError,
    Use,
    unknown_part,
)
from frontier.results.session import GpuUse, Metered

PERIOD_S = 1.0
MOST_SHARE = 0.01
"""The most of a processor's time that the thread may take."""
REST_S = 2.0
"""The time without a request over which the power at rest is measured."""
MOST_WATTS = 3_000.0
"""The most power of one counter; above it a counter has not wrapped around but started again, as
after a suspend."""
PARTS: Mapping[str, tuple[Energized, ...]] = {"cpu": ("cpu",), "remote": ()}
"""The parts that work for an accelerator; for others both."""
AT_REST = "the model loaded, before the first request"


def used(before: Counter, now: Counter, seconds: float) -> float | None:
    """The joules between two readings of a counter that wraps around at most once meanwhile.

    None if it went back without wrapping around: it has started again.
    """
    joules = now.joules - before.joules
    if joules < 0 and now.wraps_at is not None:
        joules += now.wraps_at
        if joules > MOST_WATTS * seconds:
            return None
    return joules if joules >= 0 else None


class Energy:
    """Sums the counters of the parts of a machine that work for an accelerator."""

    def __init__(self, accelerator: str, meters: Sequence[Meter] | None = None) -> None:
        """Opens the `meters` (None: those of this machine); reads nothing yet."""
        system = platform.system()
        self._parts = PARTS.get(accelerator, ("cpu", "gpu"))
        self._missing = {one: unknown_part(one, system, accelerator) for one in self._parts}
        self._meters: list[Meter] = []
        self._showing: list[Meter] = []  # the use of GPUs, which may count no energy
        self._names: dict[Energized, str] = {}
        self._rest: dict[str, float] = {}
        self._before: dict[tuple[Meter, str], tuple[Counter, float]] = {}
        self._joules: dict[tuple[Meter, str], float] = {}
        self._uses: list[Use] = []
        self._reading_s = self._own_s = 0.0
        self._began_s: float | None = None
        self._lasted_s = 0.0
        self._lock, self._ended = threading.Lock(), threading.Event()
        self._thread: threading.Thread | None = None
        if meters is None:
            meters = [one() for one in METERS.all().values()] if self._parts else []
        for meter in meters:
            self._open(meter, meter.parts(system, accelerator) & {*self._parts})

    def _open(self, meter: Meter, parts: AbstractSet[Energized]) -> None:
        if not parts:
            return
        try:
            meter.open()
        except NoCounterError as error:
            self._missing |= dict.fromkeys(parts, str(error))
        else:
            self._meters.append(meter)
            for part in parts:
                del self._missing[part]
                self._names[part] = meter.COUNTS
        if meter.use():
            self._showing.append(meter)
        elif meter not in self._meters:
            meter.close()

    def read(self) -> dict[Energized, float]:
        """The joules of each part since the first reading; without parts that are not counted."""
        with self._lock:
            for meter in list(self._meters):
                self._add(meter)
            return self._totals()

    def _add(self, meter: Meter) -> None:
        """Adds what a meter's counters have counted since they were read last."""
        now_s = time.monotonic()
        try:
            counters = [one for one in meter.read() if one.part in self._names]
        except NoCounterError as error:
            self._lose(meter, str(error))
            return
        for one in counters:
            key = meter, one.name
            before, then_s = self._before.get(key, (one, now_s))
            joules = used(before, one, now_s - then_s)
            if joules is None:
                self._lose(meter, f"{meter.COUNTS}: a counter started again")
                return
            self._before[key] = one, now_s
            self._joules[key] = self._joules.get(key, 0.0) + joules

    def _lose(self, meter: Meter, reason: str) -> None:
        """Gives a meter up, for good: half a measurement is none."""
        self._meters.remove(meter)
        if meter not in self._showing:
            meter.close()
        for part in [one for one, counts in self._names.items() if counts == meter.COUNTS]:
            self._give_up(part, reason)

    def _give_up(self, part: Energized, reason: str) -> None:
        self._missing[part] = reason
        self._names.pop(part, None)
        self._rest.pop(part, None)

    def _totals(self) -> dict[Energized, float]:
        found = dict.fromkeys(self._names, 0.0)
        for key, joules in self._joules.items():
            part = self._before[key][0].part
            if part in found:
                found[part] += joules
        return found

    def rest(self, seconds: float = REST_S) -> Metered:
        """Measures the power at rest, where anything is counted; a counter that stands still is
        none."""
        if self._meters:
            before, began_s = self.read(), time.monotonic()
            earlier = dict(self._joules)
            time.sleep(seconds)
            after, lasted_s = self.read(), time.monotonic() - began_s
            for key, joules in self._joules.items():
                counter = self._before[key][0]
                if counter.needed and counter.part in self._names and joules == earlier.get(key):
                    words = f"{key[0].COUNTS}: {counter.name} stands still"
                    self._give_up(counter.part, words)
            self._rest = {
                part: (after[part] - before[part]) / lasted_s
                for part in self._names
                if part in after and part in before
            }
        return self.facts()

    def __enter__(self) -> Self:
        """Starts the thread, if there is anything to read."""
        if self._meters or self._showing:
            self._ended.clear()
            self._began_s = time.monotonic()
            self._thread = threading.Thread(target=self._sample, daemon=True)
            self._thread.start()
        return self

    def __exit__(self, *_raised: object) -> None:
        """Ends the thread, and reads once more."""
        self._ended.set()
        if self._thread:
            self._thread.join()
        if self._began_s is not None:
            self._lasted_s = time.monotonic() - self._began_s

    def _sample(self) -> None:
        wait_s = PERIOD_S
        while not self._ended.wait(wait_s):
            began_s = time.monotonic()
            self.read()
            with self._lock:
                self._uses += [use for meter in self._showing if (use := meter.use())]
            took_s = time.monotonic() - began_s
            wait_s = max(PERIOD_S, took_s / MOST_SHARE)
            self._own_s = time.thread_time()

    def close(self) -> None:
        """Closes the meters."""
        for meter in {*self._meters, *self._showing}:
            meter.close()
        self._meters, self._showing = [], []

    def facts(self) -> Metered:
        """The counters of each part, the power at rest, and the cost of reading until now."""
        return Metered(
            counts={str(part): name for part, name in self._names.items()},
            missing={str(part): reason for part, reason in self._missing.items()},
            rest_watts={str(part): watts for part, watts in self._rest.items()},
            at_rest=AT_REST if self._rest else None,
            own_share=self._own_s / self._lasted_s if self._lasted_s else None,
            gpu=_summary(self._uses),
        )


def _summary(uses: Sequence[Use]) -> GpuUse | None:
    """The GPUs' use over all readings; None without any."""
    if not uses:
        return None
    clocks = [one.clock_mhz for one in uses]
    return GpuUse(
        readings=len(uses),
        busy=statistics.fmean(one.busy for one in uses),
        clock_mhz=statistics.median(clocks),
        lowest_clock_mhz=min(clocks),
        highest_clock_mhz=max(clocks),
        watts=statistics.fmean(one.watts for one in uses),
    )
