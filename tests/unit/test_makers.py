"""AMD's and Intel's GPUs: inventory, leases, energy and conditions, on stand-ins for their libraries.

AMD's own package reads the stand-in, and torch's own code Intel's, where it counts its devices.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import torch
from test_conditions import reason

from frontier.fetching import environments
from frontier.machine.amd import by_runtime
from frontier.machine.intel import shown_places
from frontier.measuring.energy import PARTS
from frontier.meters import METERS
from frontier.results.session import Conditions
from standin_makers import SCRIPTS, AmdGpu, IntelCard, Makers, line

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="libraries of Linux")
GB = 10**9
FIRST, SECOND = "GPU-000000000000ab01", "GPU-000000000000ab02"
ARC, OTHER = "ZE-000000000000000000000000000000a0", "ZE-000000000000000000000000000000a1"


@pytest.fixture(scope="module")
def packages(environment: Callable[[str], Path]) -> Path:
    """The folder of the makers' own packages."""
    return environments.site_packages(environment("gpu_libraries").parent.parent)


@pytest.fixture
def amd(packages: Path, tmp_path: Path) -> Makers:
    """Two GPUs, which the runtime numbers otherwise than the library."""
    return Makers(tmp_path / "host", [AmdGpu(5, "0xAB02"), AmdGpu(3, "ab01")], packages=packages)


@pytest.fixture
def intel(tmp_path: Path) -> Makers:
    """Two cards."""
    return Makers(tmp_path / "host", intel=[IntelCard(), IntelCard(watts=50.0, busy=40)])


def said(host: Makers, program: str, *arguments: str, **more: str) -> Any:
    """The JSON that a program prints."""
    done = host.run(program, *arguments, **more)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


GPUS = """
import json, sys
from dataclasses import asdict
from frontier.machine import hardware
print(json.dumps([asdict(one) for one in hardware.gpus(sys.argv[1])]))
"""
LEASE = """
import json, os, sys
from frontier.errors import UserError
from frontier.machine import gpus
accelerator, count = sys.argv[1:]
try:
    with gpus.reserved("device 'it'", None, int(count), accelerator) as held:
        names = ("ROCR_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "CUDA_VISIBLE_DEVICES", "ZE_AFFINITY_MASK")
        print(json.dumps([held, {one: os.environ[one] for one in names if one in os.environ}]))
except UserError as error:
    sys.exit(f"error: {error}")
"""


def refused(host: Makers, accelerator: str, count: int, **more: str) -> str:
    """The one line with which a lease is refused."""
    done = host.run(LEASE, accelerator, str(count), **more)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1), done.stderr
    return done.stderr


# AMD -----------------------------------------------------------------------------------------


def test_amds_gpus(amd: Makers) -> None:
    """They are in the runtime's order; a process that only has a GPU open does not compute on it."""
    assert amd.amd
    amd.amd[0].processes = {4242: 5 * GB, 77: 4096}
    amd.amd[0].used = 6 * GB
    amd.tell()
    first, second = said(amd, GPUS, "rocm")
    assert first == {
        "uuid": FIRST, "name": "Stand-in Instinct number 1", "memory_bytes": 192 * GB, "used_bytes": 0,
        "driver": "6.16.6", "processes": [], "shown_as": FIRST,
    }  # fmt: skip
    assert (second["uuid"], second["processes"], second["used_bytes"]) == (SECOND, [4242], 6 * GB)


LEASES = """
import json, os, sys
from frontier.machine import gpus
names = ("ROCR_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "CUDA_VISIBLE_DEVICES", "ZE_AFFINITY_MASK")
found = []
for variables, count in json.loads(sys.argv[1]):
    for name in names:
        os.environ.pop(name, None)
    os.environ |= variables
    with gpus.reserved("it", None, count, "rocm") as held:
        found.append([held, {one: os.environ[one] for one in names if one in os.environ}])
print(json.dumps(found))
"""
VISIBLE: list[tuple[dict[str, str], list[str]]] = [
    ({}, [FIRST, SECOND]), ({"ROCR_VISIBLE_DEVICES": "1"}, [SECOND]), ({"HIP_VISIBLE_DEVICES": "1"}, [SECOND]),
    ({"CUDA_VISIBLE_DEVICES": "1"}, [SECOND]), ({"ROCR_VISIBLE_DEVICES": "1,0", "HIP_VISIBLE_DEVICES": "1"}, [FIRST]),
    ({"HIP_VISIBLE_DEVICES": "0", "CUDA_VISIBLE_DEVICES": "1"}, [FIRST]), ({"HIP_VISIBLE_DEVICES": ""}, [FIRST, SECOND]),
    ({"HIP_VISIBLE_DEVICES": SECOND}, [SECOND]), ({"ROCR_VISIBLE_DEVICES": f"{SECOND.upper()}, 0"}, [SECOND, FIRST]),
]  # fmt: skip


def test_leases_of_amds(amd: Makers) -> None:
    """The variables are respected; then only the runtime's is set, by UUIDs, and others' hide all."""
    asked = [[variables, len(uuids)] for variables, uuids in VISIBLE]
    for (variables, uuids), (held, left) in zip(
        VISIBLE, said(amd, LEASES, json.dumps(asked)), strict=True
    ):
        assert held == uuids, variables
        assert left == {"ROCR_VISIBLE_DEVICES": ",".join(uuids), "ZE_AFFINITY_MASK": "127"}


@pytest.mark.parametrize(
    ("value", "places"),
    [
        (None, [0, 1, 2]), ("", []), ("2,0", [2, 0]), ("0,0,1", [0]), ("1,x,0", [1]), ("-1", []), ("3", []), ("0x1", [1]),
        ("01", [1]), ("08", []), (" 1", [1]), ("GPU-1a2b", [0]), ("gpu-1A2B, 2", [0, 2]), ("GPU-1a2", []), ("GPU-", []),
        ("1,GPU-9,0", [1, 2, 0]), ("0,,1", [0]), ("0,1,2,0", [0, 1, 2]),
    ],
)  # fmt: skip
def test_the_runtimes_variable(value: str | None, places: list[int]) -> None:
    """Numbers as C reads them and UUIDs in any case, up to what names none, or one again."""
    assert by_runtime(value, ["GPU-1a2b77", "GPU-1a2c00", "GPU-9f0012"]) == places


def test_why_amds_are_too_few(amd: Makers) -> None:
    """One line says what was found and what is set; one without a serial number has a number."""
    words = refused(amd, "rocm", 3)
    assert (
        "error: device 'it' needs 3 AMD GPU(s); this host has Stand-in Instinct number 1, " in words
    )
    words = refused(amd, "rocm", 2, ROCR_VISIBLE_DEVICES="0", HIP_VISIBLE_DEVICES="0")
    assert "; ROCR_VISIBLE_DEVICES is '0', HIP_VISIBLE_DEVICES is '0'" in words
    assert amd.amd
    amd.amd[1].mode, amd.amd[0].serial = "CPX", "0"
    amd.tell()
    assert "; 1 GPU(s) are cut into parts (not SPX)" in refused(amd, "rocm", 2)
    held, left = said(amd, LEASE, "rocm", "1")
    assert (held, left["ROCR_VISIBLE_DEVICES"]) == (["AMD-1"], "1")


def test_a_gpu_of_amds_in_use_is_passed_over(amd: Makers) -> None:
    """It is named, with the process or the memory."""
    assert amd.amd
    amd.amd[1].processes = {4242: GB}
    amd.tell()
    done = amd.run(LEASE, "rocm", "1")
    assert json.loads(done.stdout)[0] == [SECOND]
    assert f"({FIRST}) is in use by process 4242" in done.stderr


def test_without_amds_library(tmp_path: Path, packages: Path) -> None:
    """The reason is the package, or the library that it does not find; neither is a GPU."""
    bare = Makers(tmp_path / "bare", intel=[])
    assert "this host has none; the package amdsmi is not installed" in refused(bare, "rocm", 1)
    bare.packages = packages
    words = refused(bare, "rocm", 1, ROCM_PATH=str(tmp_path))
    assert "this host has none; amdsmi: " in words
    assert said(bare, GPUS, "rocm", ROCM_PATH=str(tmp_path)) == []


# Intel ---------------------------------------------------------------------------------------


def test_intels_gpus(intel: Makers) -> None:
    """Processes that draw are none that compute; a GPU in the processor is left to others."""
    assert intel.intel
    intel.intel.insert(0, IntelCard(integrated=1))
    intel.intel[1].processes, intel.intel[1].used = {4242: GB, 77: 0}, 2 * GB
    intel.tell()
    first, second = said(intel, GPUS, "xpu")
    assert first == {
        "uuid": OTHER, "name": "Stand-in Arc number 1", "memory_bytes": 12 * GB, "used_bytes": 2 * GB,
        "driver": "1.17.0", "processes": [4242], "shown_as": "1",
    }  # fmt: skip
    assert second["shown_as"] == "2"


def test_the_parts_of_a_card(intel: Makers) -> None:
    """Each is a GPU, unless the hierarchy says otherwise; its processes are the whole card's."""
    assert intel.intel
    intel.intel[1].parts = 2
    intel.tell()
    found = said(intel, GPUS, "xpu")
    assert [one["uuid"] for one in found] == [ARC, f"{OTHER}.0", f"{OTHER}.1"]
    assert [one["memory_bytes"] for one in found] == [12 * GB] * 3
    assert [one["processes"] for one in found] == [[], None, None], "unknown, not none"
    whole = said(intel, GPUS, "xpu", ZE_FLAT_DEVICE_HIERARCHY="COMPOSITE")
    assert [one["uuid"] for one in whole] == [ARC, OTHER]
    assert whole[1]["memory_bytes"] == 24 * GB


TORCHS = """
import ctypes, json, os, sys
real = ctypes.CDLL
ctypes.CDLL = lambda name, *rest, **more: real(os.path.basename(name) if name else name, *rest, **more)
import pyzes
ctypes.CDLL = real
from torch import xpu
from frontier.machine import intel
for cards in json.loads(sys.argv[1]):
    with open(os.environ["STAND_IN_CARDS"], "w") as file:
        file.write("".join(cards))
    for mask in json.loads(sys.argv[2]):
        os.environ.pop("ZE_AFFINITY_MASK", None)
        if mask is not None:
            os.environ["ZE_AFFINITY_MASK"] = mask
        count = xpu._enum_zes_device_infos(xpu._parse_visible_devices())
        theirs = [(one.device_handle.value, one.subdevice_id) for one in xpu._cached_zes_device_infos]
        own = [(one.handle.value, one.part) for one in intel.visible_units()]
        assert own == theirs and count == len(own), (cards, mask, theirs, own)
"""


@pytest.mark.parametrize("hierarchy", ["FLAT", "COMPOSITE"])
def test_as_torch_counts_them(packages: Path, tmp_path: Path, hierarchy: str) -> None:
    """The same GPUs in the same order, of cards with and without parts and in the processor."""
    plain, parts, integrated = IntelCard(), IntelCard(parts=2), IntelCard(integrated=1)
    hosts = [[plain], [parts, plain], [integrated, plain], [integrated], [integrated, parts, parts]]
    cards = [[f"{line(one)}\n" for one in host] for host in hosts]
    masks = [None, "1", "0,2", "3,0,0", "-1,1"]
    host = Makers(tmp_path / "host", intel=[plain], packages=packages)
    given = (json.dumps(cards), json.dumps(masks))
    done = host.run(TORCHS, *given, ZE_FLAT_DEVICE_HIERARCHY=hierarchy)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "value", [None, "0", "1,0", " 1 ", "1,1", "-1", "7", "0.1", "x", "0,x", "-1,0"]
)
def test_the_mask(value: str | None) -> None:
    """Torch reads it the same."""
    given = {} if value is None else {"ZE_AFFINITY_MASK": value}
    with mock.patch.dict(os.environ, given):
        theirs = [one for one in torch.xpu._parse_visible_devices() if one < 3]
    assert shown_places(value, 3) == theirs


def test_a_lease_of_intels(intel: Makers) -> None:
    """They have numbers; one that is in use is passed over, and why too few are left is said."""
    hidden = {"CUDA_VISIBLE_DEVICES": "", "ROCR_VISIBLE_DEVICES": ""}
    assert said(intel, LEASE, "xpu", "2") == [[ARC, OTHER], hidden | {"ZE_AFFINITY_MASK": "0,1"}]
    assert said(intel, LEASE, "xpu", "1", ZE_AFFINITY_MASK="1")[0] == [OTHER]
    words = refused(intel, "xpu", 2, ZE_AFFINITY_MASK="1")
    assert (
        "needs 2 Intel GPU(s); this host has Stand-in Arc number 1; ZE_AFFINITY_MASK is '1'"
        in words
    )
    assert intel.intel
    intel.intel[0].used = 3 * GB
    intel.tell()
    done = intel.run(LEASE, "xpu", "1")
    assert json.loads(done.stdout)[0] == [OTHER]
    assert f"({ARC}) has 3.0 GB of its memory in use" in done.stderr


def test_without_intels_library(tmp_path: Path) -> None:
    """Level Zero without a driver is none."""
    host = Makers(tmp_path / "host", intel=[])
    assert "this host has none; Level Zero: no driver (error 0x78000001)" in refused(host, "xpu", 1)
    (host.folder / "libze_loader.so.1").unlink()
    assert "this host has none; no Level Zero: " in refused(host, "xpu", 1)


# All -----------------------------------------------------------------------------------------


def test_a_job_without_gpus_sees_none(intel: Makers) -> None:
    """Each maker's are hidden."""
    held, left = said(intel, LEASE, "cpu", "0")
    assert held == []
    assert left == {
        "CUDA_VISIBLE_DEVICES": "",
        "ROCR_VISIBLE_DEVICES": "",
        "ZE_AFFINITY_MASK": "127",
    }
    assert said(intel, GPUS, "xpu", **left) == []


def test_a_job_on_a_cpu_may_reserve_any(intel: Makers) -> None:
    """Those of the first maker that has any here."""
    held, left = said(intel, LEASE, "cpu", "1")
    assert (held, left["ZE_AFFINITY_MASK"]) == ([ARC], "0")


WATCH = """
import json, sys
from frontier.engines.common.gpu_memory import held
from frontier.machine import hardware
from frontier.measuring.contention import Watch
accelerator = sys.argv[1]
found = [Watch(accelerator).read().gpu_processes, Watch(accelerator, [4242]).read().gpu_processes]
print(json.dumps([found, held(accelerator, [4242]), hardware.memory_bytes(accelerator, 2)]))
"""


def test_strangers_and_memory(amd: Makers, tmp_path: Path) -> None:
    """Others on our GPUs, what our own processes hold, and what all hold together."""
    assert amd.amd
    amd.amd[0].processes = {4242: 5 * GB, 77: 3 * GB}
    amd.tell()
    assert said(amd, WATCH, "rocm") == [[2, 1], 5 * GB, 384 * GB]
    card = IntelCard(processes={4242: 5 * GB, 77: 3 * GB})
    intel = Makers(tmp_path / "intel", intel=[card, IntelCard()])
    assert said(intel, WATCH, "xpu") == [[2, 1], 5 * GB, 24 * GB]
    card.parts = 2
    intel.tell()
    assert said(intel, WATCH, "xpu") == [[None, None], 5 * GB, 24 * GB], "unknown, not none"


METER = """
import json, sys, time
from frontier.measuring import energy
energy.PERIOD_S = 0.05
found = energy.Energy(sys.argv[1], [energy.METERS.load(sys.argv[2])()])
found.rest(0.2)
began, before = time.monotonic(), found.read()
with found:
    time.sleep(0.5)
after, lasted = found.read(), time.monotonic() - began
joules = {part: after[part] - before[part] for part in after}
print(json.dumps([found.facts().as_json(), joules, lasted]))
"""


@pytest.mark.parametrize("maker", ["amd", "intel"])
def test_energy_and_use(maker: str, request: pytest.FixtureRequest) -> None:
    """The energy and power of all together, their use on average; only those that are visible."""
    host = request.getfixturevalue(maker)
    accelerator, variable = {
        "amd": ("rocm", "ROCR_VISIBLE_DEVICES"),
        "intel": ("xpu", "ZE_AFFINITY_MASK"),
    }[maker]
    watts, words = {
        "amd": (800, "AMD SMI: the GPUs' boards"),
        "intel": (150, "Level Zero: the GPUs' cards"),
    }[maker]
    facts, joules, seconds = said(host, METER, accelerator, maker)
    assert facts["counts"] == {"gpu": words}
    assert watts * 0.45 <= joules["gpu"] <= watts * (seconds + 0.2)
    assert facts["gpu"]["busy"] == pytest.approx({"amd": 0.8, "intel": 0.6}[maker], abs=0.01)
    assert facts["gpu"]["clock_mhz"] == {"amd": 2100, "intel": 2400}[maker]
    assert facts["gpu"]["watts"] == pytest.approx(watts, rel=0.01)
    facts, _, _ = said(host, METER, accelerator, maker, **{variable: "1"})
    assert facts["gpu"]["watts"] == pytest.approx({"amd": 400, "intel": 50}[maker], rel=0.01)


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ({"counted": -1.0}, "AMD SMI: this GPU counts no energy"),
        ({"counted": 0.0}, "AMD SMI: GPU 0 counts 0 W, and reports 400 W"),
        ({"counted": 26.0}, "AMD SMI: GPU 0 counts 26 W, and reports 400 W"),
        ({"counted": 300.0}, None),
        ({"watts": 0.0}, None),
    ],
)  # fmt: skip
def test_amds_energy_is_missing_rather_than_wrong(
    amd: Makers, state: dict[str, float], words: str | None
) -> None:
    """A counter that stands still, or counts in another unit than the power, is not believed."""
    assert amd.amd
    vars(amd.amd[1]).update(state)
    amd.tell()
    facts, joules, _ = said(amd, METER, "rocm", "amd")
    assert facts["missing"].get("gpu") == words
    assert bool(joules) == (words is None)


@pytest.mark.parametrize(
    ("card", "mask", "words"),
    [
        (IntelCard(watts=-1.0), "0", "Level Zero: the driver shows no power of this card"),
        (IntelCard(parts=2), "0", "Level Zero: a part of a card has no counter of its own, and others may compute on the rest"),
        (IntelCard(parts=2), "0,1", None),
        (IntelCard(busy=-1), "0", None),
    ],
)  # fmt: skip
def test_intels_energy_is_missing_with_the_reason(
    tmp_path: Path, card: IntelCard, mask: str, words: str | None
) -> None:
    """The driver shows none, or counts more than what computes; without activity no use."""
    host = Makers(tmp_path / "host", intel=[card])
    facts, joules, _ = said(host, METER, "xpu", "intel", ZE_AFFINITY_MASK=mask)
    assert facts["missing"].get("gpu") == words
    assert bool(joules) == (words is None)
    assert bool(facts.get("gpu")) == (words is None and card.busy >= 0)


CONDITIONS = """
import json, os, sys
from frontier.machine import conditions
from frontier.measuring.conditions import summary
file, readings = sys.argv[2], []
for second, text in enumerate(sys.argv[3:]):
    with open(file, "w") as host:
        host.write(text)
    readings.append((5.0 * second, conditions.read(sys.argv[1])))
print(summary(readings).model_dump_json())
"""


def conditions(host: Makers, accelerator: str, lines: Sequence[str]) -> Conditions:
    """The conditions seen by a process after each change."""
    file = host.folder / {"rocm": "amd.txt", "xpu": "intel.txt"}[accelerator]
    done = host.run(CONDITIONS, accelerator, str(file), *lines)
    assert done.returncode == 0, done.stderr
    return Conditions.model_validate_json(done.stdout)


@pytest.mark.parametrize(
    ("states", "words"),
    [
        ([(-1, 7), (-1, 9), (-1, 9)], "throttling: the hardware was slowed in 50% of the time (GPU 0: heat of the socket)"),
        ([(0, -1), (1 << 36, -1), (0, -1)], "throttling: the hardware was slowed in 50% of the time (GPU: heat)"),
        ([(1, -1), (1, -1), (1, -1)], None),
    ],
    ids=["it counts", "at a reading", "at its limit of power"],
)  # fmt: skip
def test_what_slows_amds(amd: Makers, states: Sequence[tuple[int, int]], words: str | None) -> None:
    """Heat does; a GPU's own limit of power does not."""
    lines = [f"3 ab01 SPX 1 0 400 400 80 2100 {bits} {ticks}\n" for bits, ticks in states]
    found = conditions(amd, "rocm", lines)
    assert reason(found) == words
    assert found.power["GPU 0 power limit"] == "750 W"
    assert "GPU" not in found.unknown


def test_what_slows_amds_may_be_unknown(amd: Makers) -> None:
    """It is named with the reason, and never taken for undisturbed."""
    found = conditions(amd, "rocm", ["3 ab01 SPX 1 0 400 400 80 2100 -1 -1\n"] * 3)
    assert found.unknown["GPU"] == "its firmware does not count what slows it"


@pytest.mark.parametrize(
    ("reasons", "words"),
    [
        ([0, 8, 0], "throttling: the hardware was slowed in 50% of the time (GPU: heat)"),
        ([1, 1, 1], None),
    ],
)  # fmt: skip
def test_what_slows_intels(intel: Makers, reasons: Sequence[int], words: str | None) -> None:
    """Heat does; a GPU's own limit of power does not."""
    found = conditions(intel, "xpu", [f"0 0 1 0 100 80 2400 {one}\n" for one in reasons])
    assert reason(found) == words
    assert found.power["GPU 0 power limit"] == "190 W"


@pytest.mark.parametrize("accelerator", ["cuda", "rocm", "xpu"])
def test_a_meter_for_each_part(accelerator: str) -> None:
    """One meter counts the GPUs of a maker, and one the processors."""
    counted = [part for one in METERS.all().values() for part in one.parts("Linux", accelerator)]
    assert sorted(counted) == sorted(PARTS.get(accelerator, ("cpu", "gpu")))


def test_a_library_is_asked_only_where_its_gpus_are(tmp_path: Path) -> None:
    """A host without any library has no GPU of these makers, and nothing is printed."""
    program = "from frontier.machine import hardware; assert not hardware.gpus()"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True,
        env=os.environ | {"PYTHONPATH": str(SCRIPTS), "TMPDIR": str(tmp_path)},
    )  # fmt: skip
    assert (done.stdout, done.stderr) == ("", "")
