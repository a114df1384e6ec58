"""Programs that run in a copy of a process which has imported their libraries."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from conftest import ROOT
from waiting import has_ended, wait_until

FORKED = ROOT / "workflow" / "scripts" / "forked.py"
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nothing is forked")

# Simple values of all modules that both have: where a library read the environment, it shows.
STATE = """
import json, os, signal, sys
os.environ |= {"HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": ""}  # as measuring has it on a CPU
import numpy, torch, transformers.modeling_utils
import frontier.engines.transformers
simple = (bool, int, float, str, type(None))
values = {
    f"{name}.{key}": repr(value)
    for name, module in sorted(sys.modules.items()) if name.split(".")[0] not in SKIPPED
    for key, value in list(vars(module or object).items())
    if isinstance(value, simple) and not key.startswith("__")
}
umask = os.umask(0)
print(json.dumps({
    "values": values, "environment": dict(os.environ), "path": sys.path, "arguments": sys.argv,
    "folder": os.getcwd(), "umask": umask, "threads": len(os.listdir("/proc/self/task")),
    "torch": [str(torch.get_default_dtype()), torch.get_num_threads(), torch.cuda.is_initialized()],
    "signals": [str(signal.getsignal(number)) for number in range(1, 32)],
    "mask": sorted(signal.pthread_sigmask(signal.SIG_BLOCK, [])),
    "name": [__name__, __file__], "json": json.dumps.__module__,
    "files": sorted(os.listdir("/proc/self/fd"))[:3], "priority": os.nice(0),
}))
"""
CHANGED = """
import json, os, random, signal, sys
import numpy, torch, transformers
torch.set_default_dtype(torch.float64); torch.set_num_threads(1); torch.manual_seed(7)
numpy.random.seed(7); random.seed(7); os.environ["OMP_NUM_THREADS"] = "5"; os.chdir("/")
os.umask(0o027); sys.path.insert(0, "/nowhere"); json.dumps = None; transformers.__version__ = "0"
signal.signal(signal.SIGTERM, signal.SIG_IGN); os.nice(3)
"""


class Run:
    """Stands in for a Snakemake run: a folder, and a process that programs believe to be it."""

    def __init__(self, folder: Path) -> None:
        """Starts with an empty run."""
        self.folder = folder
        (folder / ".snakemake").mkdir()
        (folder / "elsewhere").mkdir()
        self.library = folder / "elsewhere" / "sitecustomize.py"
        self.library.write_text("import os\n")
        wait = "import time; time.sleep(3600)"
        self.process = subprocess.Popen([sys.executable, "-c", wait, "snakemake"])
        self.environment = os.environ | {
            "LLM_FRONTIER_RUNNER": str(self.process.pid), "OMP_NUM_THREADS": "1",
            "PYTHONHASHSEED": "0",
            "CUDA_VISIBLE_DEVICES": "given",
            "PYTHONPATH": f"{folder / 'elsewhere'}:{ROOT / 'workflow' / 'scripts'}",
        }  # fmt: skip
        self.environment.pop("HF_HUB_OFFLINE", None)
        self.socket = folder / ".snakemake" / f"forked.{self.process.pid}.socket"

    def start(self, text: str, *before: str, **environment: str) -> subprocess.Popen[str]:
        """Runs a program of that text, by forked.py unless `before` says how else."""
        assert self.process.poll() is None, "something else has ended the run"
        program = self.folder / "program.py"
        program.write_text(text, encoding="utf-8")
        return subprocess.Popen(
            [sys.executable, *(before or (str(FORKED),)), str(program), "--an", "option"],
            cwd=self.folder, env=self.environment | environment, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def run(self, text: str, *before: str, **environment: str) -> tuple[int, str, str]:
        """Exit code, output and errors of such a program."""
        with self.start(text, *before, **environment) as started:
            output, errors = started.communicate()
        return started.returncode, output, errors

    def server(self) -> psutil.Process:
        """The process that forks."""
        code, output, errors = self.run("import os; print(os.getppid())")
        assert code == 0, errors
        return psutil.Process(int(output))

    def copied(self, **environment: str) -> bool:
        """Whether a program now runs in a copy."""
        done = self.run("import psutil; print(*psutil.Process().cmdline())", **environment)
        assert done[0] == 0, done
        print((self.folder / ".snakemake" / "forked.log").read_text(encoding="utf-8"))
        return "forking.py" in done[1]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """One for all, for its process takes seconds to start."""
    one = Run(tmp_path_factory.mktemp("run"))
    yield one
    one.process.kill()
    one.process.wait()
    wait_until(lambda: not one.socket.exists(), "the forking process has ended")


def test_a_copy_is_as_a_process_of_its_own(run: Run) -> None:
    """It is, even after one that has changed everything within its reach."""
    skipped = "SKIPPED = ('forking', 'forked', '__main__', 'sitecustomize')\n"
    assert run.run(CHANGED)[0] == 0
    done = [run.run(skipped + STATE, *alone) for alone in ((), ("-u",), ("-u",))]
    assert run.copied()
    assert {code for code, _, _ in done} == {0}, done
    copied, alone, another = (json.loads(output) for _, output, _ in done)
    values = [one.pop("values") for one in (copied, alone, another)]
    assert copied == alone
    assert values[1].keys() <= values[0].keys()
    # Some are addresses, and times: of any two processes.
    same = {key for key in values[1] if values[1][key] == values[2].get(key)}
    assert len(same) > 5000
    assert {key: values[0][key] for key in same if values[0][key] != values[1][key]} == {}


def test_random_numbers_are_its_own(run: Run) -> None:
    """No two copies draw the same."""
    draw = (
        "import numpy, random, torch\n"
        "print(random.random(), numpy.random.rand(), torch.rand(1).item(), torch.initial_seed())"
    )
    drawn = [number for _ in range(2) for number in run.run(draw)[1].split()]
    assert len(set(drawn)) == 8


@pytest.mark.parametrize(
    ("text", "code", "output", "errors"),
    [
        ("print('x')", 0, "x\n", ""),
        ("import sys; print('x'); sys.exit(3)", 3, "x\n", ""),
        ("import sys; sys.exit('words')", 1, "", "words\n"),
        ("import os; print(os.environ.get('CUDA_VISIBLE_DEVICES'), os.environ.get('HF_HUB_OFFLINE'))",
         0, "given None\n", ""),
        ("import os; os.kill(os.getpid(), 9)", -9, "", ""),
        ("import os; os.kill(os.getpid(), 15)", -15, "", ""),
        ("import frontier.errors as e\ndef main(): raise e.UserError('no')\ne.run(main)", 1, "",
         "error: no\n"),
        ("import sys; print(sys.stdin.read() == '', sys.argv[1:])", 0, "True ['--an', 'option']\n", ""),
    ],
)  # fmt: skip
def test_how_it_ends(run: Run, text: str, code: int, output: str, errors: str) -> None:
    """The program's own exit code, signal and output."""
    assert run.run(text) == (code, output, errors)


def test_faults_of_ours_have_a_traceback(run: Run) -> None:
    """The program's own line is the last one."""
    code, _, errors = run.run("def broken():\n    1 / 0\nbroken()")
    assert code == 1
    assert 'program.py", line 2, in broken' in errors
    assert errors.endswith("ZeroDivisionError: division by zero\n")


WAITING = """
import os, time
try:
    print(os.getpid(), flush=True)
    time.sleep(600)
finally:
    print("released")
"""


def started(run: Run) -> tuple[subprocess.Popen[str], psutil.Process]:
    """A client, and the copy that it waits for."""
    client = run.start(WAITING)
    assert client.stdout
    return client, psutil.Process(int(client.stdout.readline()))


def test_signals_reach_it(run: Run) -> None:
    """The client ends as the copy does."""
    for number, code, output in ((signal.SIGINT, -2, "released\n"), (signal.SIGTERM, -15, "")):
        client, _ = started(run)
        client.send_signal(number)
        assert client.communicate()[0] == output
        assert client.returncode in (code, 1)


def test_it_dies_with_its_client(run: Run) -> None:
    """The program would end too if it were killed itself."""
    client, copy = started(run)
    client.kill()
    client.communicate()
    wait_until(lambda: has_ended(copy), "the copy has ended")
    assert run.copied()


def test_it_dies_with_the_process_that_forks(run: Run) -> None:
    """Its client fails, and the next one starts another."""
    server = run.server()
    client, copy = started(run)
    server.kill()
    client.communicate()
    assert client.returncode == -signal.SIGKILL
    wait_until(lambda: has_ended(copy) and has_ended(server), "both have ended")
    assert run.copied()


def test_what_differs_runs_alone(run: Run) -> None:
    """An environment variable; a library that was changed; none of it while a run is unknown."""
    assert run.copied()
    assert not run.copied(OMP_NUM_THREADS="2")
    assert not run.copied(LLM_FRONTIER_RUNNER="")
    text = run.library.read_text(encoding="utf-8")
    before = run.library.stat().st_mtime_ns
    run.library.write_text(text + "# changed\n", encoding="utf-8")
    assert not run.copied()
    run.library.write_text(text, encoding="utf-8")
    os.utime(run.library, ns=(before, before))
    assert run.copied()


def test_it_ends_with_its_run(tmp_path: Path) -> None:
    """It ends when asked to, before the run does, or when the run has ended in any way."""
    run = Run(tmp_path)  # not the one that the other tests continue with
    server = run.server()
    ask = f"import forked; forked.end({run.process.pid})"
    subprocess.run([sys.executable, "-c", ask], cwd=run.folder, env=run.environment, check=True)
    assert has_ended(server)
    assert not run.socket.exists()
    server = run.server()
    run.process.kill()
    run.process.wait()
    wait_until(lambda: has_ended(server), "it has ended")
