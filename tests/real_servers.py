"""The demo's own model on servers that the workflow starts, compared with transformers' answers."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import psutil

from workspace import Workspace

MODEL = "demo-llama"
TASKS = ("demo-sentiment", "demo-arithmetic", "demo-translation")
PATIENCE_S = 60
ALIKE = 0.98
"""The share of answers that are the same: where two tokens are almost equally likely, sums in
another order decide."""


def cells(*devices: str) -> list[str]:
    """The model's cells of all tasks."""
    return [f"results/{MODEL}/{device}/{task}.json" for device in devices for task in TASKS]


def records(place: Workspace, device: str, task: str) -> dict[str, dict[str, Any]]:
    """A cell's answers, by the request."""
    [path] = place.path(f"results/{MODEL}/{device}/{task}").glob("*/requests.jsonl")
    lines = map(json.loads, path.read_text(encoding="utf-8").splitlines())
    return {line["id"]: line for line in lines}


def check(place: Workspace, device: str, engine: str, usage: bool = True) -> None:
    """Each task has a cell with transformers' answers, and nothing of the server is left.

    `usage`: the server says how many tokens it has generated. On a busy machine times may be
    withheld, never answers.
    """
    for task in TASKS:
        cell = json.loads(place.path(f"results/{MODEL}/{device}/{task}.json").read_text("utf-8"))
        assert cell["outcome"] in ("measured", "invalid"), cell["reason"]
        own, others = records(place, device, task), records(place, "cpu", task)
        assert own.keys() == others.keys()
        assert cell["score"]["requests"] == len(own)
        alike = [one for one in own if own[one]["text"] == others[one]["text"]]
        assert len(alike) >= ALIKE * len(own), (device, task)
        for one in alike if usage else ():
            assert own[one]["tokens"] == others[one]["tokens"]
            assert own[one]["prompt_tokens"] == others[one]["prompt_tokens"]
        [path] = place.path(f"results/{MODEL}/{device}/{task}").glob("*/measurement.json")
        for session in json.loads(path.read_text(encoding="utf-8"))["sessions"]:
            facts = session["loaded"]["server"]
            assert facts["name"] == engine
            assert facts["start_s"] > 0
            assert facts["prefix_cache"] is False
            assert facts["greedy"] is True
    assert left(place.root) == []


def left(folder: Path) -> list[str]:
    """The commands of processes that still run in a folder after a while, or name a file in it."""
    deadline = time.monotonic() + PATIENCE_S
    while (found := running(folder)) and time.monotonic() < deadline:
        time.sleep(0.1)
    return found


def running(folder: Path) -> list[str]:
    """The commands of the processes in a folder."""
    found = []
    for process in psutil.process_iter(["cmdline", "cwd"]):
        command = " ".join(process.info["cmdline"] or ())
        if Path(process.info["cwd"] or "/").is_relative_to(folder) or str(folder) in command:
            found.append(command or str(process.pid))
    return found
