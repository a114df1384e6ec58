"""The lock on an extension that jobs compile: taken over from killed jobs, from no other."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from torch.utils import file_baton

from frontier.host import extensions

HOLDER = """
import importlib.util, sys, time
found = importlib.util.spec_from_file_location("file_baton", sys.argv[1])
module = importlib.util.module_from_spec(found)
found.loader.exec_module(module)
assert module.FileBaton(sys.argv[2]).try_acquire()
print("acquired", flush=True)
time.sleep(600)
"""
"""Another program, which holds torch's lock as torch does."""


@pytest.fixture
def lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The lock in an extension's build folder, as torch names it, with our methods in place."""
    for name in ("try_acquire", "release"):
        monkeypatch.setattr(file_baton.FileBaton, name, getattr(file_baton.FileBaton, name))
    monkeypatch.setattr(extensions, "SILENT_S", 0.1)
    extensions.end_locks_with_their_jobs()
    (tmp_path / "build").mkdir()
    return tmp_path / "build" / "lock"


@pytest.fixture
def holder(lock: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that holds it until it is killed."""
    command = [sys.executable, "-c", HOLDER, file_baton.__file__, str(lock)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "acquired\n"
        yield process
        process.kill()


class Other(threading.Thread):
    """A second job, which wants the same lock and releases it at once."""

    def __init__(self, lock: Path) -> None:
        super().__init__(daemon=True)
        self.lock = lock
        self.acquired = False
        self.start()

    def run(self) -> None:
        baton = file_baton.FileBaton(str(self.lock))
        self.acquired = baton.try_acquire()
        baton.release()


def test_the_lock_of_a_killed_job_is_taken_over(lock: Path, holder: subprocess.Popen[str]) -> None:
    """A job continues at once and says nothing; other programs see that it is held again."""
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    assert lock.exists()
    baton = file_baton.FileBaton(str(lock))
    assert baton.try_acquire()
    assert lock.exists()
    baton.release()
    assert not lock.exists()


def test_a_running_program_keeps_its_lock(
    lock: Path, holder: subprocess.Popen[str], capfd: pytest.CaptureFixture[str]
) -> None:
    """A job waits for it, says so, and continues when it has ended."""
    other = Other(lock)
    other.join(0.4)
    assert not other.acquired
    holder.kill()
    other.join()
    assert other.acquired
    assert capfd.readouterr().err == f"waiting for another job, which compiles {lock.parent}\n"


def test_jobs_take_turns(lock: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Each gets the lock, so that each builds: what was built is found by ninja."""
    baton = file_baton.FileBaton(str(lock))
    assert baton.try_acquire()
    other = Other(lock)
    other.join(0.4)
    assert not other.acquired
    baton.release()
    other.join()
    assert other.acquired
    assert "waiting for another job" in capfd.readouterr().err


def test_compilers_of_a_killed_job_finish(lock: Path) -> None:
    """They write to the folder as long as they run in it."""
    lock.touch()
    command = [sys.executable, "-c", "input()"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, cwd=lock.parent) as compiler:
        other = Other(lock)
        other.join(0.4)
        assert not other.acquired
        compiler.communicate(b"\n")
    other.join()
    assert other.acquired


def test_a_failed_build_releases_it(lock: Path) -> None:
    """It builds even if something has deleted torch's own lock meanwhile."""
    baton = file_baton.FileBaton(str(lock))
    assert baton.try_acquire()
    lock.unlink()
    baton.release()
    again = file_baton.FileBaton(str(lock))
    assert again.try_acquire()
    again.release()
