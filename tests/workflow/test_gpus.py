"""One host with three stand-in GPUs under the real Snakemake: a cell a GPU, three at once."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

import tiny
from standin_gpus import StandIns, never_two_at_once, spans
from standin_makers import IntelCard, Makers
from workspace import Workspace


@pytest.fixture
def place(finished: Path, tmp_path: Path) -> Workspace:
    """The tiny study's Llama on a device that holds a GPU and on one that holds two."""
    place = tiny.grown(finished, tmp_path)
    place.set("config", "study/models", ["tiny-llama"])
    place.set("config", "study/devices", ["cpu", "pair"])
    place.set("tasks", "tasks/sums/sample/size", 200)
    place.set("tasks", "tasks/reviews/sample/size", 20)
    one = place.get("devices", "devices/cpu") | {"gpu": "A6000", "gpus": 1}
    place.set("devices", "devices/cpu", one)
    place.set("devices", "devices/pair", one | {"gpus": 2})
    return place


def test_each_cell_has_gpus_of_its_own(place: Workspace, tmp_path: Path) -> None:
    """Three at once, never two on one; who needs two gets two; what is set is respected."""
    gpus = StandIns(tmp_path / "gpus", 3)
    done = place.snakemake("--cores", "8", **gpus.environment)
    assert done.returncode == 0, done.stdout + done.stderr
    taken = spans(place.path("results"))
    assert len(taken) == 3
    assert never_two_at_once(taken)
    held = {
        path.parts[-4]: json.loads(path.read_text(encoding="utf-8"))["sessions"][0]["hardware"]
        for path in place.root.glob("results/*/*/*/*/measurement.json")
    }
    assert {name: len(hardware["gpus"]) for name, hardware in held.items()} == {"cpu": 1, "pair": 2}


def test_a_host_with_too_few_is_reported_before_any_job(place: Workspace, tmp_path: Path) -> None:
    """Only the GPUs that the user left visible count."""
    shutil.rmtree(place.path("resources/models"))
    gpus = StandIns(tmp_path / "gpus", 3)
    done = place.snakemake("--cores", "8", **gpus.environment, CUDA_VISIBLE_DEVICES="1")
    assert done.returncode != 0
    assert "error: device 'pair' needs 2 NVIDIA GPU(s) named 'A6000'; this host has" in done.stderr
    assert not place.path("resources/models").exists()


@pytest.mark.parametrize(("accelerator", "words"), [("cuda", "CUDA"), ("xpu", "Intel's XPU")])
def test_a_torch_for_others_is_reported_before_any_job(
    place: Workspace, tmp_path: Path, accelerator: str, words: str
) -> None:
    """Nothing is grown for a device that the installed torch cannot compute on."""
    shutil.rmtree(place.path("resources/models"))
    device = place.get("devices", "devices/pair") | {"accelerator": accelerator, "gpu": "Stand-in"}
    place.set("devices", "devices/pair", device)
    nvidia = StandIns(tmp_path / "gpus", 2)
    intel = Makers(tmp_path / "gpus", intel=[IntelCard(), IntelCard()])
    shown = {"STAND_IN_CARDS": intel.environment["STAND_IN_CARDS"]} | nvidia.environment
    done = place.snakemake("--cores", "8", "results/tiny-llama/pair/reviews.json", **shown)
    assert done.returncode != 0
    needs = f"error: device 'pair': accelerator {accelerator} needs a torch built for {words}; "
    assert needs in done.stderr
    assert not place.path("resources/models").exists()


def test_a_gpu_in_use_is_passed_over(place: Workspace, tmp_path: Path) -> None:
    """The cells go to the other two, and the log names who computes there."""
    gpus = StandIns(tmp_path / "gpus", 3, processes={0: [4242]})
    done = place.snakemake(
        "--cores", "8", "results/tiny-llama/pair/reviews.json", **gpus.environment
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "is in use by process 4242" in done.stderr
    assert set(spans(place.path("results"))) == {
        "Stand-in A6000 number 1", "Stand-in A6000 number 2",
    }  # fmt: skip
