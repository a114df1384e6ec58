"""Servers of the workflow: however a run ends, nothing of one is left, and nothing measured lost."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

import tiny
from conftest import ROOT
from disturbed import lines
from waiting import text_of, wait_until
from workspace import Workspace

CELL = "results/tiny-llama/served/sums.json"
KEEPS = "workflow/scripts/frontier/engines/loaded/serving.py"
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
    everyone = psutil.process_iter(["cwd", "cmdline"])
    return [one for one in everyone if one.info["cwd"] == str(place.root)]


def arguments(place: Workspace) -> str:
    """The arguments of all processes that run in a checkout."""
    return " ".join(word for one in left(place) for word in one.info["cmdline"] or [])


def journal(place: Workspace) -> list[str]:
    """The requests that are recorded so far."""
    paths = place.root.glob("results/*/*/*/*/journal.jsonl")
    return [line["id"] for path in paths for line in lines(path)]


def kill_the_job(run: psutil.Process, *, supervisor: bool = False) -> None:
    """Kills the process that measures, or all of ours that know the server's; not Snakemake."""
    everyone = run.children(recursive=True)
    (found,) = [one for one in everyone if any("supervise.py" in word for word in one.cmdline())]
    job = found.parent()
    job.suspend()  # or it would see that its supervisor has gone
    if supervisor:
        found.kill()
    job.kill()


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
        kill_the_job,
        lambda run: kill_the_job(run, supervisor=True),
    ],
    ids=["its group is killed", "Snakemake is killed", "all are killed", "all are ended", "Ctrl-C",
         "its job is killed", "its job and the supervisor are killed"],
)  # fmt: skip
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
    wait_until(lambda: len(journal(served)) == 5, log, run)
    before = journal(served)
    assert "86400" in arguments(served)
    end(psutil.Process(run.pid))
    assert run.wait() != 0
    wait_until(lambda: not left(served), f"no process is left: {text_of(log)}")
    served.path("answer").touch()
    served.build(CELL)
    assert left(served) == []
    (path,) = served.root.glob("results/*/served/*/*/requests.jsonl")
    measured = lines(path)
    assert [one["id"] for one in measured][:5] == before
    assert [one["session"] for one in measured] == [0] * 5 + [1] * 3


def test_cells_share_a_server(served: Workspace) -> None:
    """Each variant's is started once, for its first task; none is left when the run has ended."""
    served.path("answer").touch()
    # Until a busy machine has started the next cell's program.
    served.edit(KEEPS, "KEEP_S = 60.0", "KEEP_S = 600.0")
    cells = [
        f"results/tiny-{model}/served/{task}.json"
        for model in ("llama", "gpt2") for task in ("sums", "reviews")
    ]  # fmt: skip
    served.build(*cells)
    assert left(served) == []
    assert served.path("starts.txt").read_text(encoding="utf-8").count("started") == 2
    paths = served.root.glob("results/*/served/*/*/measurement.json")
    loaded = [json.loads(path.read_text(encoding="utf-8")) for path in paths]
    assert sorted(one["server"]["kept"] for one in loaded) == [False, False, True, True]
    for one in loaded:
        assert one["outcome"] == "measured"
        assert (one.get("load_s") is None) == one["server"]["kept"]
        assert one["server"]["start_s"] > 0
