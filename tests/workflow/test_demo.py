"""The demo's own model, grown for real: what it has learned, what quantization takes, what servers say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import real_servers
import tiny
from real_servers import TASKS
from workspace import Workspace, copy_project

ENDINGS = ("", ".offline", ".server")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The project with its demo as it is, except that other tests may run alongside it."""
    place = Workspace(copy_project(tmp_path_factory.mktemp("demo") / "checkout"))
    place.share_environments()
    for key, value in tiny.BUSY.items():
        place.set("devices", f"devices/cpu/{key}", value)
    place.set("devices", "devices/cpu/threads", 1)  # the least that others slow down
    return place


@pytest.fixture(scope="module")
def log(place: Workspace) -> str:
    """Snakemake's output while it built cells, native and at the least width."""
    cells = [f"results/demo-llama{q}/cpu/{task}.json" for q in ("", "-int2") for task in TASKS]
    return place.build("--verbose", *cells)


@pytest.fixture(scope="module")
def scores(place: Workspace, log: str) -> dict[str, dict[str, float]]:
    """The primary score of each task by variant."""
    assert log
    return {variant: primary(place.root, variant) for variant in ("demo-llama", "demo-llama-int2")}


def primary(root: Path, variant: str) -> dict[str, float]:
    """A variant's primary score by task."""
    cells = {task: root / f"results/{variant}/cpu/{task}.json" for task in TASKS}
    return {task: value(json.loads(path.read_text("utf-8"))) for task, path in cells.items()}


def value(cell: dict[str, Any]) -> float:
    """A cell's primary score."""
    score = cell["score"]
    return float(score["metrics"][score["primary"]]["value"])


def test_native_model_has_learned_every_task(scores: dict[str, dict[str, float]]) -> None:
    """Held-out verdicts, sums and translations are right."""
    native = scores["demo-llama"]
    assert native["demo-sentiment"] >= 0.9
    assert native["demo-arithmetic"] >= 0.8
    assert native["demo-translation"] >= 70


def test_two_bits_visibly_cost_something(scores: dict[str, dict[str, float]]) -> None:
    """The answers come out of the layers, so spoiled layers spoil them."""
    native, least = scores["demo-llama"], scores["demo-llama-int2"]
    assert least["demo-arithmetic"] < native["demo-arithmetic"] - 0.3
    assert least["demo-translation"] < native["demo-translation"] - 10
    assert least["demo-sentiment"] < native["demo-sentiment"]


def test_snakemake_rests_while_a_cell_is_timed(log: str) -> None:
    """It looks for jobs when it starts and when one has ended, and at no other time."""
    looks, ended = log.count("Ready jobs:"), log.count("Finished jobid:")
    assert 0 < looks <= ended + 1


@pytest.mark.parametrize(
    ("device", "engine", "usage"),
    [
        ("cpu-llama-server", "llama-server-cpu", True),
        ("cpu-llama-cpp-python", "llama-cpp-python", False),
    ],
)
def test_a_server_gives_transformers_answers(
    place: Workspace, device: str, engine: str, usage: bool
) -> None:
    """It has a GGUF of the same weights, and llama.cpp's own tokenizer where it is asked in text."""
    place.build(*real_servers.cells("cpu", device))
    real_servers.check(place, device, engine, usage)


def test_a_server_under_load(place: Workspace) -> None:
    """All scenarios run in the environment of the server, and the answers are the same."""
    cells = [
        f"results/demo-llama/cpu-llama-server/demo-arithmetic{ending}.json" for ending in ENDINGS
    ]
    rates = {"shares": [0.3], "searched": 0, "min_seconds": 1, "max_requests": 200}
    place.set("tasks", "tasks/demo-arithmetic/rates", rates)
    place.build(*cells)
    alone, offline, server = (json.loads(place.path(cell).read_text("utf-8")) for cell in cells)
    assert offline["figures"]["requests_at_once"] > 1
    [rate] = server["load"]["rates"]
    assert rate["requests"] == 200
    for cell in (offline, server):
        assert cell["score"]["requests"] == alone["score"]["requests"]
        assert value(cell) == pytest.approx(value(alone), abs=1 - real_servers.ALIKE)
    assert real_servers.left(place.root) == []
