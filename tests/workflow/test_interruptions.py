"""kill -9 of the whole tree, then the same command: nothing that was finished is lost or repeated."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

import tiny
from disturbed import lines, predictions
from workspace import Workspace

SIZE = 100


def start(place: Workspace) -> subprocess.Popen[bytes]:
    """Snakemake at the head of a process group of its own."""
    log = place.path("log.txt").open("ab")
    command = [sys.executable, "-m", "snakemake", "--cores", "2"]
    return subprocess.Popen(command, cwd=place.root, stdout=log, stderr=log, start_new_session=True)


@pytest.fixture
def small(finished: Path, tmp_path: Path) -> Workspace:
    """The tiny study with more requests, one model and one task."""
    place = tiny.grown(finished, tmp_path)
    place.set("config", "study/models", ["tiny-llama"])
    place.set("config", "study/tasks", ["sums"])
    place.set("tasks", "tasks/sums/sample/size", SIZE)
    return place


@pytest.mark.parametrize("kill", [os.killpg, os.kill], ids=["the whole tree", "Snakemake alone"])
def test_killed_while_measuring(small: Workspace, kill: Callable[[int, int], None]) -> None:
    """Each measurement is killed once with some of its requests done; the next run goes on."""
    kept: dict[str, list[dict[str, Any]]] = {}
    deadline = time.monotonic() + 240
    running = start(small)
    while running.poll() is None:
        assert time.monotonic() < deadline, small.path("log.txt").read_text()
        for journal in small.root.glob("results/*/*/*/*/journal.jsonl"):
            name = journal.parts[-5]
            if name not in kept and 20 < len(lines(journal)) < SIZE - 20:
                kill(running.pid, signal.SIGKILL)
                running.wait()
                kept[name] = lines(journal)
                running = start(small)
        time.sleep(0.02)
    assert running.returncode == 0, small.path("log.txt").read_text()
    assert set(kept) == {"tiny-llama", "tiny-llama-int8"}
    for path in small.root.glob("results/*/*/*/*/requests.jsonl"):
        finished = lines(path)
        before = kept[path.parts[-5]]
        assert finished[: len(before)] == before, "a finished request was lost or repeated"
        assert len({line["id"] for line in finished}) == len(finished) == SIZE
        assert {line["session"] for line in finished} == {0, 1}
    assert small.jobs() == set()
    assert not list(small.root.glob("results/**/journal.jsonl")), "a journal was left behind"

    undisturbed = Workspace(small.root)
    disturbed = predictions(small)
    undisturbed.build("--forcerun", "measure")
    assert predictions(undisturbed) == disturbed


@pytest.mark.parametrize("seconds", [1.5, 4.0, 7.0])
def test_killed_at_any_moment(tmp_path: Path, seconds: float) -> None:
    """Killed while planning, fetching, growing or starting: the same command finishes."""
    place = tiny.workspace(tmp_path)
    place.set("config", "study/models", ["tiny-llama"])
    place.set("config", "study/quantizations", ["native"])
    running = start(place)
    time.sleep(seconds)
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()
    place.build()
    assert place.jobs() == set()
    leftovers = [path.name for path in place.root.rglob(".*.tmp")]
    assert not leftovers, leftovers


def test_nothing_grows_for_a_snakemake_that_was_killed(tmp_path: Path) -> None:
    """It would take the processor from what the next run times."""
    place = tiny.workspace(tmp_path)
    place.set("models", "models/tiny-llama/grow/steps", 100_000)
    running = start(place)
    deadline = time.monotonic() + 60
    while "steps" not in place.path("log.txt").read_text():
        assert time.monotonic() < deadline, place.path("log.txt").read_text()
        time.sleep(0.1)
    running.kill()
    running.wait()
    while alive := [
        one for one in psutil.process_iter(["cwd"]) if one.info["cwd"] == str(place.root)
    ]:
        assert time.monotonic() < deadline, alive
        time.sleep(0.1)


def test_killed_between_a_files_end_and_its_jobs(tmp_path: Path) -> None:
    """What is whole is taken as it is, and the same command does all of the rest."""
    place = tiny.workspace(tmp_path)
    place.set("config", "study/models", ["tiny-llama"])
    place.set("config", "study/quantizations", ["native"])
    running = start(place)
    while not (made := list(place.root.glob("resources/models/*/[!.]*/lock.json"))):
        assert running.poll() is None, place.path("log.txt").read_text()
        time.sleep(0.001)
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()
    written = made[0].stat().st_mtime_ns
    place.build()
    assert place.jobs() == set()
    assert made[0].stat().st_mtime_ns == written


def test_a_scheduler_that_does_not_answer(tmp_path: Path) -> None:
    """It matters where jobs of a killed run may be alive; then one line says so."""
    place = tiny.workspace(tmp_path)
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "squeue").write_text("#!/bin/sh\necho no controller >&2\nexit 1\n", encoding="utf-8")
    (tools / "squeue").chmod(0o755)
    path = {"PATH": f"{tools}:{os.environ['PATH']}"}
    target = "results/tiny-gpt2-int8/cpu/sums.json"  # unsupported, so nothing is measured for it
    done = place.snakemake(target, **path)
    assert done.returncode == 0, done.stdout + done.stderr
    place.path(".snakemake/submitted").touch()
    place.path(target).unlink()
    done = place.snakemake(target, **path)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("error: jobs of a killed run may be alive")
    assert not place.path(target).exists()
