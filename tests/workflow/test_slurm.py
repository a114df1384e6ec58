"""A real Slurm of one node: what is submitted, what jobs are given, and what becomes of faults."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

import disturbed
import slurm_site
import tiny
from disturbed import Disturbed
from standin_gpus import StandIns, never_two_at_once, spans
from workspace import Workspace, copy_project, jobs_in

pytestmark = pytest.mark.skipif(
    bool(slurm_site.missing()), reason=f"no Slurm here: {', '.join(slurm_site.missing())}"
)
FLAGS = ("--profile", "slurm", "--slurm-status-command", "squeue", "--latency-wait", "10",
         "--slurm-init-seconds-before-status-checks", "1", "--seconds-between-status-checks", "2")  # fmt: skip
REQUESTS = 150
MEASURE = "workflow/scripts/measure.py"
ACCOUNT = ("--default-resources", "attempts=3", "cpus_per_task=1", "runtime=30", "mem_mb=4000",
           "slurm_partition=gpus")  # fmt: skip


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[slurm_site.Site]:
    """The cluster, up for all tests of this file."""
    with slurm_site.Site(tmp_path_factory.mktemp("slurm")) as one:
        yield one


@pytest.fixture(scope="module")
def environment(site: slurm_site.Site, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Where Slurm's commands are found and three GPUs seem to be."""
    gpus = StandIns(tmp_path_factory.mktemp("gpus"), slurm_site.GPUS)
    return site.environment | gpus.environment


def command(*arguments: str) -> list[str]:
    """Snakemake under the project's own profile, with what this small site needs."""
    return [sys.executable, "-m", "snakemake", *FLAGS, "--configfile", "config/config.yaml",
            *ACCOUNT, *arguments]  # fmt: skip


def on_slurm(place: Workspace) -> None:
    """Let the study's device hold a GPU, as the cluster calls it."""
    place.set("devices", "devices/cpu/gpus", 1)
    place.set("devices", "devices/cpu/gpu", "A6000")
    place.set("devices", "devices/cpu/gpu_model", "a6000")
    place.set("devices", "devices/cpu/threads", 1)
    place.set("devices", "devices/cpu/foreign_load", 64)


def measurements(place: Workspace) -> dict[str, dict[str, Any]]:
    """Every measurement, by VARIANT/TASK."""
    return {
        f"{path.parts[-5]}/{path.parts[-3]}": json.loads(path.read_text(encoding="utf-8"))
        for path in place.root.glob("results/*/*/*/*/measurement.json")
    }


def submitted(log: str) -> list[str]:
    """The rules of the jobs that went to Slurm."""
    return re.findall(r"Job \d+ has been submitted .*?log: \S*?slurm_logs/rule_(\w+)/", log)


def test_the_demo_on_slurm(
    tmp_path: Path, site: slurm_site.Site, environment: dict[str, str]
) -> None:
    """Growing and measuring are jobs, a measurement has a GPU of its own; the rest is done here."""
    place = Workspace(copy_project(tmp_path / "checkout"))
    on_slurm(place)
    began = time.monotonic()
    done = place.run(*command(), **environment)
    print(f"the demo on Slurm: {time.monotonic() - began:.0f} s")
    log = done.stdout + done.stderr
    assert done.returncode == 0, log
    assert site.jobs() == []
    assert sorted(submitted(log)) == ["grow_model"] * 2 + ["measure"] * 15
    found = measurements(place)
    assert {one["outcome"] for one in found.values()} == {"measured"}
    taken = spans(place.path("results"))
    assert len(taken) == 3, "all ran on the same GPU, one after the other"
    assert never_two_at_once(taken)
    assert place.path("results/report.html").exists()
    again = place.run(*command("--dry-run"), **environment)
    assert "Nothing to be done" in again.stdout + again.stderr


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
def long(tmp_path: Path) -> Workspace:
    """One cell that takes half a minute."""
    place = tiny.workspace(tmp_path)
    long_study(place, REQUESTS, "tiny-llama")
    return place


def records(place: Workspace, variant: str = "tiny-llama") -> list[dict[str, Any]]:
    """The finished requests of a cell, from its journal or what became of it."""
    (path,) = [*place.root.glob(f"results/{variant}/*/*/*/journal.jsonl"),
               *place.root.glob(f"results/{variant}/*/*/*/requests.jsonl")][-1:]  # fmt: skip
    lines = [line for line in path.read_bytes().splitlines(keepends=True) if line.endswith(b"\n")]
    return [value for value in map(json.loads, lines) if "session_facts" not in value]


def measuring(
    place: Workspace, running: subprocess.Popen[bytes], requests: int
) -> list[dict[str, Any]]:
    """Wait until so many requests of its only cell are finished; returns them."""
    deadline = time.monotonic() + 180
    while not (
        list(place.root.glob("results/*/*/*/*/journal.jsonl")) and len(records(place)) > requests
    ):
        assert running.poll() is None, place.path("log.txt").read_text()
        assert time.monotonic() < deadline, place.path("log.txt").read_text()
        time.sleep(0.2)
    return records(place)


def test_over_its_time(long: Workspace, environment: dict[str, str]) -> None:
    """It comes back with more time and goes on where it was; nothing is measured twice."""
    flags = command("--set-resources", "measure:runtime=1+9*(attempt-1)")
    with long.path("log.txt").open("wb") as log:
        running = subprocess.Popen(
            flags, cwd=long.root, stdout=log, stderr=log, env=os.environ | environment
        )
        measuring(long, running, 10)
        (program,) = [
            one
            for one in psutil.process_iter(["cwd", "cmdline"])
            if one.info["cwd"] == str(long.root) and MEASURE in one.info["cmdline"]
        ]
        program.suspend()  # a machine that stands still, so that fast ones are late too
        time.sleep(max(0.0, program.create_time() + 50 - time.time()))
        program.resume()
        assert running.wait(300) == 0, long.path("log.txt").read_text()
    words = long.path("log.txt").read_text()
    assert submitted(words).count("measure") == 2
    assert "not finished after 1 minutes, in attempt 1 of 3; the next one is given more" in words
    (found,) = measurements(long).values()
    assert found["outcome"] == "measured"
    finished = records(long)
    assert len({record["id"] for record in finished}) == len(finished) == REQUESTS
    assert {record["session"] for record in finished} == {0, 1}


def test_the_last_attempt_is_too_small(tmp_path: Path, environment: dict[str, str]) -> None:
    """That is the outcome of the cells that it was for, and no job is submitted again."""
    place = tiny.workspace(tmp_path)
    long_study(place, 700, "large")
    place.set("models", "models/large", {"grow": LARGE | {"layers": 16}, "dtype": "float32"})
    codebook = {"method": "codebook", "bits": 8}
    place.set("quantizations", "quantizations/kmeans8", codebook)
    place.set("config", "study/quantizations", ["native", "kmeans8"])
    minute = ("measure:runtime=1", "quantize_model:runtime=1")
    flags = command("--set-resources", *minute, "--retries", "0")
    flags = [flag.replace("attempts=3", "attempts=1") for flag in flags]
    done = place.run(*flags, **environment)
    log = done.stdout + done.stderr
    assert done.returncode == 0, log
    assert sorted(submitted(log)) == ["grow_model", "measure", "measure", "quantize_model"]
    cells = {
        variant: json.loads(place.path(f"results/{variant}/cpu/sums.json").read_bytes())
        for variant in ("large", "large-kmeans8")
    }
    assert {(cell["outcome"], cell["latency"]) for cell in cells.values()} == {
        ("out-of-time", None)
    }
    assert {name: cell["reason"] for name, cell in cells.items()} == {
        "large": "not finished after 1 minutes",
        "large-kmeans8": "quantizing by codebook: not finished after 1 minutes",
    }
    assert place.path("results/report.html").exists()
    again = place.run(*flags, "--dry-run", **environment)
    assert "Nothing to be done" in again.stdout + again.stderr
    # What the README says to type where more would help.
    place.run("sh", "-c", "rm -r results/large-kmeans8/cpu/sums* resources/quantized/large-kmeans8")
    again = place.run(*flags, "--dry-run", **environment)
    assert jobs_in(again.stdout + again.stderr) == {
        "quantize_model large-kmeans8 transformers", "measure large-kmeans8 sums",
        "score large-kmeans8 sums", "aggregate", "compare", "render",
    }  # fmt: skip


def test_over_its_memory(tmp_path: Path, environment: dict[str, str]) -> None:
    """Too little for the weights in the first attempt; enough in a later one."""
    place = tiny.workspace(tmp_path)
    on_slurm(place)
    place.set("models", "models/large", {"grow": LARGE, "dtype": "float32"})
    target = "results/large/cpu/sums.json"
    done = place.run(
        *command("--set-resources", "measure:mem_mb=1350*attempt", "--", target), **environment
    )
    log = done.stdout + done.stderr
    assert done.returncode == 0, log
    assert "in attempt 1 of 3; the next one is given more" in log
    cell = json.loads(place.path(target).read_text(encoding="utf-8"))
    assert cell["outcome"] == "measured", cell["reason"]


def test_snakemake_killed(
    long: Workspace, site: slurm_site.Site, environment: dict[str, str]
) -> None:
    """kill -9 leaves its job running; the same command ends that one first, and goes on."""
    log = long.path("log.txt").open("wb")
    running = subprocess.Popen(
        command(), cwd=long.root, stdout=log, stderr=log, start_new_session=True,
        env=os.environ | environment,
    )  # fmt: skip
    measuring(long, running, 50)
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()
    (orphan,) = site.jobs()
    before = records(long)
    done = long.run(*command(), **environment)
    words = done.stdout + done.stderr
    assert done.returncode == 0, words
    assert f"cancelled Slurm job {orphan}, which a killed run left" in words
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
        while "Slurm does not answer" not in long.path("log.txt").read_text():
            assert running.poll() is None, long.path("log.txt").read_text()
            time.sleep(0.5)
        for daemon in ("slurmctld", "slurmd"):
            site.start(daemon)
        assert running.wait(300) == 0, long.path("log.txt").read_text()
    finished = records(long)
    assert len({record["id"] for record in finished}) == len(finished) == REQUESTS


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
            told = run.disturb(left, (20, 60))
            run.finish()
            requests = run.check(places[0])
            assert site.jobs() == []
            print(f"on Slurm {dict(told)}: none of {requests} requests lost, none repeated")
            run.forget("results", "resources/models")
