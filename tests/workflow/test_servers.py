"""A server through the whole workflow: started for a cell, asked, stopped; and all that can go wrong.

The server is the one of tests/conformance_server.py, in the dialect of vLLM.
"""

from __future__ import annotations

import json
import os
import signal
import tarfile
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
from test_interruptions import start

import tiny
from conftest import ROOT
from disturbed import lines
from waiting import PATIENCE_S, text_of, wait_until
from workspace import Workspace

PROGRAM = ROOT / "tests" / "conformance_server.py"
CELL = "results/tiny-llama/cpu-served/sums.json"
CANARY = "canary-5f3c9a17d2"


def engine(**changes: Any) -> dict[str, Any]:
    """The block of a conformance server; `quirks` are its switches."""
    quirks, more = changes.pop("quirks", {}), changes.pop("more", [])
    command = [
        "{python}", str(PROGRAM), "--preset", "vllm", "--model", "{checkpoint}", "--host", "{host}",
        "--port", "{port}", "--name", "{name}", "--quirks", json.dumps(quirks), *more,
    ]  # fmt: skip
    return {
        "kind": "server", "reads": ["hub"], "accelerators": ["cpu"], "command": command,
        "health": "/health", "version": "/version", "ready_s": PATIENCE_S,
        "dialect": {"prompt_ids": True, "usage": "each", "token_ids": True},
        "prefix_caching": {"disable": {"arguments": ["--no-cache"]}},
    } | changes  # fmt: skip


def served(finished: Path, folder: Path, size: int = 8, **changes: Any) -> Workspace:
    """The tiny study, its models grown, with a device that has a server."""
    place = tiny.grown(finished, folder)
    place.set("engines", "engines/conform", engine(**changes))
    warmup = {"minimum": 1, "maximum": 2, "tolerance": 100}
    cpu = {"accelerator": "cpu", "engine": "conform", "threads": 1, "warmup": warmup}
    place.set("devices", "devices/cpu-served", cpu | tiny.BUSY)
    place.set("tasks", "tasks/sums/sample/size", size)
    return place


def result(place: Workspace) -> dict[str, Any]:
    """The cell."""
    found: dict[str, Any] = json.loads(place.path(CELL).read_text(encoding="utf-8"))
    return found


def measurement(place: Workspace) -> dict[str, Any]:
    """Its measurement."""
    (path,) = place.path("results/tiny-llama/cpu-served/sums").glob("*/measurement.json")
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def requests(place: Workspace) -> list[dict[str, Any]]:
    """Its requests."""
    (path,) = place.path("results/tiny-llama/cpu-served/sums").glob("*/requests.jsonl")
    return lines(path)


def servers(place: Workspace) -> list[int]:
    """The processes of servers that were started in a checkout."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or []
        if str(PROGRAM) in words and any(str(place.root) in word for word in words):
            found.append(process.pid)
    return found


def test_a_server_is_started_asked_and_stopped(finished: Path, tmp_path: Path) -> None:
    """The cell says which server it was, and nothing of that is left; the workflow continues."""
    place = served(finished, tmp_path)
    place.set("config", "study/devices", ["cpu-served"])
    place.set("config", "study/models", ["tiny-llama"])
    refused = place.program("plan").stderr
    assert "study.quantizations: 'int8' has no cell" in refused
    place.set("config", "study/quantizations", ["native"])
    place.build()
    assert servers(place) == []
    found = result(place)
    assert found["outcome"] in ("measured", "invalid"), found
    assert found["reason"] is None or found["reason"].startswith("client: ")
    facts = measurement(place)["server"]
    assert (facts["name"], facts["version"], facts["models"]) == (
        "conform",
        "1.2.3-conformance",
        ["model"],
    )
    assert (facts["prefix_cache"], facts["greedy"], facts["template"]) == (False, True, "none")
    assert facts["start_s"] > 0
    assert facts["client"]["passed_s"] > 0
    assert found["figures"]["failed_requests"] == found["figures"]["retried_requests"] == 0
    assert found["figures"]["weights_bytes"] > 0
    assert found["figures"]["host_peak_bytes"] > 0
    for line in requests(place):
        assert line["counted_by"] == "usage"
        assert line["tokens"] == sum(tokens for _, tokens in line["arrivals"]) <= 4
        assert line["text"] != ""
    assert place.jobs() == set()
    assert place.path("results/report.html").exists()
    # It printed its port, to the log of the cell that started it: the other one takes it over.
    logs = [*place.path("results/tiny-llama/cpu-served").glob("*/*/server.log")]
    assert logs
    for log in logs:
        assert all(line.isdigit() for line in log.read_text(encoding="utf-8").splitlines())


def test_answers_that_a_filter_withholds(finished: Path, tmp_path: Path) -> None:
    """An outcome of its own: no failure, however many, and the other answers' times stay."""
    words = "the response was filtered: content_filter"
    fault = {"inside": "3 =", "status": 400, "message": words}
    place = served(finished, tmp_path, 30, quirks={"faults": [fault]}, max_failed=0.0)
    place.build(CELL)
    withheld = [line for line in requests(place) if line["finish_reason"] == "content_filter"]
    assert withheld
    assert {line["failure"] for line in withheld} == {f"HTTP 400: {words}"}
    found = result(place)
    assert (found["figures"]["failed_requests"], found["figures"]["withheld_answers"]) == (
        0, len(withheld),
    )  # fmt: skip
    assert found["figures"]["withheld_rate"]["value"] == len(withheld) / 30
    assert found["outcome"] == "measured" or found["reason"].startswith("client: ")
    assert place.jobs(CELL) == set()


def test_requests_without_an_answer(finished: Path, tmp_path: Path) -> None:
    """They count as wrong, are in no latency, and the times of too many are not published."""
    fault = {"inside": "3 =", "kind": "abort"}
    place = served(finished, tmp_path, 30, quirks={"faults": [fault]}, max_failed=0.02)
    place.build(CELL)
    failed = [line for line in requests(place) if line.get("failure")]
    assert failed
    assert {line["failure"] for line in failed} == {"the server aborted the answer"}
    found = result(place)
    assert found["figures"]["failed_requests"] == len(failed)
    assert found["figures"]["requests"] == 30
    assert found["outcome"] == "invalid"
    assert found["reason"].startswith(
        f"failures: {len(failed)} of 30 requests had no answer, more than 2.0%"
    )
    place.set("engines", "engines/conform/max_failed", 1.0)
    assert place.jobs(CELL) == {"score tiny-llama sums"}
    place.build(CELL)
    assert not str(result(place)["reason"]).startswith("failures")


def test_killed_while_a_server_answers(finished: Path, tmp_path: Path) -> None:
    """kill -9 of the workflow: no process of a server is left, no finished request asked again."""
    place = served(finished, tmp_path, 60)
    running = start(place, CELL)
    journals = place.path("results/tiny-llama/cpu-served/sums")

    def done() -> list[dict[str, Any]]:
        return [
            line
            for path in journals.glob("*/journal.jsonl")
            for line in lines(path)
            if "text" in line
        ]

    wait_until(lambda: len(done()) > 10, place.path("log.txt"), running)
    assert servers(place)
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()
    wait_until(lambda: not servers(place), "the server ends with the workflow")
    before = done()
    place.build("--rerun-incomplete", CELL)
    whole = requests(place)
    assert [line["id"] for line in whole[: len(before)]] == [line["id"] for line in before]
    assert len({line["id"] for line in whole}) == len(whole) == 60
    assert {line["session"] for line in whole} == {0, 1}
    assert servers(place) == []


def test_a_server_that_crashes_in_the_middle(finished: Path, tmp_path: Path) -> None:
    """Its last lines are shown; what was measured is saved, and the next run continues."""
    fault = {"inside": "7", "kind": "crash", "message": str(tmp_path / "crashed")}
    place = served(finished, tmp_path / "study", 40, quirks={"faults": [fault]})
    failed = place.snakemake(CELL)
    assert failed.returncode != 0
    said = failed.stdout + failed.stderr
    assert "conform: the server ended with exit code 139" in said
    assert "the conformance server was asked to crash" in said
    assert "Traceback" not in said
    assert servers(place) == []
    place.build(CELL)
    assert len(requests(place)) == 40
    assert not any(line.get("failure") for line in requests(place))


def test_a_key_is_found_nowhere(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No file of the checkout, no process's arguments and no output has it, nor a bundle."""
    key = {"variable": "CONFORM_KEY", "given_as": "SERVER_KEY"}
    fault = {"inside": "3 =", "kind": "abort"}
    place = served(
        finished, tmp_path, key=key, more=["--key-from", "SERVER_KEY"], quirks={"faults": [fault]}
    )  # fmt: skip
    only = {
        "devices": "cpu-served",
        "models": "tiny-llama",
        "quantizations": "native",
        "tasks": "sums",
    }
    for name, one in only.items():
        place.set("config", f"study/{name}", [one])
    refused = place.snakemake()
    assert "conform: the environment variable CONFORM_KEY must hold its key" in refused.stderr
    seen: set[str] = set()
    monkeypatch.setenv("CONFORM_KEY", CANARY)
    running = start(place)
    while running.poll() is None:
        for process in psutil.process_iter(["cmdline"]):
            seen.update(process.info["cmdline"] or [])
        time.sleep(0.05)
    assert running.returncode == 0, text_of(place.path("log.txt"))
    assert any("--key-from" in word for word in seen)
    assert not any(CANARY in word for word in seen)
    assert result(place)["figures"]["requests"] == 8
    assert place.path("results/report.html").exists()
    assert place.program("pack_results", "bundle.tar.gz").returncode == 0
    with tarfile.open(place.path("bundle.tar.gz")) as bundle:
        bundle.extractall(place.path("bundle"), filter="data")
    for path in place.root.rglob("*"):
        if path.is_file() and ".venv" not in path.parts:
            assert CANARY.encode() not in path.read_bytes(), path
