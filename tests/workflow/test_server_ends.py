"""Servers of the workflow: however a run ends, nothing of one is left, and nothing measured lost."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

import tiny
from conftest import ROOT
from disturbed import lines
from workspace import Workspace

PATIENCE_S = 300.0
CELL = "results/tiny-llama/served/sums.json"
# With a process that leaves its session, and hangs unless a file says otherwise.
SCRIPT = """
echo started >> starts.txt
setsid sleep 86400 &
if [ -e "$1" ]; then quirks='{}'; else quirks=$2; fi
shift 2
exec "$@" --quirks "$quirks"
"""


@pytest.fixture
def served(finished: Path, tmp_path: Path) -> Workspace:
    """The tiny study, with a server that hangs at the sixth sum, unless there is a file `answer`."""
    place = tiny.grown(finished, tmp_path)
    (sample,) = place.root.glob("resources/samples/sums/*/sample.jsonl")
    question = json.loads(sample.read_text(encoding="utf-8").splitlines()[5])["fields"]["question"]
    quirks = json.dumps({"faults": [{"inside": question, "kind": "hang"}]})
    program = ["{python}", str(ROOT / "tests" / "conformance_server.py"), "--preset", "vllm"]
    program += ["--host", "{host}", "--port", "{port}", "--model", "{checkpoint}"]
    answer = str(place.path("answer"))
    block = {
        "kind": "server", "reads": ["hub"], "accelerators": ["cpu"], "health": "/v1/models",
        "command": ["/bin/sh", "-c", SCRIPT, "sh", answer, quirks, *program],
        "dialect": {"prompt_ids": True, "usage": "each"},
        "prefix_caching": {"disable": {}},
    }  # fmt: skip
    place.set("engines", "engines/served", block)
    place.set(
        "devices", "devices/served", place.get("devices", "devices/cpu") | {"engine": "served"}
    )
    return place


def left(place: Workspace) -> list[psutil.Process]:
    """The processes that run in a checkout."""
    return [one for one in psutil.process_iter(["cwd"]) if one.info["cwd"] == str(place.root)]


def wait_for(seen: Callable[[], object], log: Path) -> None:
    """Waits until something is seen."""
    deadline = time.monotonic() + PATIENCE_S
    while not seen():
        assert time.monotonic() < deadline, log.read_text(encoding="utf-8")
        time.sleep(0.02)


def journal(place: Workspace) -> list[str]:
    """The requests that are recorded so far."""
    paths = place.root.glob("results/*/*/*/*/journal.jsonl")
    return [line["id"] for path in paths for line in lines(path)]


def signal_all(run: psutil.Process, number: int) -> None:
    """Signals every process of a run, such as a scheduler or a user that means all."""
    for one in (*run.children(recursive=True), run):
        with contextlib.suppress(psutil.NoSuchProcess):
            one.send_signal(number)


@pytest.mark.parametrize(
    "end",
    [
        lambda run: os.killpg(run.pid, signal.SIGKILL),
        lambda run: run.kill(),
        lambda run: signal_all(run, signal.SIGKILL),
        lambda run: signal_all(run, signal.SIGTERM),
        lambda run: os.killpg(run.pid, signal.SIGINT),
    ],
    ids=["its group is killed", "Snakemake is killed", "all are killed", "all are ended", "Ctrl-C"],
)
def test_a_run_ends_while_a_server_is_asked(
    served: Workspace, end: Callable[[psutil.Process], None]
) -> None:
    """No process of it is left, and the next run continues with the requests that are missing."""
    log = served.path("log.txt")
    with log.open("wb") as output:
        run = subprocess.Popen(
            [sys.executable, "-m", "snakemake", "--cores", "2", CELL], cwd=served.root,
            stdout=output, stderr=output, start_new_session=True,
        )  # fmt: skip
    wait_for(lambda: len(journal(served)) == 5 or run.poll() is not None, log)
    assert run.poll() is None, log.read_text(encoding="utf-8")
    before = journal(served)
    assert any("86400" in one.cmdline() for one in left(served))
    end(psutil.Process(run.pid))
    run.wait()
    wait_for(lambda: not left(served), log)
    served.path("answer").touch()
    served.build(CELL)
    assert left(served) == []
    (path,) = served.root.glob("results/*/served/*/*/requests.jsonl")
    measured = lines(path)
    assert [one["id"] for one in measured][:5] == before
    assert [one["session"] for one in measured] == [0] * 5 + [1] * 3


def test_cells_share_a_server(served: Workspace) -> None:
    """Each variant's is started once, for its first task; it ends with the run at the latest."""
    served.path("answer").touch()
    cells = [
        f"results/tiny-{model}/served/{task}.json"
        for model in ("llama", "gpt2") for task in ("sums", "reviews")
    ]  # fmt: skip
    served.build(*cells)
    wait_for(lambda: not left(served), served.path("starts.txt"))
    assert served.path("starts.txt").read_text(encoding="utf-8").count("started") == 2
    paths = served.root.glob("results/*/served/*/*/measurement.json")
    loaded = [json.loads(path.read_text(encoding="utf-8")) for path in paths]
    assert sorted(one["server"]["kept"] for one in loaded) == [False, False, True, True]
    for one in loaded:
        assert one["outcome"] == "measured"
        assert (one.get("load_s") is None) == one["server"]["kept"]
        assert one["server"]["start_s"] > 0
    served.build("results/tiny-llama/cpu/sums.json")
    assert left(served) == []
