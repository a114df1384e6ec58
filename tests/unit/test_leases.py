"""GPU leases among real processes, on stand-in GPUs."""

from __future__ import annotations

import itertools
import os
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path

import pytest

from standin_gpus import StandIns
from waiting import PATIENCE_S, text_of, wait_until

SCRIPTS = Path(__file__).resolve().parents[2] / "workflow" / "scripts"
# Takes GPUs, notes that it has them, and gives them back when it may.
JOB = """
import os, sys, time
from pathlib import Path
from frontier.machine import gpus
from frontier.errors import UserError
count, folder, name = int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
try:
    with gpus.reserved("a6000", "A6000", count) as held:
        seen = os.environ["CUDA_VISIBLE_DEVICES"]
        assert seen == ",".join(held)
        (folder / f"{name}.new").write_text(seen)
        (folder / f"{name}.new").rename(folder / f"{name}.holds")
        while not (folder / "may-end").exists():
            time.sleep(0.02)
except UserError as error:
    sys.exit(f"error: {error}")
"""
# Many jobs in one process each would be 200 starts of Python: each of these forks them.
FORK = """
import os, sys, time
from pathlib import Path
from frontier.machine import gpus
folder, jobs = Path(sys.argv[1]), sys.argv[2].split(",")
children = []
for number, count in enumerate(jobs):
    child = os.fork()
    if child:
        children.append(child)
        continue
    with gpus.reserved("a6000", "A6000", int(count)):
        taken = time.monotonic()
        time.sleep(0.02)
        seen = os.environ["CUDA_VISIBLE_DEVICES"]
        (folder / f"job{number}").write_text(f"{taken} {time.monotonic()} {seen}")
    os._exit(0)
sys.exit(max(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children))
"""


def start(program: str, gpus: StandIns, *arguments: str, **more: str) -> subprocess.Popen[str]:
    """A process that sees the stand-in GPUs."""
    return subprocess.Popen(
        [sys.executable, "-c", program, *arguments], text=True, stderr=subprocess.PIPE,
        env=os.environ | gpus.environment | {"PYTHONPATH": str(SCRIPTS)} | more,
    )  # fmt: skip


def job(gpus: StandIns, count: int, name: str, **more: str) -> subprocess.Popen[str]:
    """A job that holds GPUs until all jobs may end."""
    return start(JOB, gpus, str(count), str(gpus.folder), name, **more)


def held_by(gpus: StandIns, name: str) -> list[str]:
    """The GPUs that a job has had; none before it has them."""
    return text_of(gpus.folder / f"{name}.holds").split(",")


def may_end(gpus: StandIns) -> None:
    """Lets all jobs give back what they hold."""
    (gpus.folder / "may-end").touch()


def errors_of(process: subprocess.Popen[str]) -> str:
    """The errors of a job, when it has ended."""
    return process.communicate(timeout=PATIENCE_S)[1]


@pytest.fixture
def three(tmp_path: Path) -> StandIns:
    """A host with three GPUs."""
    return StandIns(tmp_path / "gpus", 3)


def test_two_hundred_jobs_on_three_gpus(three: StandIns, tmp_path: Path) -> None:
    """Never two on one, and every job gets its GPUs; those that need more do not come last.

    Every tenth job wants two GPUs, every fiftieth all three.
    """
    counts = [3 if n % 50 == 0 else 2 if n % 10 == 0 else 1 for n in range(200)]
    process = start(FORK, three, str(tmp_path), ",".join(map(str, counts)))
    assert process.wait(PATIENCE_S) == 0
    uses: dict[str, list[tuple[float, float]]] = {}
    starts: list[tuple[float, int]] = []
    for number, count in enumerate(counts):
        taken, ended, seen = (tmp_path / f"job{number}").read_text().split()
        starts.append((float(taken), count))
        assert len(set(seen.split(","))) == count
        for gpu in seen.split(","):
            uses.setdefault(gpu, []).append((float(taken), float(ended)))
    assert len(uses) == 3
    for spans in uses.values():
        spans.sort()
        assert all(end <= begin for (_, end), (begin, _) in itertools.pairwise(spans))
    places = [place for place, (_, count) in enumerate(sorted(starts)) if count > 1]
    assert 20 < statistics.median(places) < 180, places


def test_three_at_once(three: StandIns) -> None:
    """Each on a GPU of its own, at the same time."""
    jobs = [job(three, 1, f"j{n}") for n in range(3)]
    for n, one in enumerate(jobs):  # and none gives its GPU back before all have one
        wait_until((three.folder / f"j{n}.holds").exists, "it has a GPU", one)
    may_end(three)
    assert [one.wait(PATIENCE_S) for one in jobs] == [0, 0, 0]
    assert len({held_by(three, f"j{n}")[0] for n in range(3)}) == 3


def test_a_crash_frees_its_lease(tmp_path: Path) -> None:
    """kill -9 of the holder: who waits gets it at once."""
    one = StandIns(tmp_path / "gpus", 1)
    first = job(one, 1, "first")
    wait_until((one.folder / "first.holds").exists, "the first has it", first)
    second = job(one, 1, "second")
    time.sleep(1)
    assert second.poll() is None
    assert not (one.folder / "second.holds").exists()
    first.send_signal(signal.SIGKILL)
    first.wait()
    may_end(one)
    assert second.wait(PATIENCE_S) == 0
    assert held_by(one, "second") == held_by(one, "first")


SET = {
    "2": ["2"], "GPU-stand-in-1": ["1"], " 1": ["1"], "2,-1,0": ["2"], "0 , 1": ["0", "1"],
}  # fmt: skip


@pytest.mark.parametrize("visible", SET)
def test_what_the_user_or_slurm_has_set_is_respected(three: StandIns, visible: str) -> None:
    """Only GPUs of CUDA_VISIBLE_DEVICES are taken, by index or by UUID."""
    count = len(SET[visible])
    may_end(three)
    assert errors_of(job(three, count, "job", CUDA_VISIBLE_DEVICES=visible)) == ""
    assert held_by(three, "job") == [f"GPU-stand-in-{place}" for place in SET[visible]]


@pytest.mark.parametrize(
    ("visible", "words"),
    [
        ({"CUDA_VISIBLE_DEVICES": "0"}, "Stand-in A6000 number 0; CUDA_VISIBLE_DEVICES is '0'"),
        ({"CUDA_VISIBLE_DEVICES": "0,0"}, "none; CUDA_VISIBLE_DEVICES is '0,0'"),
        ({"CUDA_VISIBLE_DEVICES": "MIG-4c1f"}, "names slices (MIG), which are not supported yet: MIG-4c1f"),
        ({"STAND_IN_SLICED": "1", "CUDA_VISIBLE_DEVICES": "0,1"}, "1 GPU(s) are cut into slices (MIG)"),
    ],
)  # fmt: skip
def test_why_too_few_are_visible(three: StandIns, visible: dict[str, str], words: str) -> None:
    """One line says what is set, or that slices of GPUs are not supported."""
    refused = job(three, 2, "few", **visible)
    stderr = errors_of(refused)
    assert (refused.returncode, stderr.count("\n")) == (1, 1)
    assert "needs 2 NVIDIA GPU(s) named 'A6000'; this host has " in stderr
    assert words in stderr


def test_a_gpu_in_foreign_use_is_passed_over_and_named(three: StandIns) -> None:
    """A process or used memory makes it so; if too few GPUs are left, one line says so."""
    three.processes[0] = [4242]
    three.used_bytes[1] = 30 * 10**9
    three.tell()
    may_end(three)
    stderr = errors_of(job(three, 1, "free"))
    assert held_by(three, "free") == ["GPU-stand-in-2"]
    assert "skipped: " in stderr
    assert "GPU-stand-in-0) is in use by process 4242" in stderr
    assert "GPU-stand-in-1) has 30.0 GB of its memory in use" in stderr
    few = job(three, 2, "few")
    stderr = errors_of(few)
    assert few.returncode == 1
    assert stderr.count("\n") == 1
    assert "needs 2 free GPU(s)" in stderr
    assert "process 4242" in stderr
