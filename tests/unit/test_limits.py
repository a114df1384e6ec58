"""A job that is over what its scheduler gave ends itself in time; each in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

SCRIPTS = Path(__file__).resolve().parents[2] / "workflow" / "scripts"
linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits a process's memory")
# `job`: what a job is given of which its program may hold 700 MB.
START = """
import mmap, signal, sys, time
from pathlib import Path
from frontier.machine import limits
from frontier.errors import OutOfMemoryError

limits.AGAIN_S = 0.5
job = limits.OTHERS_BYTES + 700_000_000
folder = Path(sys.argv[1])

def hold(megabytes, seconds):
    held = bytearray(b"x") * (megabytes * 1_000_000)
    time.sleep(seconds)

def outcome_of(block, work):
    try:
        with block:
            work()
    except (OutOfMemoryError, limits.OutOfTimeError) as error:
        return f"{type(error).__name__}: {error}"
    return "enough"
"""


def lines(program: str, folder: Path) -> list[str]:
    """The output of a program."""
    done = subprocess.run(
        [sys.executable, "-c", START + program, str(folder)], capture_output=True, text=True,
        check=False, timeout=120, env=os.environ | {"PYTHONPATH": str(SCRIPTS)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@linux
def test_a_job_with_an_accelerator_is_watched(tmp_path: Path) -> None:
    """Its own memory counts, not mapped files; the monitoring leaves nothing behind."""
    program = """
def watched(work): return outcome_of(limits.limited_memory("cuda", None, job, folder), work)

def read_mapped():
    with (folder / "weights").open("w+b") as file:
        file.truncate(900_000_000)
        with mmap.mmap(file.fileno(), 0) as mapped:
            assert sum(mapped[::4096]) == 0
            time.sleep(1)

print(watched(lambda: hold(400, 1)))
print(watched(read_mapped))
print(watched(lambda: hold(900, 20)))
limits.WATCH_S = 0.01
print(outcome_of(limits.limited_memory("cuda", None, None, folder), lambda: hold(900, 1)))
print(signal.getsignal(signal.SIGUSR1) is signal.SIG_DFL)
"""
    over = "JobMemoryError: needs more than the 1.4 GB that its job has"
    assert lines(program, tmp_path) == ["enough", "enough", over, "enough", "True"]


def test_a_library_does_not_take_them_for_its_own_failures(tmp_path: Path) -> None:
    """Neither the end of the time nor, on Linux, of the memory is an unreadable configuration."""
    program = """
import json
import transformers
from frontier.engines.common.loading import check_causal
from frontier.conversions.common.calibrated import token_blocks

(folder / "config.json").write_text(json.dumps({"model_type": "llama"}))
work = lambda: None
transformers.AutoConfig.from_pretrained = lambda *_, **__: work()
for read in (check_causal, lambda checkpoint: token_blocks(checkpoint, [])):
    work = lambda: hold(1, 20)
    print(outcome_of(limits.limited_time(1.2), lambda: read(folder)))
    if sys.platform == "linux":
        work = lambda: hold(1500, 20)
        block = limits.limited_memory("cuda", None, limits.OTHERS_BYTES + 1_300_000_000, folder)
        print(outcome_of(block, lambda: read(folder)))
"""
    found = [line.partition(":")[0] for line in lines(program, tmp_path)]
    expected = (
        ["OutOfTimeError", "JobMemoryError"] if sys.platform == "linux" else ["OutOfTimeError"]
    )
    assert found == 2 * expected


def test_what_a_library_swallows_is_raised_again(tmp_path: Path) -> None:
    """Exceeded limits of time and, on Linux, of memory are raised again."""
    program = """
def swallowing(megabytes):
    try:
        hold(megabytes, 20)
    except (OutOfMemoryError, limits.OutOfTimeError):
        print("swallowed")
    hold(megabytes, 20)

print(outcome_of(limits.limited_time(1.2), lambda: swallowing(1)))
if sys.platform == "linux":
    print(outcome_of(limits.limited_memory("cuda", None, job, folder), lambda: swallowing(900)))
"""
    memory = ["swallowed", "JobMemoryError: needs more than the 1.4 GB that its job has"]
    recorded = lines(program, tmp_path)
    assert recorded[:2] == ["swallowed", "OutOfTimeError: not finished after 0 minutes"]
    assert recorded[2:] == (memory if sys.platform == "linux" else [])


@linux
@pytest.mark.parametrize(
    ("device", "job", "error"),
    [
        (8_000_000_000, None, None),
        (8_000_000_000, 9_000_000_000, None),
        (600_000_000, 9_000_000_000, "OutOfMemoryError"),
        (8_000_000_000, 1_400_000_000, "JobMemoryError"),
    ],
)
def test_on_a_cpu_the_smaller_bound_holds(
    tmp_path: Path, device: int, job: int | None, error: str | None
) -> None:
    """An allocation beyond it fails, and the message says whether a larger job would help."""
    program = f"""
def allocate():
    try:
        hold(900, 0)
    except MemoryError:
        raise OutOfMemoryError("900 MB") from None

print(outcome_of(limits.limited_memory("cpu", {device}, {job}, folder), allocate))
"""
    assert lines(program, tmp_path) == [f"{error}: 900 MB" if error else "enough"]


@linux
def test_quantizing_in_too_little_memory(tmp_path: Path) -> None:
    """An error as long as a larger attempt follows; after that the lock tells, without weights."""
    model, output = tmp_path / "model", tmp_path / "made"
    model.mkdir()
    (model / "config.json").write_text('{"model_type": "llama"}')
    matrix = torch.zeros(8192, 16384, dtype=torch.bfloat16)
    save_file({"model.layers.0.mlp.up_proj.weight": matrix}, model / "model.safetensors")
    options = {
        "bits": 8,
        "dtype": "bfloat16",
        "symmetric": True,
        "granularity": "channel",
        "group_size": None,
    }
    spec = json.dumps({"conversion": "rounding", "options": options})

    def quantize(attempt: int) -> subprocess.CompletedProcess[str]:
        limits = {"memory_bytes": 1_300_000_000, "attempt": attempt, "attempts": 2}
        command = [sys.executable, SCRIPTS / "quantize_model.py", "--spec", spec, "--model", model,
                   "--output", output, "--limits", json.dumps(limits)]  # fmt: skip
        return subprocess.run(command, capture_output=True, text=True, check=False)

    first = quantize(1)
    words = "quantizing by rounding: needs more than the 1.3 GB that its job has"
    assert first.stderr == f"error: {words}, in attempt 1 of 2; the next attempt gets more\n"
    assert first.returncode == 1
    assert not output.exists()
    second = quantize(2)
    assert second.returncode == 0, second.stderr
    assert [path.name for path in output.iterdir()] == ["lock.json"]
    recorded = json.loads((output / "lock.json").read_bytes())
    assert (recorded["outcome"], recorded["reason"]) == ("out-of-memory", words)


def test_the_memory_of_children_counts(tmp_path: Path) -> None:
    """A child that holds memory is part of the host's peak, with what it shares counted once."""
    program = """
import subprocess
from frontier.serving import memory

own = memory.own_peak_bytes()
held = "held = bytearray(b'x') * 200_000_000; print(flush=True); input()"
pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
with subprocess.Popen([sys.executable, "-c", held], **pipes) as child:
    child.stdout.readline()
    print(memory.own_peak_bytes() - own)
    child.communicate(b"\\n")
"""
    (more,) = lines(program, tmp_path)
    assert 190_000_000 < int(more) < 300_000_000
