"""Energy: counters played by files and by a stand-in of the GPUs' driver, and their sums."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Set as AbstractSet
from itertools import accumulate, pairwise
from pathlib import Path
from typing import ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frontier.errors import UserError
from frontier.identity import SCRIPTS
from frontier.measuring import contention, energy
from frontier.measuring.contention import Reading, Watch
from frontier.measuring.energy import Energy, used
from frontier.meters import METERS, Counter, Energized, Meter, NoCounterError, Use
from frontier.meters.apple import Apple
from frontier.meters.rapl import Rapl
from standin_gpus import StandIns
from waiting import wait_until

RANGE_UJ = 262_143_328_850
LINUX = pytest.mark.skipif(platform.system() != "Linux", reason="RAPL's files are Linux's")


def zones(folder: Path, **micro: int) -> Path:
    """Powercap's folder: zones by name, each with the value of its counter."""
    for number, (name, value) in enumerate(micro.items()):
        zone = folder / f"intel-rapl:{number}"
        zone.mkdir(parents=True, exist_ok=True)
        (zone / "name").write_text(f"{name.replace('_', '-')}\n")
        (zone / "max_energy_range_uj").write_text(f"{RANGE_UJ}\n")
        (zone / "energy_uj").write_text(f"{value}\n")
    return folder


class Played(Meter):
    """A meter of both parts whose counters a test sets."""

    COUNTS: ClassVar[str] = "played"

    def __init__(self, *values: float, wraps_at: float | None = None) -> None:
        """Takes the values that the processors' counter has one after another."""
        self.values, self.wraps_at, self.reads = list(values), wraps_at, 0

    @staticmethod
    def parts(_system: str, accelerator: str) -> AbstractSet[Energized]:
        """The processors of any machine."""
        return {"cpu"}

    def open(self) -> None:
        """Is always there."""

    def read(self) -> tuple[Counter, ...]:
        """The next value, and the last one for ever."""
        self.reads += 1
        value = self.values.pop(0) if len(self.values) > 1 else self.values[0]
        return (Counter("cpu", "all", value, self.wraps_at),)

    def use(self) -> Use | None:
        """The use of a GPU that it seems to have."""
        return Use(0.5, 1000 + self.reads, 200.0)


@pytest.mark.parametrize("name", METERS.names())
def test_contract(name: str) -> None:
    """A meter says what it counts and where, and closes whether or not it could be opened."""
    meter: Meter = METERS.load(name)()
    assert meter.COUNTS
    for accelerator in ("cpu", "cuda", "mps", "remote"):
        for system in ("Linux", "Darwin", "Windows"):
            assert meter.parts(system, accelerator) <= {"cpu", "gpu"}
    assert not meter.parts("Linux", "remote"), "an endpoint's hardware is elsewhere"
    meter.close()


def test_each_part_has_one_meter() -> None:
    """No part is counted twice on any machine."""
    for system in ("Linux", "Darwin"):
        for accelerator in ("cpu", "cuda", "mps"):
            found = [
                part for one in METERS.all().values() for part in one.parts(system, accelerator)
            ]
            assert len(found) == len(set(found))


def test_packages_and_memory_are_counted_but_not_their_parts(tmp_path: Path) -> None:
    """Cores are parts of a package, and the platform has all of them."""
    rapl = Rapl(zones(tmp_path, package_0=3_000_000, core=2_000_000, dram=500_000, psys=9_000_000))
    rapl.open()
    assert {one.name: one.joules for one in rapl.read()} == {
        "intel-rapl:0 package-0": 3.0,
        "intel-rapl:2 dram": 0.5,
    }
    assert [one.needed for one in rapl.read()] == [True, False]


@pytest.mark.parametrize("micro", [{}, {"core": 1}, {"dram": 1}])
def test_without_a_package_there_is_no_counter(tmp_path: Path, micro: dict[str, int]) -> None:
    """Memory or cores alone are not the processors: a virtual machine has no more."""
    with pytest.raises(NoCounterError, match="no RAPL counter"):
        Rapl(zones(tmp_path, **micro)).open()


@LINUX
def test_a_forbidden_counter_is_a_reason() -> None:
    """Since 2020 only root may read it; as root, this test is another user meanwhile."""
    with tempfile.TemporaryDirectory() as name:
        folder = zones(Path(name), package_0=1)
        folder.chmod(0o755)
        (folder / "intel-rapl:0/energy_uj").chmod(0)
        root = os.geteuid() == 0
        try:
            if root:
                os.seteuid(65534)
            with pytest.raises(NoCounterError, match="energy_uj: Permission denied"):
                Rapl(folder).open()
        finally:
            if root:
                os.seteuid(0)


@LINUX
def test_what_cannot_be_read_is_missing_with_the_reason(tmp_path: Path) -> None:
    """Neither 0 nor an error: the measurement continues without it."""
    zones(tmp_path, package_0=1)
    (tmp_path / "intel-rapl:0/energy_uj").unlink()
    (tmp_path / "intel-rapl:0/energy_uj").mkdir()
    found = Energy("cpu", [Rapl(tmp_path)])
    facts = found.rest(0)
    assert found.read() == {}
    assert facts.counts == facts.rest_watts == {}
    assert facts.at_rest is None
    assert "energy_uj: Is a directory" in facts.missing["cpu"]


@LINUX
@pytest.mark.parametrize("text", ["", "-1", "1.5", "many", "٣" * 3])
def test_a_counter_that_is_no_number_is_a_reason(tmp_path: Path, text: str) -> None:
    """Any file may have anything in it."""
    zones(tmp_path, package_0=1)
    (tmp_path / "intel-rapl:0/energy_uj").write_text(text, encoding="utf-8")
    with pytest.raises(NoCounterError, match=r"not a (number|text)"):
        Rapl(tmp_path).open()


@LINUX
def test_files_that_wrap_around_are_summed(tmp_path: Path) -> None:
    """A counter passes the end of its range: from shortly before it to shortly behind its start."""
    zones(tmp_path, package_0=RANGE_UJ - 2_000_000)
    found = Energy("cpu", [Rapl(tmp_path)])
    assert found.read() == {"cpu": 0.0}
    time.sleep(0.1)  # 5 J are less than 3 kW of it
    zones(tmp_path, package_0=3_000_000)
    assert found.read()["cpu"] == pytest.approx(5.0)


def test_a_counter_that_starts_again_is_given_up() -> None:
    """A suspend sets it to 0; as if it had wrapped around, that would be much energy."""
    for meter in (Played(50_000, 1, 2, wraps_at=262_143), Played(50_000, 1, 2)):
        found = Energy("cpu", [meter])
        found.read()
        assert found.read() == {}
        assert "started again" in found.facts().missing["cpu"]
        assert found.read() == {}, "for good"


def test_a_counter_that_stands_still_is_none() -> None:
    """Some virtual machines show one that is always 0: no energy is not a figure."""
    found = Energy("cpu", [Played(0.0)])
    facts = found.rest(0)
    assert "stands still" in facts.missing["cpu"]
    assert found.read() == {}


def test_memory_that_stands_still_is_no_fault() -> None:
    """Some processors have a zone for memory that counts nothing."""

    class Both(Played):
        def read(self) -> tuple[Counter, ...]:
            return (*super().read(), Counter("cpu", "dram", 0.0, needed=False))

    found = Energy("cpu", [Both(1.0, 3.0)])
    assert not found.rest(0).missing
    assert found.read() == {"cpu": 2.0}


def test_power_at_rest_is_that_of_its_time() -> None:
    """Joules over the time, which is never less than the pause."""
    facts = Energy("cpu", [Played(10.0, 12.0)]).rest(0.1)
    assert 0 < facts.rest_watts["cpu"] <= 20
    assert facts.at_rest == energy.AT_REST


@given(st.lists(st.floats(0, 200), max_size=50), st.floats(0, 300), st.floats(201, 300))
def test_wrapping_around_loses_nothing(steps: list[float], start: float, wraps_at: float) -> None:
    """The sum of the steps, wherever the counter began."""
    values = [one % wraps_at for one in accumulate(steps, initial=start)]
    counters = [Counter("cpu", "all", one, wraps_at) for one in values]
    found = [used(before, now, 60.0) for before, now in pairwise(counters)]
    assert sum(one or 0.0 for one in found) == pytest.approx(sum(steps), abs=1e-6)


@given(
    st.lists(st.tuples(st.floats(0.01, 5), st.floats(0, 0.5)), min_size=1, max_size=60),
    st.floats(1, 500),
)
def test_constant_power_is_that_power_times_each_request(
    requests: list[tuple[float, float]], watts: float
) -> None:
    """Requests of any lengths, with any gaps between them; missing in less than a window."""
    ends, now = [], 0.0
    for seconds, gap in requests:
        now += seconds + gap
        ends.append(Reading(0, 0, now, cpu_joules=watts * now))
    seconds = [one for one, _ in requests]
    found = contention.energies(Reading(0, 0, 0, cpu_joules=0.0), ends, seconds)
    assert [one["gpu_joules"] for one in found] == [None] * len(found)
    if now < contention.WINDOW_S:
        assert [one["cpu_joules"] for one in found] == [None] * len(found)
    else:
        assert [one["cpu_joules"] for one in found] == pytest.approx(
            [watts * one for one in seconds]
        )


@given(st.lists(st.tuples(st.floats(0.01, 3), st.floats(0, 900)), min_size=1, max_size=60))
def test_energy_is_never_more_than_was_counted(requests: list[tuple[float, float]]) -> None:
    """All of it belongs to a request, if one follows the other at once."""
    ends, now, joules = [], 0.0, 0.0
    for seconds, own in requests:
        now, joules = now + seconds, joules + own
        ends.append(Reading(0, 0, now, cpu_joules=joules))
    found = contention.energies(
        Reading(0, 0, 0, cpu_joules=0.0), ends, [one for one, _ in requests]
    )
    known = [one["cpu_joules"] for one in found if one["cpu_joules"] is not None]
    if known:
        assert sum(known) == pytest.approx(joules)


def test_requests_that_overlap_have_no_energy_of_their_own() -> None:
    """Two of ten seconds each in eleven seconds."""
    ends = [Reading(0, 0, 10, cpu_joules=100.0), Reading(0, 0, 11, cpu_joules=110.0)]
    start = Reading(0, 0, 0, cpu_joules=0.0)
    assert contention.energies(start, ends, [10, 10])[1]["cpu_joules"] is None


def test_a_counter_lost_in_between_leaves_no_energy() -> None:
    """A part of a window is not the window."""
    ends = [Reading(0, 0, 2, cpu_joules=20.0), Reading(0, 0, 4)]
    found = contention.energies(Reading(0, 0, 0, cpu_joules=0.0), ends, [2, 2])
    assert [one["cpu_joules"] for one in found] == [20.0, None]


def test_readings_between_requests_have_the_energy() -> None:
    """The watch of a measurement reads the counters with those of processor time."""
    watch = Watch("cpu", (), Energy("cpu", [Played(5.0, 7.0, 12.0)]))
    assert [watch.read().cpu_joules for _ in range(3)] == [0.0, 2.0, 7.0]
    assert watch.read().gpu_joules is None


def test_reading_in_between_takes_a_bounded_share(monkeypatch: pytest.MonkeyPatch) -> None:
    """A meter that takes long is read less often, and the cost is recorded."""
    monkeypatch.setattr(energy, "PERIOD_S", 0.01)
    monkeypatch.setattr(energy, "MOST_SHARE", 0.5)
    enough = threading.Event()

    class Slow(Played):
        def read(self) -> tuple[Counter, ...]:
            if self.reads > 3:
                enough.set()
            time.sleep(0.05)
            return super().read()

    meter = Slow(1.0)
    with Energy("cpu", [meter]) as found:
        began = time.monotonic()
        assert enough.wait(60)
        passed = time.monotonic() - began
    assert passed >= 4 * 0.05 / energy.MOST_SHARE, "four readings, and the wait after each"
    facts = found.facts()
    assert facts.own_share is not None
    assert 0 < facts.own_share < 1
    assert facts.gpu
    assert facts.gpu.busy == 0.5
    assert facts.gpu.lowest_clock_mhz < facts.gpu.highest_clock_mhz


def test_no_thread_where_nothing_is_counted() -> None:
    """Such a measurement is not disturbed at all."""
    before = threading.active_count()
    with Energy("remote") as found:
        assert threading.active_count() == before
        assert found.read() == {}
    assert found.facts().counts == found.facts().missing == {}


def test_a_part_without_a_meter_has_a_reason() -> None:
    """Each part is either counted or has the reason why not."""
    facts = Energy("cuda", []).facts()
    assert {*facts.missing} == {"cpu", "gpu"}
    assert all("no meter counts" in one for one in facts.missing.values())


def test_apple_needs_its_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """The reason names the package."""
    monkeypatch.setitem(sys.modules, "zeus_apple_silicon", None)
    with pytest.raises(NoCounterError, match="zeus-apple-silicon is not installed"):
        Apple().open()


def test_a_meter_that_breaks_the_contract_is_named() -> None:
    """The same error as of any plug-in."""
    with pytest.raises(UserError, match="unknown id 'nvmi'"):
        METERS.load("nvmi")


GPUS = """
import json, sys, time
from frontier.measuring import energy
energy.PERIOD_S = 0.05
found = energy.Energy("cuda", [energy.METERS.load("nvml")()])
facts = found.rest(0.2)
began, before = time.monotonic(), found.read()
with found:
    time.sleep(0.5)
    while before and not found.facts().gpu:
        time.sleep(0.05)
after, lasted = found.read(), time.monotonic() - began
joules = {part: after[part] - before[part] for part in after}
print(json.dumps([found.facts().as_json(), joules, lasted]))
"""


def on_gpus(
    gpus: StandIns, **environment: str
) -> tuple[dict[str, object], dict[str, float], float]:
    """The facts of a process that sees these GPUs, the joules of a while, and its seconds."""
    known = {**os.environ, **gpus.environment, "PYTHONPATH": str(SCRIPTS), **environment}
    done = subprocess.run(
        [sys.executable, "-c", GPUS], env=known, capture_output=True, text=True, check=True
    )
    facts, joules, seconds = json.loads(done.stdout)
    return facts, joules, seconds


@LINUX
def test_the_driver_counts_the_gpus(tmp_path: Path) -> None:
    """Both GPUs' energy together, by a process that sees them; use is averaged, power summed."""
    gpus = StandIns(tmp_path, 2, use=[(100.0, 80, 1400), (50.0, 40, 1000)])
    facts, joules, seconds = on_gpus(gpus)
    assert facts["counts"] == {"gpu": "NVML: the GPUs' boards"}
    assert 150 * 0.5 <= joules["gpu"] <= 150 * seconds + 1
    rest = facts["rest_watts"]
    assert isinstance(rest, dict)
    assert rest["gpu"] > 0
    use = facts["gpu"]
    assert isinstance(use, dict)
    assert use["busy"] == pytest.approx(0.6)
    assert (use["clock_mhz"], use["watts"]) == (1200, 150)


@LINUX
def test_only_visible_gpus_are_counted(tmp_path: Path) -> None:
    """The others are another job's."""
    gpus = StandIns(tmp_path, 2, use=[(100.0, 80, 1400), (50.0, 40, 1000)])
    facts, _, _ = on_gpus(gpus, CUDA_VISIBLE_DEVICES="1")
    use = facts["gpu"]
    assert isinstance(use, dict)
    assert use["watts"] == 50


@LINUX
def test_gpus_that_count_no_energy_have_a_reason(tmp_path: Path) -> None:
    """Missing, not 0: those before Volta."""
    facts, joules, _ = on_gpus(StandIns(tmp_path, 1))
    missing = facts["missing"]
    assert isinstance(missing, dict)
    assert "counts no energy" in missing["gpu"]
    assert joules == {}


class Old(Played):
    """A GPU that shows its use, but counts no energy."""

    def __init__(self, *, opens: bool) -> None:
        """Counts nothing from the beginning, or from the second reading on."""
        super().__init__(1.0)
        self.opens, self.closed = opens, 0

    def open(self) -> None:
        """Has no counter."""
        if not self.opens:
            raise NoCounterError("counts no energy")

    def read(self) -> tuple[Counter, ...]:
        """Has a counter once."""
        if self.reads:
            raise NoCounterError("counts no energy")
        return super().read()

    def close(self) -> None:
        """Ends reading."""
        self.closed += 1


@pytest.mark.parametrize("opens", [False, True])
def test_the_use_of_a_gpu_does_not_need_its_energy(
    opens: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its energy is missing with the reason, its use is known."""
    monkeypatch.setattr(energy, "PERIOD_S", 0.001)
    meter = Old(opens=opens)
    counted = energy.Energy("cpu", [meter])
    facts = counted.rest(0.001)
    with counted:
        wait_until(lambda: counted.facts().gpu, "the use of a GPU")
    facts = counted.facts()
    assert facts.missing == {"cpu": "counts no energy"}
    assert facts.counts == {}
    assert facts.gpu
    assert facts.gpu.busy == 0.5
    assert meter.closed == 0
    counted.close()
    assert meter.closed == 1
