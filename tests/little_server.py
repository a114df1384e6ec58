"""A small HTTP server, started as servers of models are, with the faults that they have.

Its page /health is its health, /v1/answer an answer. It names its own processes in --pids.
"""

from __future__ import annotations

import argparse
import http.server
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

WAIT = "import time\nwhile True: time.sleep(60)"
DETACHED = """
import os, sys, time
os.setsid()
if os.fork(): os._exit(0)
os.setsid()
for name in ("VERBOSE", "LLM_FRONTIER_SERVER"): os.environ.pop(name, None)
if {bare}: os.execve(sys.executable, [sys.executable, "-c", {wait!r}], {{}})
while True: time.sleep(60)
"""


class Page(http.server.BaseHTTPRequestHandler):
    """Answers requests."""

    asked = 0

    def do_GET(self) -> None:
        """Health, and what is asked."""
        given, server = self.server.given, self.server  # type: ignore[attr-defined]
        status = 200
        if self.path == "/health":
            status = 503 if time.monotonic() < server.well_at else 200
        elif self.path == "/v1/answer":
            Page.asked += 1
            if given.die_when_asked:
                print("Fatal Python error: the model is gone", flush=True)
                os._exit(7)
            status = 500 if Page.asked <= given.refuse else 200
        elif self.path == "/grow":
            server.held = bytearray(b"x") * (1 << 28)
        elif self.path == "/key":
            print("the key is", os.environ.get("LITTLE_KEY"), flush=True)
        self.send_response(status)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_what: object) -> None:
        """Nothing."""


def note(path: Path | None) -> None:
    """Adds this process to those that are to be gone in the end."""
    if path:
        with path.open("a", encoding="utf-8") as file:
            file.write(f"{os.getpid()}\n")


def main() -> None:
    """Listens until it is ended."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--well-after", type=float, default=0.0)
    parser.add_argument("--refuse", type=int, default=0)
    parser.add_argument("--say", default="")
    parser.add_argument("--exit", type=int)
    parser.add_argument("--die-when-asked", action="store_true")
    parser.add_argument("--stubborn", action="store_true")
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--detached", type=int, default=0)
    parser.add_argument("--bare", action="store_true")
    parser.add_argument("--background", action="store_true")
    given = parser.parse_args()
    print(given.say, flush=True)
    if given.exit is not None:
        sys.exit(given.exit)
    if given.stubborn:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    for _ in range(given.workers):
        subprocess.Popen([sys.executable, "-c", WAIT])
    for _ in range(given.detached):
        program = DETACHED.format(bare=given.bare, wait=WAIT)
        subprocess.Popen([sys.executable, "-c", program]).wait()
    if given.background and os.fork():
        os._exit(0)
    server = http.server.ThreadingHTTPServer((given.host, given.port), Page)
    server.given = given  # type: ignore[attr-defined]
    server.well_at = time.monotonic() + given.well_after  # type: ignore[attr-defined]
    server.serve_forever()


if __name__ == "__main__":
    main()
