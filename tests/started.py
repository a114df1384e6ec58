"""Small servers to start, and processes that start them and are ended."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import urllib.error
import urllib.request
import uuid
from pathlib import Path
from typing import Any

import psutil

from frontier.serving.commands import Command
from frontier.serving.plans import Plan
from frontier.serving.readiness import NotReadyError
from frontier.serving.server import Server
from waiting import PATIENCE_S, wait_until

ROOT = Path(__file__).resolve().parent.parent
PROGRAM = str(ROOT / "tests" / "little_server.py")
CANARY = "canary-7f3a91c2"


class Little:
    """Plans of small servers, all processes of which have a mark in their arguments."""

    def __init__(self, folder: Path) -> None:
        """Starts nothing."""
        self.tag, self.log = uuid.uuid4().hex, folder / "server.log"

    def plan(self, *more: str, **keys: Any) -> Plan:
        """A server with further arguments."""
        command = ("{python}", PROGRAM, "--host", "{host}", "--port", "{port}", "--tag", self.tag)
        keys = {"health": "/health", "ready_s": PATIENCE_S, "values": {}, **keys}
        return Plan(name="little", command=Command((*command, *more)), log=self.log, **keys)

    def running(self) -> list[psutil.Process]:
        """Its processes."""
        found = []
        for one in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if one.pid != os.getpid() and self.tag in " ".join(one.cmdline()):
                    found.append(one)
        return found

    def is_gone(self) -> None:
        """Asserts that none of them is left, soon."""
        wait_until(lambda: not self.running(), "no process of the server is left")


def get(server: Server, path: str) -> None:
    """Asks for a page."""
    urllib.request.build_opener(urllib.request.ProxyHandler({})).open(server.url + path).read()


def ask(server: Server) -> None:
    """Asks a question, as readiness demands."""
    try:
        get(server, "/v1/answer")
    except urllib.error.HTTPError as error:
        raise NotReadyError(str(error)) from None


STARTER = """
import os, signal, sys, time
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # the tests may run under nohup, which ignores it
sys.path[:0] = {path!r}
from started import Little, ask, get
from pathlib import Path
from frontier.errors import run
from frontier.machine.limits import limited_time
from frontier.serving import servers

def main():
    little = Little(Path({folder!r}))
    little.tag = {tag!r}
    with limited_time({seconds}):
        server = servers.start(little.plan(*{faults!r}, secrets={secrets!r}, keep_s={keep_s}), ask)
        {then}
        print("ready", flush=True)
        time.sleep(600)

run(main)
"""


def starter(
    little: Little,
    *faults: str,
    then: str = "",
    seconds: float | None = None,
    secret: str = "",
    keep_s: float = 0.0,
) -> Any:
    """A process that starts a server, and waits."""
    program = STARTER.format(
        path=[str(ROOT / "workflow" / "scripts"), str(ROOT / "tests")],
        folder=str(little.log.parent), tag=little.tag, seconds=seconds, faults=faults, then=then,
        keep_s=keep_s,
        secrets={"LITTLE_KEY": secret} if secret else {},
    )  # fmt: skip
    file = little.log.parent / "starter.py"
    file.write_text(program, encoding="utf-8")
    return subprocess.Popen([sys.executable, file], stdout=subprocess.PIPE, text=True)
