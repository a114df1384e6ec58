"""A real Slurm of one node: what is submitted, what jobs are given, and what becomes of faults."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest

import disturbed
import slurm_site
import tiny
from disturbed import Disturbed
from standin_gpus import StandIns, never_two_at_once, spans
from waiting import PATIENCE_S, text_of, wait_until
from workspace import Workspace, jobs_in

pytestmark = pytest.mark.skipif(
    bool(slurm_site.missing()), reason=f"no Slurm here: {', '.join(slurm_site.missing())}"
)
FLAGS = ("--profile", "slurm", "--slurm-status-command", "squeue", "--latency-wait", "10",
         "--slurm-init-seconds-before-status-checks", "1", "--seconds-between-status-checks", "2")  # fmt: skip
REQUESTS = 100
MINUTES = 4
"""The time of jobs that are to be too slow."""
MEASURE, QUANTIZE = "workflow/scripts/measure.py", "workflow/scripts/quantize_model.py"
ACCOUNT = ("--default-resources", "attempts=3", "cpus_per_task=1", "runtime=30", "mem_mb=4000",
           "slurm_partition=gpus")  # fmt: skip


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[slurm_site.Site]:
    """The cluster, up for all tests of this file."""
    with slurm_site.Site(tmp_path_factory.mktemp("slurm")) as one:
        yield one


@pytest.fixture(scope="module")
def environment(site: slurm_site.Site, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment in which Slurm's commands are found and three GPUs seem to exist."""
    gpus = StandIns(tmp_path_factory.mktemp("gpus"), slurm_site.GPUS)
    return site.environment | gpus.environment


def command(*arguments: str) -> list[str]:
    """Snakemake under the project's own profile, with what this small site needs."""
    return [sys.executable, "-m", "snakemake", *FLAGS, "--configfile", "config/config.yaml",
            *ACCOUNT, *arguments]  # fmt: skip


def on_slurm(place: Workspace) -> None:
    """Lets the study's device hold a GPU, as the cluster calls it."""
    place.set("devices", "devices/cpu/gpus", 1)
    place.set("devices", "devices/cpu/gpu", "A6000")
    place.set("devices", "devices/cpu/gpu_model", "a6000")
    place.set("devices", "devices/cpu/threads", 1)
    for key, value in tiny.BUSY.items():
        place.set("devices", f"devices/cpu/{key}", value)


def measurements(place: Workspace) -> dict[str, dict[str, Any]]:
    """Every measurement, by VARIANT/TASK."""
    return {
        f"{path.parts[-5]}/{path.parts[-3]}": json.loads(path.read_text(encoding="utf-8"))
        for path in place.root.glob("results/*/*/*/*/measurement.json")
    }


def submitted(log: str) -> list[str]:
    """The rules of the jobs that went to Slurm."""
    return re.findall(r"Job \d+ has been submitted .*?log: \S*?slurm_logs/rule_(\w+)/", log)


LARGE = tiny.recipe("llama") | {
    "hidden": 1024, "layers": 8, "intermediate": 4096, "heads": 8, "steps": 0,
}  # fmt: skip


def long_study(place: Workspace, requests: int, *models: str) -> None:
    """A cell a model that takes a while: many requests of 300 tokens."""
    on_slurm(place)
    place.set("config", "study/models", list(models))
    place.set("config", "study/quantizations", ["native"])
    place.set("config", "study/tasks", ["sums"])
    place.set("tasks", "tasks/sums/sample/size", requests)
    place.set("tasks", "tasks/sums/max_new_tokens", 300)


@pytest.fixture
def long(finished: Path, tmp_path: Path) -> Workspace:
    """One cell that takes some twenty seconds."""
    place = tiny.grown(finished, tmp_path)
    long_study(place, REQUESTS, "tiny-llama")
    return place


def records(place: Workspace, variant: str = "tiny-llama") -> list[dict[str, Any]]:
    """The finished requests of a cell, from its journal or what became of it."""
    paths = [*place.root.glob(f"results/{variant}/*/*/*/journal.jsonl"),
             *place.root.glob(f"results/{variant}/*/*/*/requests.jsonl")][-1:]  # fmt: skip
    with contextlib.suppress(FileNotFoundError):  # the journal of a cell that is just finished
        return [record for path in paths for record in disturbed.lines(path)]
    return records(place, variant)


def in_mask(process: psutil.Process, mask: str) -> bool:
    """Whether the alarm by which a program ends in time is among these of its process's signals."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        status = Path(f"/proc/{process.pid}/status").read_text()
        found = re.search(rf"^{mask}:\s*([0-9a-f]+)$", status, re.MULTILINE)
        return found is not None and bool(int(found[1], 16) >> (signal.SIGALRM - 1) & 1)
    return False


def program(place: Workspace, name: str) -> psutil.Process | None:
    """The process of this workspace that runs a program and has set its alarm, if there is one."""
    for one in psutil.process_iter(["cwd", "cmdline"]):
        mine = one.info["cwd"] == str(place.root) and name in (one.info["cmdline"] or ())
        if mine and in_mask(one, "SigCgt"):
            return one
    return None


def too_slow(
    place: Workspace,
    flags: list[str],
    environment: dict[str, str],
    begun: dict[str, Callable[[], bool]],
) -> str:
    """The log of a run in which each of these programs, once it has begun, is too slow.

    It stands still until its alarm waits for it, so that neither a fast machine nor a slow one
    changes what happens.
    """
    log = place.path("log.txt")
    with log.open("wb") as words:
        running = subprocess.Popen(
            flags, cwd=place.root, stdout=words, stderr=words, env=os.environ | environment
        )
        waiting, frozen = dict(begun), dict[str, psutil.Process]()
        while waiting or frozen:
            assert running.poll() is None, text_of(log)
            for name in waiting.keys() - frozen.keys():
                one = program(place, name)
                if one is not None and waiting[name]():
                    one.suspend()
                    frozen[name] = one
                    del waiting[name]
            for name, one in list(frozen.items()):
                if in_mask(one, "ShdPnd"):
                    one.resume()
                    del frozen[name]
            time.sleep(0.1)
        assert running.wait(2 * PATIENCE_S) == 0, log.read_text()
    return log.read_text()


@pytest.fixture(scope="module")
def larger(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """One cell that is given more time when it comes back."""
    place = tiny.grown(finished, tmp_path_factory.mktemp("larger"))
    long_study(place, REQUESTS, "tiny-llama")
    return place


@pytest.fixture(scope="module")
def last(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A cell, and a checkpoint for another one, that are given too little time, once."""
    place = tiny.workspace(tmp_path_factory.mktemp("last"))
    long_study(place, REQUESTS, "large")
    place.set("models", "models/large", {"grow": LARGE | {"layers": 1}, "dtype": "float32"})
    codebook = {"method": "codebook", "bits": 8}
    place.set("quantizations", "quantizations/kmeans8", codebook)
    place.set("config", "study/quantizations", ["native", "kmeans8"])
    return place


@pytest.fixture(scope="module")
def heavy(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """One cell that is given more memory when it comes back."""
    place = tiny.workspace(tmp_path_factory.mktemp("heavy"))
    on_slurm(place)
    place.set("models", "models/large", {"grow": LARGE, "dtype": "float32"})
    return place


HEAVY = "results/large/cpu/sums.json"
MORE = command("--set-resources", f"measure:runtime={MINUTES}+9*(attempt-1)")
MORE_MEMORY = command("--set-resources", "measure:mem_mb=1350*attempt", "--", HEAVY)
ONCE = [
    flag.replace("attempts=3", "attempts=1")
    for flag in command(
        "--set-resources",
        f"measure:runtime={MINUTES}",
        f"quantize_model:runtime={MINUTES}",
        "--retries",
        "0",
    )
]


@pytest.fixture(scope="module", autouse=True)
def late(
    larger: Workspace, last: Workspace, heavy: Workspace, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Future[str]]]:
    """The logs of all three, whose time passes side by side, on a cluster of their own.

    Under way from the beginning, for it is mostly waiting.
    """

    both = {MEASURE: lambda: True, QUANTIZE: lambda: True}
    runs = {
        "larger": (larger, MORE, {MEASURE: lambda: len(records(larger)) > 0}),
        "last": (last, ONCE, both),
        "heavy": (heavy, MORE_MEMORY, {}),
    }
    gpus = StandIns(tmp_path_factory.mktemp("gpus"), slurm_site.GPUS)
    with slurm_site.Site(tmp_path_factory.mktemp("slurm")) as one, ThreadPoolExecutor() as pool:
        environment = one.environment | gpus.environment
        yield {
            name: pool.submit(too_slow, place, flags, environment, begun)
            for name, (place, flags, begun) in runs.items()
        }


def test_a_study_on_slurm(
    tmp_path: Path, site: slurm_site.Site, environment: dict[str, str]
) -> None:
    """Growing and measuring are jobs, a measurement has a GPU of its own; the rest is done here."""
    place = tiny.workspace(tmp_path)
    on_slurm(place)
    # Enough that three cells are timed at once.
    for task, size in {"sums": 200, "reviews": 20}.items():
        place.set("tasks", f"tasks/{task}/sample/size", size)
    done = place.run(*command(), **environment)
    log = done.stdout + done.stderr
    assert done.returncode == 0, log
    assert site.jobs() == []
    assert sorted(submitted(log)) == ["grow_model"] * 2 + ["measure"] * 6
    found = measurements(place)
    assert {one["outcome"] for one in found.values()} == {"measured"}
    taken = spans(place.path("results"))
    assert len(taken) == 3, "all ran on the same GPU, one after the other"
    assert never_two_at_once(taken)
    assert place.path("results/report.html").exists()
    again = place.run(*command("--dry-run"), **environment)
    assert "Nothing to be done" in again.stdout + again.stderr


def measuring(
    place: Workspace, running: subprocess.Popen[bytes], requests: int
) -> list[dict[str, Any]]:
    """Waits until so many requests of its only cell are finished; returns them."""
    wait_until(lambda: len(records(place)) > requests, place.path("log.txt"), running, poll_s=0.2)
    return records(place)


def test_snakemake_killed(
    long: Workspace, site: slurm_site.Site, environment: dict[str, str]
) -> None:
    """kill -9 leaves its job running; the same command ends that one first, and continues."""
    log = long.path("log.txt").open("wb")
    running = subprocess.Popen(
        command(), cwd=long.root, stdout=log, stderr=log, start_new_session=True,
        env=os.environ | environment,
    )  # fmt: skip
    measuring(long, running, 30)
    at_work = program(long, MEASURE)
    assert at_work is not None
    at_work.suspend()  # it would end by itself where Snakemake takes longer to start
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()
    (orphan,) = site.jobs()
    before = records(long)
    done = long.run(*command(), **environment)
    words = done.stdout + done.stderr
    assert done.returncode == 0, words
    assert f"cancelled Slurm job {orphan}, left by a killed run" in words
    finished = records(long)
    assert finished[: len(before)] == before
    assert len({record["id"] for record in finished}) == len(finished) == REQUESTS
    assert site.jobs() == []


def test_daemons_killed(
    long: Workspace, site: slurm_site.Site, environment: dict[str, str]
) -> None:
    """The node's and the controller's: jobs live on, nothing is lost or measured twice."""
    with long.path("log.txt").open("wb") as log:
        running = subprocess.Popen(
            command(), cwd=long.root, stdout=log, stderr=log, env=os.environ | environment
        )
        measuring(long, running, 0)
        for daemon in ("slurmd", "slurmctld"):
            site.stop(daemon, signal.SIGKILL)
        out = long.path("log.txt")
        wait_until(lambda: "Slurm does not answer" in text_of(out), out, running, poll_s=0.5)
        for daemon in ("slurmctld", "slurmd"):
            site.start(daemon)
        assert running.wait(2 * PATIENCE_S) == 0, long.path("log.txt").read_text()
    finished = records(long)
    assert len({record["id"] for record in finished}) == len(finished) == REQUESTS


def test_over_its_time(larger: Workspace, late: dict[str, Future[str]]) -> None:
    """It comes back with more time and continues where it was; nothing is measured twice."""
    log = late["larger"].result()
    assert submitted(log).count("measure") == 2
    words = f"not finished after {MINUTES} minutes, in attempt 1 of 3; the next attempt gets more"
    assert words in log
    (found,) = measurements(larger).values()
    assert found["outcome"] == "measured"
    finished = records(larger)
    assert len({record["id"] for record in finished}) == len(finished) == REQUESTS
    assert {record["session"] for record in finished} == {0, 1}


def test_the_last_attempt_is_too_small(
    last: Workspace, late: dict[str, Future[str]], environment: dict[str, str]
) -> None:
    """The cells that it was for record this as their outcome; no job is submitted again."""
    log = late["last"].result()
    assert sorted(submitted(log)) == ["grow_model", "measure", "measure", "quantize_model"]
    cells = {
        variant: json.loads(last.path(f"results/{variant}/cpu/sums.json").read_bytes())
        for variant in ("large", "large-kmeans8")
    }
    assert {(cell["outcome"], cell["figures"]["latency_p50_s"]) for cell in cells.values()} == {
        ("out-of-time", None)
    }
    assert {name: cell["reason"] for name, cell in cells.items()} == {
        "large": f"not finished after {MINUTES} minutes",
        "large-kmeans8": f"quantizing by codebook: not finished after {MINUTES} minutes",
    }
    assert last.path("results/report.html").exists()
    again = last.run(*ONCE, "--dry-run", **environment)
    assert "Nothing to be done" in again.stdout + again.stderr
    # The README's command, where more would help.
    last.run("sh", "-c", "rm -r results/large-kmeans8/cpu/sums* resources/quantized/large-kmeans8")
    again = last.run(*ONCE, "--dry-run", **environment)
    assert jobs_in(again.stdout + again.stderr) == {
        "quantize_model large-kmeans8 hub", "measure large-kmeans8 sums",
        "score large-kmeans8 sums", "aggregate", "compare", "render",
    }  # fmt: skip


def test_over_its_memory(heavy: Workspace, late: dict[str, Future[str]]) -> None:
    """Too little for the weights in the first attempt; enough in a later one."""
    assert "in attempt 1 of 3; the next attempt gets more" in late["heavy"].result()
    cell = json.loads(heavy.path(HEAVY).read_text(encoding="utf-8"))
    assert cell["outcome"] == "measured", cell["reason"]


@pytest.mark.skipif("CRASHES" not in os.environ, reason="takes a minute a crash: set CRASHES")
@pytest.mark.timeout(10_000)
def test_a_study_that_is_disturbed(
    tmp_path: Path, site: slurm_site.Site, environment: dict[str, str]
) -> None:
    """Jobs, Snakemake and Slurm's own daemons are killed at random moments: nothing is lost."""

    def kill_the_node_daemon(run: Disturbed) -> None:
        site.stop("slurmd", signal.SIGKILL)
        run.wait(run.random.uniform(0, 5))
        site.start("slurmd")

    def kill_the_controller(run: Disturbed) -> None:
        site.stop("slurmctld", signal.SIGKILL)
        run.wait(run.random.uniform(0, 5))
        site.start("slurmctld")

    kinds = [disturbed.kill_a_job, disturbed.kill_snakemake, disturbed.interrupt,
             kill_the_node_daemon, kill_the_controller]  # fmt: skip
    count = int(os.environ["CRASHES"])
    places = [tiny.workspace(tmp_path / name) for name in ("undisturbed", "disturbed")]
    for place in places:
        place.set("tasks", "tasks/sums/sample/size", 150)
        on_slurm(place)
    places[0].build(**environment)
    left = [kinds[n % len(kinds)] for n in range(count)]
    with Disturbed(places[1], command(), seed=0, **environment) as run:
        while left:
            event = run.disturb(left, (20, 60))
            run.finish()
            requests = run.check(places[0])
            assert site.jobs() == []
            print(f"on Slurm {dict(event)}: none of {requests} requests lost, none repeated")
            run.forget("results", "resources/models")
