"""The check for hosts with a GPU, all of it that a CPU can run, and its refusal without one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from frontier.machine import hardware

ROOT = Path(__file__).resolve().parents[2]
CHECK = ROOT / "bench" / "gpu_check.sh"


def check(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs it as its users do, with the tests' own python first on the path."""
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    return subprocess.run(
        [CHECK, *arguments],
        env=os.environ | {"PATH": path, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_all_that_a_cpu_can(tmp_path: Path) -> None:
    """Every row is right or says why it was skipped; what a GPU alone has is skipped."""
    output = tmp_path / "check.json"
    done = check("--cpu", "--requests", "3", "--seconds", "3600", "--json", str(output))
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(output.read_text(encoding="utf-8"))
    assert found["packages"]["torch"]
    rows = {row["check"]: row for row in found["rows"]}
    for name in ("bf16", "fp16", "int8", "int4", "llm-int8", "nf4", "bf16 compiled"):
        figures = rows[name]["figures"]
        assert rows[name]["state"] == "ok"
        assert figures["TPOT_ms"] > 0
        assert figures["J_token"] is None  # no counter of a GPU, and no 0 instead
    # A layer's matrices: 4 bits take less than 8, and these less than 16.
    stored = [rows[name]["figures"]["weights_GB"] for name in ("nf4", "int8", "bf16")]
    assert stored == sorted(stored)
    assert rows["checkpoints"]["figures"]["grown"] == 2
    assert rows["grown-llama, sentiment"]["figures"] == {"differ": 0, "of": 20}
    assert rows["others are noticed"]["figures"]["foreign_cores"] > 0.5
    skipped = [row for row in found["rows"] if row["state"] == "skipped"]
    assert all(row["reason"] for row in skipped)
    assert rows["leases"]["state"] == "skipped"
    assert all(str(row["check"]) in done.stdout for row in found["rows"])


@pytest.mark.skipif(bool(hardware.gpus()), reason="this host has a GPU")
def test_a_host_without_a_gpu_is_reported() -> None:
    """The error is one line, and nothing is started."""
    done = check()
    assert done.returncode == 2
    assert done.stderr == "error: no NVIDIA GPU here; --cpu checks what a CPU can\n"


def test_a_program_on_a_part_of_a_gpu() -> None:
    """Its own arguments reach it; that it is given less memory only a GPU can show."""
    probes = CHECK.with_suffix("") / "probes.py"
    program = (str(ROOT / "workflow" / "scripts" / "measure.py"), "--help")
    done = subprocess.run(
        [sys.executable, probes, "limited", "--bytes", "5", "--", *program],
        env=os.environ | {"PYTHONPATH": str(ROOT / "workflow" / "scripts")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("usage: measure.py")
