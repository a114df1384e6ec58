"""The end of a program: immediate, with all that an exit promises, and by Ctrl-C."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from conftest import ROOT

BEGIN = f"""
import atexit, os, sys, tempfile, threading, time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
sys.path.insert(0, {str(ROOT / "workflow" / "scripts")!r})
from frontier.errors import UserError, run
"""


def program(folder: Path, main: str, before: str = "") -> list[str]:
    """The command of a program with that `main`, which runs in a folder."""
    path = folder / "program.py"
    body = textwrap.indent(textwrap.dedent(main), "    ")
    path.write_text(f"{BEGIN}{textwrap.dedent(before)}\ndef main():\n{body}\nrun(main)\n", "utf-8")
    return [sys.executable, str(path)]


def ended(folder: Path, main: str, before: str = "") -> subprocess.CompletedProcess[str]:
    """The result of such a program; its output is a pipe, which is written to at the end."""
    return subprocess.run(
        program(folder, main, before), cwd=folder, capture_output=True, text=True, check=False
    )


def test_what_an_exit_promises(tmp_path: Path) -> None:
    """Output, exit handlers, temporary folders, threads and executors; no more than that."""
    done = ended(
        tmp_path,
        """
        print("buffered")
        atexit.register(lambda: print("handled"))
        global pool, folder, torn
        folder, torn = tempfile.TemporaryDirectory(dir="."), Torn()
        pool = ThreadPoolExecutor()  # never shut down
        pool.submit(lambda: (time.sleep(0.2), Path("executor").touch()))
        threading.Thread(target=lambda: (time.sleep(0.2), Path("thread").touch())).start()
        """,
        """
        class Torn:
            def __del__(self):
                Path("torn down").touch()
        """,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "buffered\nhandled\n", "")
    assert {path.name for path in tmp_path.iterdir()} == {"program.py", "executor", "thread"}


@pytest.mark.parametrize(
    ("main", "code", "line"),
    [
        ("raise UserError('config: no')", 1, "error: config: no"),
        ("sys.exit(3)", 3, ""),
        ("sys.exit('words')", 1, "words"),
        ("1 / 0", 1, "ZeroDivisionError: division by zero"),
        ("raise OSError(28, 'No space left on device')", 1, "error: cannot write: "),
    ],
)
def test_failures_have_their_exit_codes(tmp_path: Path, main: str, code: int, line: str) -> None:
    """Earlier output is printed as well."""
    done = ended(tmp_path, f"print('so far')\n{main}")
    assert (done.returncode, done.stdout) == (code, "so far\n")
    assert line in (done.stderr.splitlines() or [""])[-1]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a file of Linux")
def test_output_that_cannot_be_written_fails(tmp_path: Path) -> None:
    """The exit code is the one of Python's own shutdown."""
    buffered = {key: value for key, value in os.environ.items() if key != "PYTHONUNBUFFERED"}
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(program(tmp_path, "print()"), stdout=full, env=buffered, check=False)
    assert done.returncode == 120


def interrupted(folder: Path, main: str) -> tuple[int, str]:
    """Exit code and errors of a program that gets SIGINT when it has printed something."""
    with subprocess.Popen(
        program(folder, main), cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as running:
        assert running.stdout
        assert running.stderr
        assert running.stdout.readline() == "ready\n"
        running.send_signal(signal.SIGINT)
        return running.wait(60), running.stderr.read()


def test_ctrl_c_releases_what_is_held(tmp_path: Path) -> None:
    """Every finally runs; a second signal, which Snakemake may send, does not break that off."""
    found = interrupted(
        tmp_path,
        """
        try:
            print("ready", flush=True)
            time.sleep(60)
        finally:
            os.kill(os.getpid(), 2)
            time.sleep(0.2)
            Path("released").touch()
        """,
    )
    assert found == (130, "interrupted; run the same command again to continue\n")
    assert (tmp_path / "released").exists()


@pytest.mark.parametrize(
    "swallow", ["pass", "raise RuntimeError('by a library') from None"], ids=["passed", "wrapped"]
)
def test_nothing_is_written_after_ctrl_c(tmp_path: Path, swallow: str) -> None:
    """A library that swallows the interruption may return anything."""
    found = interrupted(
        tmp_path,
        f"""
        from frontier.host import files
        from frontier.measuring import sessions
        from frontier.results.journal import Journal
        journal = Journal(Path("journal.jsonl"), sessions.here(None, None, ()))
        journal.begin({{}})
        before = Path("journal.jsonl").read_bytes()
        try:
            try:
                print("ready", flush=True)
                time.sleep(60)
            except BaseException:
                {swallow}
        except RuntimeError:
            pass
        for write in (lambda: files.write_text(Path("whole"), "x"), lambda: journal.begin({{}})):
            try:
                write()
            except KeyboardInterrupt:
                pass
        assert Path("journal.jsonl").read_bytes() == before
        """,
    )
    assert found == (130, "interrupted; run the same command again to continue\n")
    assert {path.name for path in tmp_path.iterdir()} == {"program.py", "journal.jsonl"}


def test_ctrl_c_ends_a_program_that_goes_on(tmp_path: Path) -> None:
    """A little later."""
    code, _ = interrupted(
        tmp_path,
        """
        import frontier.errors
        frontier.errors.RELEASE_S = 0.2
        print("ready", flush=True)
        while True:
            try:
                time.sleep(60)
            except KeyboardInterrupt:
                pass
        """,
    )
    assert code == 130
