"""kill -9 of the whole tree, then the same command: nothing that was finished is lost or repeated."""

from __future__ import annotations

import contextlib
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
from waiting import PATIENCE_S, text_of, wait_until
from workspace import Workspace

SIZE = 100


def start(place: Workspace, *targets: str) -> subprocess.Popen[bytes]:
    """Snakemake at the head of a process group of its own."""
    place.path("log.txt").unlink(missing_ok=True)  # processes of a killed run may still write to it
    log = place.path("log.txt").open("ab")
    command = [sys.executable, "-m", "snakemake", "--cores", "2", *targets]
    return subprocess.Popen(command, cwd=place.root, stdout=log, stderr=log, start_new_session=True)


def kill_everything(running: subprocess.Popen[bytes]) -> None:
    """Ends every process at once, like a power failure."""
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()


CELLS = {name: f"results/{name}/cpu/sums.json" for name in ("tiny-llama", "tiny-llama-int8")}


def with_more_requests(finished: Path, folder: Path) -> Workspace:
    """The tiny study, its models grown, with more sums than usual."""
    place = tiny.grown(finished, folder)
    place.set("tasks", "tasks/sums/sample/size", SIZE)
    return place


@pytest.fixture(scope="module")
def undisturbed(
    finished: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, list[tuple[str, str]]]:
    """The answers of both cells where nobody disturbed their measurements."""
    place = with_more_requests(finished, tmp_path_factory.mktemp("undisturbed"))
    place.build(*CELLS.values())
    return predictions(place)


@pytest.mark.parametrize("kill", [os.killpg, os.kill], ids=["the whole tree", "Snakemake alone"])
def test_killed_while_measuring(
    finished: Path, undisturbed: dict[str, list[tuple[str, str]]], tmp_path: Path,
    kill: Callable[[int, int], None],
) -> None:  # fmt: skip
    """Each measurement is killed once with some of its requests done; the next run continues."""
    place = with_more_requests(finished, tmp_path)
    kept: dict[str, list[dict[str, Any]]] = {}
    deadline = time.monotonic() + PATIENCE_S
    running = start(place, *CELLS.values())
    while running.poll() is None:
        assert time.monotonic() < deadline, place.path("log.txt").read_text()
        for journal in place.root.glob("results/*/*/*/*/journal.jsonl"):
            name = journal.parts[-5]
            if name in kept:
                continue
            with contextlib.suppress(FileNotFoundError):  # it has just been finished
                if not 5 < len(lines(journal)) < SIZE - 5:
                    continue
                kill(running.pid, signal.SIGKILL)
                running.wait()
                kept[name] = lines(journal)
                running = start(place, *CELLS.values())
        time.sleep(0.02)
    assert running.returncode == 0, place.path("log.txt").read_text()
    assert kept.keys() == CELLS.keys()
    for path in place.root.glob("results/*/*/*/*/requests.jsonl"):
        whole = lines(path)
        before = kept[path.parts[-5]]
        assert whole[: len(before)] == before, "a finished request was lost or repeated"
        assert len({line["id"] for line in whole}) == len(whole) == SIZE
        assert {line["session"] for line in whole} == {0, 1}
    assert place.jobs(*CELLS.values()) == set()
    assert not list(place.root.glob("results/**/journal.jsonl")), "a journal was left behind"
    assert predictions(place) == undisturbed


def test_killed_at_any_moment(tmp_path: Path) -> None:
    """Killed while planning, fetching, growing and starting, the same command continues each time.

    Also where the model was whole and its job had not ended: it is taken as it is.
    """
    place = tiny.workspace(tmp_path)
    target = "results/tiny-llama/cpu/reviews.json"

    def says(words: str) -> Callable[[], object]:
        return lambda: words in text_of(place.path("log.txt"))

    def model() -> list[Path]:
        return list(place.root.glob("resources/models/*/[!.]*/lock.json"))

    for moment in (
        says("Building DAG"),
        says("rule fetch_dataset:"),
        says("rule grow_model:"),
        model,
    ):
        running = start(place, target)
        wait_until(moment, place.path("log.txt"), running, poll_s=0.001)
        kill_everything(running)
    written = model()[0].stat().st_mtime_ns
    running = start(place, target)
    wait_until(says("rule measure:"), place.path("log.txt"), running, poll_s=0.001)
    kill_everything(running)
    place.build(target)
    assert model()[0].stat().st_mtime_ns == written
    assert place.jobs(target) == set()
    leftovers = [path.name for path in place.root.rglob(".*.tmp")]
    assert not leftovers, leftovers


def test_nothing_grows_for_a_snakemake_that_was_killed(tmp_path: Path) -> None:
    """It would take the processor from what the next run times."""
    place = tiny.workspace(tmp_path)
    place.set("models", "models/tiny-llama/grow/steps", 100_000)
    running = start(place)
    log = place.path("log.txt")
    wait_until(lambda: "steps" in text_of(log), log, running)
    running.kill()
    running.wait()

    def ended() -> bool:
        folders = (one.info["cwd"] for one in psutil.process_iter(["cwd"]))
        return str(place.root) not in folders

    wait_until(ended, "what it has started has ended", poll_s=0.1)


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
    for question in ("--dry-run", "--summary", "--unlock"):  # which cancel nothing
        done = place.snakemake(question, target, **path)
        assert done.returncode == 0, done.stdout + done.stderr
    done = place.snakemake(target, **path)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith(
        "error: jobs of a killed run may still be running"
    )
    assert not place.path(target).exists()
