"""A study that is disturbed at random moments, again and again, and loses nothing by it.

CRASHES=100 disturbs the demo's study that often; without it the tiny study is, a few times.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

import disturbed
import tiny
from disturbed import Disturbed
from standin_gpus import StandIns
from workspace import Workspace, copy_project

LONG = "CRASHES" in os.environ
COUNT = int(os.environ.get("CRASHES", "9"))
LATE = (20, 45) if LONG else (5, 12)
KINDS: list[Callable[[Disturbed], None]] = [
    disturbed.kill_a_job, disturbed.kill_snakemake, disturbed.kill_everything,
    disturbed.interrupt, disturbed.terminate, disturbed.second_snakemake, disturbed.fill_the_disk,
    disturbed.make_results_read_only, disturbed.move_the_clock,
]  # fmt: skip


def study(folder: Path) -> Workspace:
    """What is disturbed: a checkout that has run nothing, whose device holds a GPU."""
    if LONG:
        place = Workspace(copy_project(folder / "checkout"))
    else:
        place = tiny.workspace(folder)
        place.set("tasks", "tasks/sums/sample/size", 150)
    # Two threads would wait for each other where something else runs beside them.
    for key, value in {"foreign_load": 64, "threads": 1, "gpus": 1}.items():
        place.set("devices", f"devices/cpu/{key}", value)
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
    for process in psutil.process_iter(["cwd"]):  # only where the test has failed
        if Path(process.info["cwd"] or "/").is_relative_to(folder):
            process.kill()
    subprocess.run(["umount", "--lazy", folder], check=True)


@pytest.mark.timeout(100 * COUNT)
def test_a_study_that_is_disturbed(tmp_path: Path, disk: Path) -> None:
    """The same command finishes it, with the answers of a study that nobody disturbed."""
    gpus = StandIns(tmp_path / "gpus", 2)
    undisturbed = study(tmp_path / "undisturbed")
    undisturbed.build(**gpus.environment)
    command = [sys.executable, "-m", "snakemake", "--cores", "2"]
    run = Disturbed(study(disk), command, seed=int(os.environ.get("SEED", "0")), **gpus.environment)
    kinds = [KINDS[n % len(KINDS)] for n in range(COUNT)]
    told: Counter[str] = Counter()
    while kinds:
        told += run.disturb(kinds, LATE)
        run.finish()
        requests = run.check(undisturbed)
        assert run.place.jobs(**gpus.environment) == set()
        assert gpus.free() == 2
        print(f"{dict(told)}: none of {requests} requests lost, none repeated")
        for name in ("results", "resources/models", "resources/samples"):
            shutil.rmtree(run.place.path(name))
        run.kept.clear()
        if kinds:
            run.start()
