"""Two checkouts that share one folder: everything is downloaded and built once, by one of them."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import tiny
from hub import serve
from workspace import Workspace

TARGET = "results/tiny-llama-rtn8/cpu/reviews.json"


def checkout(folder: Path, url: str) -> Workspace:
    """The tiny study with a dataset to download and a checkpoint that a job quantizes."""
    place = tiny.workspace(folder)
    place.set("tasks", "datasets/reviews/source", {"url": url})
    place.set("quantizations", "quantizations/rtn8", {"method": "rounding", "bits": 8})
    return place


def test_two_checkouts_at_once(tmp_path: Path) -> None:
    """Both end well, with one good copy of everything, and the server was asked once."""
    served, shared = tmp_path / "served", tmp_path / "shared"
    (served / "files").mkdir(parents=True)
    with zipfile.ZipFile(served / "files" / "reviews.zip", "w") as archive:
        archive.write(tiny.reviews(tmp_path / "reviews") / "dev.tsv", "dev.tsv")
    environment = os.environ | {"LLM_FRONTIER_CACHE": str(shared)}
    with serve(served) as hub:
        places = [checkout(tmp_path / name, f"{hub.url}/files/reviews.zip") for name in ("a", "b")]
        racing = [
            subprocess.Popen(
                [sys.executable, "-m", "snakemake", "--cores", "1", TARGET], cwd=place.root,
                env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            )
            for place in places
        ]  # fmt: skip
        for one in racing:
            log, _ = one.communicate(timeout=600)
            assert one.returncode == 0, log
        assert len(hub.paths("GET")) == 1
    (built,) = shared.glob("quantized/*/*/*/lock.json")
    assert all(place.path(TARGET).exists() for place in places)
    for place in places:
        (weights,) = place.root.glob("resources/quantized/*/*/*/model.safetensors")
        assert weights.resolve() == built.with_name("model.safetensors").resolve()
    leftovers = {path.name for path in shared.rglob("*") if path.is_file()}
    assert not [name for name in leftovers if name.endswith((".tmp", ".part"))]
