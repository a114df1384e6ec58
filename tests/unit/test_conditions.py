"""The machine's conditions: read from files like those of a kernel, and from this machine."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest
from test_gates import records

from frontier.gates import Timing, first_reason
from frontier.machine import conditions
from frontier.machine.conditions import Reading
from frontier.measuring.conditions import EVERY_S, SWAPPING, Log, summary
from frontier.results.session import Conditions, Contention, Session
from measurements import WARM_UP, session
from standin_gpus import StandIns

SCRIPTS = Path(conditions.__file__).parents[2]
LINUX = pytest.mark.skipif(platform.system() != "Linux", reason="files of Linux")


class Machine:
    """A folder like /sys of a machine with two cores."""

    def __init__(self, root: Path) -> None:
        """Nothing is wrong yet."""
        self.root = root
        for core in (0, 1):
            self.core(core, "cpufreq/scaling_governor", "performance")
            self.core(core, "cpufreq/scaling_cur_freq", 3_000_000 - core)
            for kind in ("core", "package"):
                self.core(core, f"thermal_throttle/{kind}_throttle_count", 7)
        self.write("firmware/acpi/platform_profile", "balanced")

    def write(self, name: str, value: object) -> None:
        """Sets a file."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{value}\n")

    def core(self, core: int, name: str, value: object) -> None:
        """Sets a file of a core."""
        self.write(f"devices/system/cpu/cpu{core}/{name}", value)

    def read(self, accelerator: str = "cpu") -> Reading:
        """Its conditions."""
        return conditions.read(accelerator, self.root)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """A machine."""
    return Machine(tmp_path)


def reason(found: Conditions | None) -> str | None:
    """The verdict of all gates on a session with these conditions."""
    loaded = {"warmup": WARM_UP, "conditions": found.as_json() if found else None}
    load = Contention(foreign_cores=0.0, foreign_gpu_processes=None)
    own = [Session.of(session(0, loaded=loaded))]
    return first_reason(Timing(records(), own, load, 0.5, max_slowed=0.05))


@pytest.fixture
def log(machine: Machine) -> Log:
    """Ten readings of a machine at work."""
    found = Log("cpu", machine.read)
    for count in range(10):
        found.look(count * EVERY_S)
    return found


@LINUX
def test_a_quiet_machine(log: Log) -> None:
    found = log.summary(10 * EVERY_S)
    assert found is not None
    assert (found.intervals, found.throttled, found.changed) == (10, 0, {})
    assert found.clock_mhz == (3000.0, 3000.0)
    assert found.power["governor"] == "performance"
    assert found.power["platform profile"] == "balanced"
    assert reason(found) is None


@LINUX
@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("devices/system/cpu/cpu1/thermal_throttle/core_throttle_count", 8, "throttling: the hardware was slowed in 10% of the time (core_throttle_count)"),
        ("devices/system/cpu/cpu0/cpufreq/scaling_governor", "powersave", "power: governor changed from 'performance' to 'performance, powersave'"),
        ("firmware/acpi/platform_profile", "low-power", "power: platform profile changed from 'balanced' to 'low-power'"),
    ],
)  # fmt: skip
def test_a_change_within_the_run(
    machine: Machine, log: Log, name: str, value: object, words: str
) -> None:
    """A counter that grew and a setting that changed after the last request are found."""
    machine.write(name, value)
    assert reason(log.summary(10 * EVERY_S)) == words


@LINUX
def test_the_time_of_a_counter_that_has_one(machine: Machine) -> None:
    """A hundredth of an interval may be slow, if the kernel counts milliseconds."""
    for milliseconds, throttled in ((int(EVERY_S * 5), 0), (int(EVERY_S * 50), 1)):
        machine.core(0, "thermal_throttle/core_throttle_total_time_ms", 1000)
        log = Log("cpu", machine.read)
        log.look(0.0)
        machine.core(0, "thermal_throttle/core_throttle_total_time_ms", 1000 + milliseconds)
        found = log.summary(EVERY_S)
        assert found is not None
        assert found.throttled == throttled


def test_readings_are_taken_now_and_then() -> None:
    taken: list[str] = []

    def read(accelerator: str) -> Reading:
        taken.append(accelerator)
        return Reading()

    log = Log("cuda", read)
    for milliseconds in range(20_000):
        log.look(milliseconds / 1000)
    assert len(taken) == 20 / EVERY_S
    remote = Log("remote", read)
    remote.look(0.0)
    assert remote.summary(1.0) is None


def test_a_clock_that_falls() -> None:
    found = summary([(n * EVERY_S, Reading(clock_mhz=3000 - 100 * n)) for n in range(9)])
    assert found is not None
    assert reason(found) == "throttling: the clock fell from 2900 to 2300 MHz"
    assert (found.throttled, found.swapped) == (None, None), "what is unknown is not 0"


def test_memory_that_moves_to_the_swap() -> None:
    """More than a megabyte a second in one of ten intervals."""
    moved = [0] * 5 + [int(EVERY_S * SWAPPING) * 3] * 6
    found = summary([(n * EVERY_S, Reading(swapped_bytes=one)) for n, one in enumerate(moved)])
    assert reason(found) == "swapping: in 10% of the time (16 MB in all)"
    little = [(n * EVERY_S, Reading(swapped_bytes=4096 * n)) for n in range(11)]
    assert reason(summary(little)) is None


def test_a_gpu_that_is_hot() -> None:
    """The driver's reasons at the moment of a reading count for the interval before it."""
    hot = Reading(slowed={}, slowed_by=("GPU: heat, by hardware",))
    cool = Reading(slowed={})
    found = summary([(n * EVERY_S, hot if n == 7 else cool) for n in range(11)])
    words = "throttling: the hardware was slowed in 10% of the time (GPU: heat, by hardware)"
    assert reason(found) == words


def test_this_machine() -> None:
    """Each condition that it does not report has a reason, and nothing is judged by it."""
    now = conditions.read("cpu")
    unknown = {
        "power": not now.power, "clock": now.clock_mhz is None,
        "throttling": now.slowed is None, "swapping": now.swapped_bytes is None,
    }  # fmt: skip
    assert now.unknown.keys() == {name for name, missing in unknown.items() if missing}
    assert all(now.unknown.values())


GPUS = """
import json, os, sys
from pathlib import Path
from frontier.machine import conditions
from frontier.measuring.conditions import summary
readings, file = [], Path(os.environ["STAND_IN_HEAT"])
for second, line in enumerate(sys.argv[1:]):
    if line:
        file.write_text(line)
    readings.append((5.0 * second, conditions.read("cuda")))
print(summary(readings).model_dump_json())
"""


def on_gpus(gpus: StandIns, *lines: str) -> Conditions:
    """The conditions seen by a process that reads them after each change of the driver's counts."""
    known = gpus.environment | {"STAND_IN_HEAT": str(gpus.folder / "heat.txt")}
    done = subprocess.run(
        [sys.executable, "-c", GPUS, *lines], env={**os.environ, **known, "PYTHONPATH": str(SCRIPTS)},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return Conditions.model_validate_json(done.stdout)


@LINUX
@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (["0 0\n0 0", "0 0\n0 900000000", "0 0\n0 900000000"], "throttling: the hardware was slowed in 50% of the time (GPU 1: heat_ms)"),
        (["0 0\n0 0", "0 0\n0 9000000", "0 0\n0 9000000"], None),
        (["0 0\n0 0", "0 0\n64 0", "0 0\n0 0"], "throttling: the hardware was slowed in 50% of the time (GPU: heat, by hardware)"),
        (["", "", ""], None),
    ],
    ids=["between two readings", "too short", "at a reading", "it counts none"],
)  # fmt: skip
def test_the_driver_counts_how_long_heat_slowed_a_gpu(
    tmp_path: Path, lines: list[str], words: str | None
) -> None:
    """The counter shows what no reading saw."""
    gpus = StandIns(tmp_path, 2, use=[(100.0, 80, 1400), (50.0, 40, 1000)])
    found = on_gpus(gpus, *lines)
    assert reason(found) == words
    assert found.power["GPU 1 power limit"] == "300 W"
    assert "GPU" not in found.unknown
