"""An endpoint for tests of planning and money: an engine that answers without asking anybody."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import tiny
from workspace import Workspace

ENGINE = '''"""An endpoint that answers at once, always the same."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, ClassVar

from frontier.arrivals import one_by_one
from frontier.blocks import Measure
from frontier.engines import (
    Engine, Generate, Generation, Loaded, LoadedModel, ServerFacts, Settings,
)


class Pretend(Engine):
    """Keys of the `pretend` block."""

    drives_endpoints: ClassVar[bool] = True
    caches_prefixes: ClassVar[bool] = True

    base_url: Annotated[str, Measure] = "http://127.0.0.1:9"
    """Its address."""

    def load(self, checkpoint: Path, settings: Settings) -> LoadedModel:
        """Loads nothing."""
        raise AssertionError(checkpoint)

    def connect(self, settings: Settings) -> LoadedModel:
        """The endpoint's model."""
        return PretendModel(settings)


class PretendModel(LoadedModel):
    """A model that says its own name."""

    def __init__(self, settings: Settings) -> None:
        """Asks nobody."""
        self.settings = settings
        server = ServerFacts(
            "pretend", "http://127.0.0.1:9", models=(f"{settings.served}-2026-11-01",),
            fingerprints=("fp_" + Path("fingerprint").read_text(),) if Path("fingerprint").exists() else (),
            prefix_cache=settings.prefix_cache, template="server",
        )
        self.loaded = Loaded(None, None, None, server=server)

    def render(self, prompt: str) -> str:
        """The prompt as it is."""
        return prompt

    def generate(self, request: Generate) -> Generation:
        """Its name, in two tokens; writes a line for each request."""
        reserved = self.settings.budget.reserve([request.prompt], request.max_new_tokens)
        start = time.perf_counter_ns()
        with Path("calls").open("a") as calls:
            calls.write("call\\n")
        time.sleep(0.002)
        first = time.perf_counter_ns() - start
        reserved.settle(10, 2)
        end = time.perf_counter_ns() - start
        return Generation(
            text=str(self.settings.served), prompt_tokens=10, finish_reason="stop",
            start_ns=start, arrivals=one_by_one([first, first]), end_ns=end,
        )
'''


def install(folder: Path) -> None:
    """Adds the engine to a folder of engines."""
    (folder / "pretend.py").write_text(ENGINE, encoding="utf-8")


BLOCK: dict[str, Any] = {"kind": "pretend", "reads": ["hub"], "accelerators": ["remote"]}
DEVICE: dict[str, Any] = {
    "accelerator": "remote",
    "engine": "pretend",
    "warmup": {"minimum": 1, "maximum": 2, "tolerance": 100},
    **tiny.BUSY,
}


PRICES = {"input": 2.0, "output": 10.0}
COST = (10 * 2 + 2 * 10) / 1e6
"""The price of one of its answers."""


def add(place: Workspace, **device: Any) -> None:
    """Gives a workspace the endpoint, and a model behind a name."""
    install(place.path("workflow/scripts/frontier/engines"))
    place.set("engines", "engines/pretend", BLOCK)
    place.set("devices", "devices/endpoint", DEVICE | device)
    place.set("models", "models/named", {"served": "named-1", "price_per_million_tokens": PRICES})


def calls(place: Workspace) -> int:
    """The number of requests that were sent from a workspace."""
    path = place.path("calls")
    return path.read_text(encoding="utf-8").count("call") if path.exists() else 0
