"""A study that is disturbed at random moments, again and again, and loses nothing by it.

CRASHES=100 disturbs the demo's study that often; without it the tiny study is, a few times.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import disturbed
import hub
import tiny
from disturbed import Disturbed
from standin_gpus import StandIns
from workspace import Workspace, copy_project

LONG = "CRASHES" in os.environ
COUNT = int(os.environ.get("CRASHES", "10"))
LATE = (20, 45) if LONG else (5, 12)
DOWNLOAD_S = 60 if LONG else 6
MADE = ("results", "resources/models", "resources/datasets", "resources/downloads",
        "resources/samples")  # fmt: skip
KINDS: list[Callable[[Disturbed], None]] = [
    disturbed.kill_a_job, disturbed.kill_snakemake, disturbed.kill_everything,
    disturbed.interrupt, disturbed.terminate, disturbed.second_snakemake, disturbed.fill_the_disk,
    disturbed.make_results_read_only, disturbed.move_the_clock,
]  # fmt: skip


class Server:
    """A server for a dataset, so slow that it can be stopped in the middle of a download."""

    def __init__(self, folder: Path) -> None:
        """Serves an archive of 4 MB."""
        self.folder, self.port = folder, "0"
        (folder / "files").mkdir(parents=True)
        with zipfile.ZipFile(folder / "files" / "reviews.zip", "w") as archive:
            archive.write(tiny.reviews(folder / "reviews") / "dev.tsv", "dev.tsv")
            archive.writestr("filler", os.urandom(4_000_000))
        self.start()

    def start(self) -> None:
        """Starts on the same port as before."""
        command = [
            sys.executable,
            hub.__file__,
            self.folder,
            self.port,
            f"{4_000_000 // DOWNLOAD_S}",
        ]
        for _ in range(60):
            # Its errors come from clients that were killed.
            self.process = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
            )
            assert self.process.stdout
            if port := self.process.stdout.readline().strip():
                self.port = port
                return
            time.sleep(1)  # another program's connection may have the port for a while
        raise AssertionError("it does not start")

    def stop(self) -> None:
        """Stops, even while it is sending."""
        self.process.kill()
        self.process.wait()

    def take_the_server_away(self, run: Disturbed) -> None:
        """Reports current downloads, and new ones."""
        self.stop()
        run.wait(3)
        self.start()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """The download's server."""
    one = Server(tmp_path / "served")
    yield one
    one.stop()


def study(place: Workspace, server: Server) -> Workspace:
    """The study to disturb, with nothing measured yet; its device holds a GPU."""
    if LONG:
        reviews = place.get("tasks", "tasks/reviews")
        shutil.rmtree(place.root)
        copy_project(place.root)
        place.set("tasks", "tasks/reviews", reviews)
        place.set("tasks", "datasets/reviews", {"loader": "sst2"})
        place.set("config", "study/tasks", [*place.get("config", "study/tasks"), "reviews"])
    else:
        place.set("config", "study/models", ["tiny-llama"])
        place.set("tasks", "tasks/sums/sample/size", 150)
    source = {"url": f"http://127.0.0.1:{server.port}/files/reviews.zip"}
    place.set("tasks", "datasets/reviews/source", source)
    # Two threads would wait for each other where something else runs at the same time.
    for key, value in {**tiny.BUSY, "threads": 1, "gpus": 1}.items():
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
    subprocess.run(["umount", "--lazy", folder], check=True)


@pytest.mark.timeout(100 * COUNT)
def test_a_study_that_is_disturbed(
    finished: Path, tmp_path: Path, disk: Path, server: Server
) -> None:
    """The same command finishes it, with the answers of a study that nobody disturbed."""
    gpus = StandIns(tmp_path / "gpus", 2)
    undisturbed = study(tiny.grown(finished, tmp_path / "undisturbed"), server)
    undisturbed.build(**gpus.environment)
    command = [sys.executable, "-m", "snakemake", "--cores", "2"]
    seed = int(os.environ.get("SEED", "0"))
    all_kinds = [*KINDS, server.take_the_server_away]
    kinds = [all_kinds[n % len(all_kinds)] for n in range(COUNT)]
    counts: Counter[str] = Counter()
    with Disturbed(study(tiny.workspace(disk), server), command, seed, **gpus.environment) as run:
        while kinds:
            counts += run.disturb(kinds, LATE)
            run.finish()
            requests = run.check(undisturbed)
            assert run.place.jobs(**gpus.environment) == set()
            assert gpus.free() == 2
            print(f"{dict(counts)}: none of {requests} requests lost, none repeated")
            run.forget(*MADE)
