"""Altered files and obstacles to a run: noticed while planning, with one line each."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys

import pytest

from disturbed import lines
from frontier.results import checksums
from waiting import wait_until
from workspace import Workspace, jobs_in, refused

TABLES = {"aggregate", "compare", "render"}


def test_altered_requests(place: Workspace) -> None:
    """Noticed, said in one line; the edited answer alone is asked again, and the rest is taken."""
    requests = next(place.root.glob("results/tiny-llama/cpu/reviews/*/requests.jsonl"))
    before = lines(requests)
    requests.write_text(
        requests.read_text(encoding="utf-8").replace('"text": "', '"text": "good', 1), "utf-8"
    )
    cell = {f"{rule} tiny-llama reviews" for rule in ("measure", "score")}
    assert place.jobs() == cell | TABLES
    log = place.build()
    assert place.path("results/answers.txt").read_text("utf-8") in log, (
        "a run ends with its answers"
    )
    (recorded,) = [line for line in log.splitlines() if "altered since it was written" in line]
    assert recorded.startswith(f"{requests.relative_to(place.root)}: ")
    assert [line["text"] for line in lines(requests)] == [line["text"] for line in before]
    assert [line["session"] for line in lines(requests)] == [1] + [0] * (len(before) - 1)
    assert place.jobs() == set()


def test_another_models_measurement(place: Workspace) -> None:
    """It is not scored as this cell's, although it is in its folder, not even by hand."""
    measurement = next(place.root.glob("results/tiny-llama/cpu/reviews/*/measurement.json"))
    recorded = checksums.read(measurement.read_bytes())
    assert recorded
    recorded["spec"]["identity"]["digest"] = "0" * 16
    checksums.write(measurement, recorded)
    spec = place.program("plan", "--spec", "score", "results/tiny-llama/cpu/reviews.json").stdout
    sample = next(place.root.glob("resources/samples/reviews/*/sample.jsonl"))
    done = place.program(
        "score", "--spec", spec, "--requests", str(measurement.with_name("requests.jsonl")),
        "--measurement", str(measurement), "--sample", str(sample), "--cell", "x.json", "--table", "x",
    )  # fmt: skip
    refused(done, "measurement.json", "belongs to another cell")
    assert "measure tiny-llama reviews" in place.jobs()


@pytest.mark.parametrize("name", ["results", "resources"])
@pytest.mark.parametrize("what", ["file", "link"])
def test_something_else_in_a_folders_place(place: Workspace, name: str, what: str) -> None:
    """One line while planning; the link of a disk that is not there, too."""
    shutil.rmtree(place.path(name))
    if what == "file":
        place.path(name).touch()
    else:
        place.path(name).symlink_to("/nowhere/at/all")
    refused(place.snakemake("--dry-run"), f"error: {name}: ")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits a process's addresses")
def test_too_little_memory_to_start(place: Workspace) -> None:
    """The shell's limit for a process, and the memory that it needs."""
    command = f"ulimit -v 1000000; {sys.executable} -m snakemake --cores 2"
    refused(place.run("bash", "-c", command), "ulimit -v is 1000000", "1.5 GB to start")


def test_broken_locks(place: Workspace) -> None:
    """Each is reported, and its result rebuilt if needed; nothing is measured again."""
    sample = next(place.root.glob("resources/samples/reviews/*/lock.json"))
    model = next(place.root.glob("resources/models/tiny-llama/*/lock.json"))
    whole = sample.read_bytes()
    sample.write_text("{", encoding="utf-8")
    model.write_text("{}", encoding="utf-8")
    assert place.jobs() == set()
    place.path("results/tiny-llama/cpu/reviews.json").unlink()
    log = place.build()
    assert f"{sample.relative_to(place.root)}: altered since it was written" in log
    assert jobs_in(log) == {"sample reviews", "score tiny-llama reviews"} | TABLES
    assert sample.read_bytes() == whole
    measured = next(place.root.glob("results/tiny-llama/cpu/reviews/*/"))
    shutil.rmtree(measured)
    place.path("results/tiny-llama/cpu/reviews.json").unlink()
    cell = {"measure tiny-llama reviews", "score tiny-llama reviews"}
    assert place.jobs() == {"grow_model tiny-llama"} | cell | TABLES


def test_every_byte(place: Workspace) -> None:
    """plan.py --verify reads them all, and names what is not as it was written."""
    done = place.program("plan", "--verify")
    assert done.returncode == 0, done.stdout
    assert done.stdout.endswith(" files, 0 altered since they were written\n")
    touched = ["results/study.csv", "results/tiny-llama/cpu/reviews.parquet", "results/report.html",
               str(next(place.root.glob("resources/models/*/*/model.safetensors")).relative_to(place.root))]  # fmt: skip
    for name in touched:
        content = bytearray(place.path(name).read_bytes())
        content[len(content) // 2] ^= 1
        place.path(name).write_bytes(content)
    done = place.program("plan", "--verify")
    assert done.returncode == 1
    *lines, summary = done.stdout.splitlines()
    assert sorted(lines) == sorted(f"{name}: altered since it was written" for name in touched)
    assert summary.endswith(", 4 altered since they were written")


def test_results_that_may_not_be_written(place: Workspace) -> None:
    """The first file that would be rebuilt, while planning; existing results can be read."""
    if os.geteuid() != 0:
        pytest.skip("mounting something read-only needs root")
    results = place.path("results")
    if subprocess.run(["mount", "--bind", results, results], check=False).returncode:
        pytest.skip("nothing can be mounted here")
    try:
        subprocess.run(["mount", "-o", "remount,ro,bind", results], check=True)
        assert place.jobs() == set()
        place.set("devices", "devices/cpu/max_background_cores", 63)
        refused(place.snakemake(), "results/", "is write-protected")
    finally:
        subprocess.run(["umount", "--lazy", results], check=True)


def test_a_second_snakemake(place: Workspace) -> None:
    """It says that another one is running, not to lift the locks that this one needs."""
    place.set("models", "models/tiny-llama/grow/steps", 10**6)
    first = subprocess.Popen(
        [sys.executable, "-m", "snakemake", "--cores", "2"], cwd=place.root, start_new_session=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        locks = place.path(".snakemake/locks")
        wait_until(lambda: list(locks.glob("*")), "it has its locks", first)
        for arguments in ((), ("--unlock",)):
            refused(place.snakemake(*arguments), "another Snakemake is running here")
            assert list(place.root.glob(".snakemake/locks/*"))
        assert place.snakemake("--dry-run").returncode == 0
    finally:
        os.killpg(first.pid, signal.SIGKILL)
        first.wait()
