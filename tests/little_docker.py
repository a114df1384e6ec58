"""A stand-in for docker: a daemon, of which containers are children, and its command.

It knows the options that are used here. A container is a process of this host, with no variables
but those that are named.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any, Self

SPOOL = "LITTLE_DOCKER"
SCRIPT = f'#!/bin/sh\nexec "{sys.executable}" "{__file__}" "$@"\n'
POLL_S = 0.02


class Daemon:
    """Runs containers in this process, for commands that ask for them in a folder."""

    def __init__(self, folder: Path) -> None:
        """Installs the command in `folder`."""
        self.folder = folder
        (folder / "docker").write_text(SCRIPT, encoding="utf-8")
        (folder / "docker").chmod(0o755)
        self.asked: list[dict[str, Any]] = []
        self._running: dict[Path, subprocess.Popen[bytes]] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self) -> Self:
        """Starts it."""
        self._thread.start()
        return self

    def __exit__(self, *_raised: object) -> None:
        """Ends it, with its containers."""
        self._ended.set()
        self._thread.join()
        for one in self._running.values():
            one.kill()
            one.wait()

    def _serve(self) -> None:
        while not self._ended.wait(POLL_S):
            for order in self.folder.glob("*.run"):
                asked = json.loads(order.read_text(encoding="utf-8"))
                order.unlink()
                self.asked.append(asked)
                self._running[order] = process = subprocess.Popen(
                    asked["command"], env=asked["variables"], stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
                )  # fmt: skip
                replaced(order.with_suffix(".pid"), str(process.pid))
            for order, process in [*self._running.items()]:
                if process.poll() is not None:
                    with contextlib.suppress(ProcessLookupError):  # as its namespace ends with it
                        os.killpg(process.pid, signal.SIGKILL)
                    del self._running[order]
                    order.with_suffix(".pid").unlink(missing_ok=True)


def replaced(path: Path, text: str) -> None:
    """Writes a whole file."""
    path.with_suffix(".new").write_text(text, encoding="utf-8")
    path.with_suffix(".new").rename(path)


def run(folder: Path, given: argparse.Namespace) -> None:
    """Acts as `docker run`: waits until the container has ended, and passes SIGTERM to it."""
    pid = folder / f"{given.name}.pid"
    signal.signal(signal.SIGTERM, lambda *_: os.kill(int(pid.read_text()), signal.SIGTERM))
    asked = {
        "variables": {name: os.environ[name] for name in given.env}, "mounts": given.mount,
        "command": given.command, "image": given.image, "gpus": given.gpus,
    }  # fmt: skip
    replaced(folder / f"{given.name}.run", json.dumps(asked))
    while not pid.exists():
        time.sleep(POLL_S)
    while pid.exists():
        time.sleep(POLL_S)


def main() -> None:
    """Carries out a command."""
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="asked", required=True)
    started = commands.add_parser("run")
    started.add_argument("--rm", action="store_true", required=True)
    for option in ("--pull", "--name", "--ipc", "--network", "--gpus", "--memory"):
        started.add_argument(option)
    for option in ("--mount", "--env"):
        started.add_argument(option, action="append", default=[])
    started.add_argument("image")
    started.add_argument("command", nargs=argparse.REMAINDER)
    found = commands.add_parser("inspect")
    found.add_argument("--format", choices=["{{.State.Pid}}"], required=True)
    found.add_argument("name")
    removed = commands.add_parser("rm")
    removed.add_argument("--force", action="store_true", required=True)
    removed.add_argument("name")
    given = parser.parse_args()
    folder = Path(os.environ[SPOOL])
    pid = folder / f"{given.name}.pid"
    if given.asked == "run":
        run(folder, given)
    elif not pid.exists():
        sys.exit(f"no such container: {given.name}")
    elif given.asked == "inspect":
        print(pid.read_text(encoding="utf-8"))
    else:
        os.kill(int(pid.read_text(encoding="utf-8")), signal.SIGKILL)
        while pid.exists():
            time.sleep(POLL_S)


if __name__ == "__main__":
    main()
