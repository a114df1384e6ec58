"""vLLM and transformers serve on the demo's model: started by the workflow, asked, stopped."""

from __future__ import annotations

import pytest

import real_servers
import tiny
from workspace import Workspace, copy_project


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The project, with the answers of transformers to the demo's tasks."""
    place = Workspace(copy_project(tmp_path_factory.mktemp("servers") / "checkout"))
    place.share_environments()
    for key, value in tiny.BUSY.items():
        place.set("devices", f"devices/cpu/{key}", value)
    place.set("devices", "devices/cpu/threads", 1)  # the least that others slow down
    place.build(*real_servers.cells("cpu"))
    return place


@pytest.mark.parametrize(
    ("device", "engine"),
    [("cpu-vllm", "vllm-cpu"), ("cpu-transformers-serve", "transformers-serve")],
)
def test_a_server_gives_transformers_answers(place: Workspace, device: str, engine: str) -> None:
    """It has the same weights and precision, and counts the same tokens."""
    place.build(*real_servers.cells(device))
    real_servers.check(place, device, engine)
