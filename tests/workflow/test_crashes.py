"""A study that is disturbed at random moments, again and again, and loses nothing by it.

CRASHES=100 disturbs the demo's study that often; without it the tiny study is, a few times.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

import tiny
from frontier.errors import UserError
from frontier.files import check_lock, sha256
from workspace import Workspace, copy_project

LONG = "CRASHES" in os.environ
COUNT = int(os.environ.get("CRASHES", "12"))
SEED = int(os.environ.get("SEED", "0"))
LATE = (20, 60) if LONG else (5, 12)  # seconds
FAKETIME = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)
CELLS = "results/*/*/*/*"


def lines(path: Path) -> list[dict[str, Any]]:
    """Whole records of a journal or of requests.jsonl."""
    whole = [line for line in path.read_bytes().splitlines(keepends=True) if line.endswith(b"\n")]
    return [value for value in map(json.loads, whole) if "session_facts" not in value]


def predictions(place: Workspace) -> dict[str, list[tuple[str, str]]]:
    """The answers of every measured cell, by its place."""
    return {
        "/".join(path.parts[-5:-2]): [(line["id"], line["text"]) for line in lines(path)]
        for path in place.root.glob(f"{CELLS}/requests.jsonl")
    }


class Disturbed:
    """A study under way, on a disk of its own, that is started again whenever it has ended."""

    def __init__(self, place: Workspace) -> None:
        """Nothing runs yet."""
        self.place = place
        self.random = random.Random(SEED)
        self.kept: dict[Path, list[dict[str, Any]]] = {}
        self.log = place.root.parent / "log.txt"
        self.clock = place.root.parent / "clock"
        self.clock.write_text("+0")
        self.start()

    def start(self) -> None:
        """The same command, always."""
        faked = {
            "LD_PRELOAD": str(FAKETIME), "FAKETIME_TIMESTAMP_FILE": str(self.clock),
            "FAKETIME_CACHE_DURATION": "1", "DONT_FAKE_MONOTONIC": "1", "NO_FAKE_STAT": "1",
        }  # fmt: skip
        with self.log.open("ab") as log:
            self.running = subprocess.Popen(
                [sys.executable, "-m", "snakemake", "--cores", "2"], cwd=self.place.root,
                stdout=log, stderr=log, start_new_session=True,
                env=os.environ | (faked if FAKETIME else {}),
            )  # fmt: skip

    def programs(self) -> list[psutil.Process]:
        """The workflow's own programs that run now."""
        children = psutil.Process(self.running.pid).children(recursive=True)
        return [one for one in children if "workflow/scripts/" in " ".join(one.cmdline()[:2])]

    def wait(self, seconds: float) -> bool:
        """Let it run; whether it has ended."""
        deadline = time.monotonic() + seconds
        while self.running.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
        return self.running.poll() is not None

    def observe(self) -> None:
        """No finished request is lost or repeated, and what looks finished is."""
        for path in [*self.place.root.glob(f"{CELLS}/journal.jsonl"),
                     *self.place.root.glob(f"{CELLS}/requests.jsonl")]:  # fmt: skip
            try:
                found = lines(path)
            except FileNotFoundError:  # the journal of a cell that has just been finished
                continue
            before = self.kept.get(path.parent, [])
            assert found[: len(before)] == before, f"{path}: a finished request was lost"
            assert len({line["id"] for line in found}) == len(found), f"{path}: repeated"
            self.kept[path.parent] = found
        for path in self.place.root.glob(f"{CELLS}/measurement.json"):
            told = json.loads(path.read_bytes())
            assert told["requests_sha256"] == sha256(path.with_name("requests.jsonl"))
            assert told["outcome"] != "measured" or told["requests"] == len(self.kept[path.parent])
        for path in self.place.root.glob("results/*/*/*.json"):
            json.loads(path.read_bytes())
        for path in self.place.root.glob("resources/*/*/*/lock.json"):
            check_lock(path.parent)


def kill_a_job(run: Disturbed) -> None:
    """One of its programs dies; Snakemake ends its other jobs and says so."""
    if programs := run.programs():
        run.random.choice(programs).kill()


def kill_snakemake(run: Disturbed) -> None:
    """Its jobs find themselves without it."""
    os.kill(run.running.pid, signal.SIGKILL)
    run.running.wait()


def kill_everything(run: Disturbed) -> None:
    """As when the machine is switched off."""
    os.killpg(run.running.pid, signal.SIGKILL)
    run.running.wait()


def interrupt(run: Disturbed) -> None:
    """Ctrl-C, or what a session's end sends."""
    run.running.send_signal(run.random.choice([signal.SIGINT, signal.SIGTERM]))
    assert run.wait(120), "it does not end when told to"


def second_snakemake(run: Disturbed) -> None:
    """The same command in another window: it is refused, unless the first one has just ended."""
    second = run.place.snakemake()
    words = second.stdout + second.stderr
    assert second.returncode == 0 or "cannot be locked" in words, words


def fill_the_disk(run: Disturbed) -> None:
    """No byte can be written for some seconds."""
    filler = run.place.root.parent / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(1 << 16))
        except OSError:
            pass  # full, as it should be
    run.wait(3)
    filler.unlink()


def make_results_read_only(run: Disturbed) -> None:
    """Nothing can be created in results/ for some seconds."""
    results = run.place.path("results")
    results.mkdir(exist_ok=True)
    subprocess.run(["mount", "--bind", results, results], check=True)
    subprocess.run(["mount", "-o", "remount,ro,bind", results], check=True)
    run.wait(3)
    subprocess.run(["umount", "--lazy", results], check=True)


def move_the_clock(run: Disturbed) -> None:
    """By up to two days, back or forth."""
    run.clock.write_text(f"{run.random.randint(-172_800, 172_800):+d}")


KINDS: list[Callable[[Disturbed], None]] = [
    kill_a_job, kill_snakemake, kill_everything, interrupt, second_snakemake, fill_the_disk,
    make_results_read_only, *([move_the_clock] if FAKETIME else []),
]  # fmt: skip


def study(folder: Path) -> Workspace:
    """What is disturbed: a checkout that has run nothing."""
    if LONG:
        place = Workspace(copy_project(folder / "checkout"))
        place.set("devices", "devices/cpu/foreign_load", 64)
        return place
    place = tiny.workspace(folder)
    place.set("tasks", "tasks/sums/sample/size", 150)
    return place


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small disk that may be filled."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=400m", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("no disk can be mounted here, which takes root's rights")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


@pytest.mark.timeout(100 * COUNT)
def test_a_study_that_is_disturbed(tmp_path: Path, disk: Path) -> None:
    """The same command finishes it, with the answers of a study that nobody disturbed."""
    undisturbed = study(tmp_path / "undisturbed")
    undisturbed.build()
    run = Disturbed(study(disk))
    kinds = [KINDS[n % len(KINDS)] for n in range(COUNT)]
    run.random.shuffle(kinds)
    told: Counter[str] = Counter()
    rounds = 0
    while kinds:
        # Mostly so soon that it has got nowhere, now and then late enough for a model to be grown.
        late = run.random.random() < 0.2
        if not run.wait(run.random.uniform(*(LATE if late else (1, 8)))):
            disturb = kinds.pop()
            disturb(run)
            told[disturb.__name__] += 1
            run.observe()
        if run.running.poll() == 0 and kinds:
            check_finished(run, undisturbed)
            rounds += 1
            for name in ("results", "resources/models", "resources/samples"):
                shutil.rmtree(run.place.path(name))
            run.kept.clear()
        if run.running.poll() is not None:
            run.start()
    if not run.wait(600) or run.running.returncode:
        run.start()
        assert run.wait(600)
    assert run.running.returncode == 0, run.log.read_text(encoding="utf-8")[-5000:]
    check_finished(run, undisturbed)
    requests = sum(map(len, run.kept.values()))
    print(f"{dict(told)}, in {rounds + 1} studies of {requests} requests: none lost, none repeated")


def check_finished(run: Disturbed, undisturbed: Workspace) -> None:
    """Complete, the same answers, and nothing left behind."""
    run.observe()
    assert predictions(run.place) == predictions(undisturbed)
    assert run.place.jobs() == set()
    root = run.place.root
    leftovers = [*root.rglob(".*.tmp"), *root.glob(f"{CELLS}/journal.jsonl"),
                 *root.glob(".snakemake/locks/*")]  # fmt: skip
    assert not leftovers
    alive = [one for one in psutil.process_iter(["cwd"]) if one.info["cwd"] == str(root)]
    assert not alive
