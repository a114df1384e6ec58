"""A study under way that is disturbed, and what must be true of it afterwards."""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import signal
import struct
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Self

import psutil

from frontier.host.locks import check_lock
from frontier.values import sha256
from waiting import PATIENCE_S, wait_until
from workspace import Workspace

CELLS = "results/*/*/*/*"
GOES_ON = "the same command again"


def lines(path: Path) -> list[dict[str, Any]]:
    """Whole records of a journal or of requests.jsonl, as they came from the model."""
    whole = [line for line in path.read_bytes().splitlines(keepends=True) if line.endswith(b"\n")]
    # The load is counted up at the end; the counters, and a checksum over all, are the line's own.
    later = ("foreign_cores", "reading", "checksum")
    return [
        {key: one for key, one in value.items() if key not in later}
        for value in map(json.loads, whole)
        if "id" in value
    ]


def predictions(place: Workspace) -> dict[str, list[tuple[str, str]]]:
    """The answers of every measured cell, by its place."""
    return {
        "/".join(path.parts[-5:-2]): [(line["id"], line["text"]) for line in lines(path)]
        for path in place.root.glob(f"{CELLS}/requests.jsonl")
    }


class Disturbed:
    """A study under way, on a disk of its own, that is started again whenever it has ended."""

    def __init__(
        self, place: Workspace, command: Sequence[str], seed: int, **environment: str
    ) -> None:
        """Prepares a clock that can be moved; nothing runs yet."""
        self.place, self.command = place, command
        self.random = random.Random(seed)
        self.kept: dict[Path, list[dict[str, Any]]] = {}
        self.log = place.root.parents[1] / "log.txt"  # next to its disk, which will be full
        self.clock = place.root.parent / "clock"
        self.clock.write_bytes(bytes(8))
        library = self.clock.with_suffix(".so")
        source = Path(__file__).with_name("clock.c")
        subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", library, source], check=True)
        moved = {"LD_PRELOAD": str(library), "CLOCK_OFFSET": str(self.clock)}
        self.environment = os.environ | moved | environment

    def start(self) -> None:
        """The same command, always."""
        with self.log.open("ab") as log:
            self.began = log.tell()
            self.running = subprocess.Popen(
                self.command, cwd=self.place.root, env=self.environment,
                stdout=log, stderr=log, start_new_session=True,
                # A shell makes the processes that it starts in the background ignore it.
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
            )  # fmt: skip

    def __enter__(self) -> Self:
        """Nothing runs yet."""
        return self

    def __exit__(self, *_raised: object) -> None:
        """Leaves nothing running, even if the test has failed."""
        for one in self.processes():
            with contextlib.suppress(psutil.NoSuchProcess):
                one.kill()

    def processes(self) -> list[psutil.Process]:
        """All that runs in its folder now."""
        found = psutil.process_iter(["cwd"])
        return [one for one in found if one.info["cwd"] == str(self.place.root)]

    def programs(self) -> list[psutil.Process]:
        """The workflow's own programs among them."""
        found = []
        for one in self.processes():
            try:
                if "workflow/scripts/" in " ".join(one.cmdline()[:2]):
                    found.append(one)
            except psutil.NoSuchProcess:
                continue
        return found

    def wait(self, seconds: float) -> bool:
        """Lets it run; returns whether it has ended."""
        deadline = time.monotonic() + seconds
        while self.running.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
        return self.running.poll() is not None

    def log_text(self) -> str:
        """The output of the last run so far."""
        return self.log.read_bytes()[self.began :].decode(errors="replace")

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
            # Read again: a cell may have been finished since its journal was read above.
            recorded, requests = json.loads(path.read_bytes()), path.with_name("requests.jsonl")
            assert recorded["requests_sha256"] == sha256(requests)
            found, before = lines(requests), self.kept.get(path.parent, [])
            assert found[: len(before)] == before, f"{requests}: a finished request was lost"
            assert recorded["outcome"] != "measured" or recorded["requests"] == len(found)
            self.kept[path.parent] = found
        for path in self.place.root.glob("results/*/*/*.json"):
            json.loads(path.read_bytes())
        for path in self.place.root.glob("resources/*/*/*/lock.json"):
            check_lock(path.parent)

    def disturb(
        self, kinds: list[Callable[[Disturbed], None]], late: tuple[int, int]
    ) -> Counter[str]:
        """Runs it and disturbs it in each of these ways; returns how often in which.

        At random moments, mostly so soon that it has got nowhere, now and then `late`: between so
        many seconds.
        """
        counts: Counter[str] = Counter()
        self.start()
        self.random.shuffle(kinds)
        while kinds:
            soon = self.random.random() < 0.8
            if self.wait(self.random.uniform(*((1, 8) if soon else late))):
                if self.running.returncode == 0:
                    break
            else:
                disturb = kinds.pop()
                disturb(self)
                counts[disturb.__name__] += 1
                print(disturb.__name__, flush=True)
                self.observe()
            if self.running.poll() is not None:
                failed = self.running.returncode > 0  # a killed process reports nothing
                # While it plans, which takes long on a slow machine, a full disk ends it by itself.
                planning = (
                    "Select jobs" not in self.log_text() and "No space left" in self.log_text()
                )
                assert not failed or planning or GOES_ON in self.log_text(), self.log_text()[-5000:]
                self.start()
        return counts

    def forget(self, *built: str) -> None:
        """Deletes these folders, so that the next run starts from nothing."""
        for name in built:
            shutil.rmtree(self.place.path(name))
        self.kept.clear()

    def finish(self) -> None:
        """The same command, until it has had the chance to end in peace."""
        if not self.wait(900) or self.running.returncode:
            self.start()
            assert self.wait(900), "it does not end"
        assert self.running.returncode == 0, self.log.read_text(encoding="utf-8")[-5000:]

    def check(self, undisturbed: Workspace) -> int:
        """Complete, the same answers, and nothing left behind; returns the number of requests."""
        self.observe()
        assert predictions(self.place) == predictions(undisturbed)
        root = self.place.root
        wait_until(lambda: not self.processes(), "nothing of it runs")
        leftovers = [*root.rglob(".*.tmp"), *root.glob(f"{CELLS}/journal.jsonl"),
                     *root.glob(".snakemake/locks/*")]  # fmt: skip
        assert not leftovers
        return sum(map(len, self.kept.values()))


def kill_a_job(run: Disturbed) -> None:
    """One of its programs dies; Snakemake ends its other jobs and says so."""
    if programs := run.programs():
        with contextlib.suppress(psutil.NoSuchProcess):  # it has just ended by itself
            run.random.choice(programs).kill()


def kill_snakemake(run: Disturbed) -> None:
    """Its jobs find themselves without it."""
    os.kill(run.running.pid, signal.SIGKILL)
    run.running.wait()


def kill_everything(run: Disturbed) -> None:
    """Ends every process at once, like a power failure."""
    os.killpg(run.running.pid, signal.SIGKILL)
    run.running.wait()


def interrupt(run: Disturbed) -> None:
    """Ctrl-C, which reaches Snakemake and its programs."""
    os.killpg(run.running.pid, signal.SIGINT)
    assert run.wait(PATIENCE_S), "it does not end when asked to"


def terminate(run: Disturbed) -> None:
    """Ends a run as a machine that shuts down does: without letting Snakemake wait for its jobs."""
    run.running.terminate()
    if not run.wait(10):
        kill_everything(run)


def second_snakemake(run: Disturbed) -> None:
    """The same command in another window: it is refused, unless the first one has just ended."""
    second = run.place.run(*run.command, **run.environment)
    words = second.stdout + second.stderr
    # The latter where the first one takes its locks away just while the second one looks at them.
    refused = "another Snakemake is running here" in words or ".snakemake/locks/" in words
    assert second.returncode == 0 or refused, words


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
    """Moves the clock by up to two days, back or forth."""
    with run.clock.open("r+b") as file:  # the same file, which all processes have before them
        file.write(struct.pack("q", run.random.randint(-172_800, 172_800)))
