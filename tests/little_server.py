"""A small HTTP server, started as servers of models are, with the faults that they have.

/health is its health, /v1/answer an answer, /grow takes memory, /key prints its key.
"""

from __future__ import annotations

import argparse
import http.server
import os
import signal
import socket
import subprocess
import sys
import time

WAIT = "import time\nwhile True: time.sleep(60)  # {tag}"
DETACHED = """
import os, sys
if os.fork(): os._exit(0)
os.setsid()
if os.fork(): os._exit(0)
os.setsid()
os.execve(sys.executable, [sys.executable, "-c", {wait!r}], {variables})
"""


class Page(http.server.BaseHTTPRequestHandler):
    """Answers requests."""

    asked = 0
    held = b""

    def do_GET(self) -> None:
        """Answers, or fails as the options say."""
        given, status = OPTIONS, 200
        if self.path == "/health":
            status = 503 if time.monotonic() < STARTED + given.well_after else 200
        elif self.path == "/v1/answer":
            Page.asked += 1
            if given.die_when_asked:
                print("Fatal Python error: the model was lost", flush=True)
                os._exit(7)
            status = 500 if Page.asked <= given.refuse else 200
        elif self.path == "/grow":
            Page.held = b"x" * (1 << 28)
        elif self.path == "/key":
            print("the key is", os.environ.get("LITTLE_KEY"), flush=True)
        self.send_response(status)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_what: object) -> None:
        """Logs nothing."""


def options() -> argparse.Namespace:
    """The options, of which most are faults."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--tag", default="", help="a mark in the arguments of all processes")
    parser.add_argument("--well-after", type=float, default=0.0, help="seconds")
    parser.add_argument("--refuse", type=int, default=0, help="so many first requests")
    parser.add_argument("--say", default="")
    parser.add_argument("--exit", type=int)
    parser.add_argument("--die-when-asked", action="store_true")
    parser.add_argument("--stubborn", action="store_true", help="ignores SIGTERM")
    parser.add_argument("--drain", action="store_true", help="still answers after SIGTERM")
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--detached", type=int, default=0, help="processes of their own sessions")
    parser.add_argument("--bare", action="store_true", help="those without variables")
    parser.add_argument("--background", action="store_true", help="its first process ends")
    parser.add_argument("--elsewhere", action="store_true", help="listens on another port")
    parser.add_argument("--also-open", action="store_true", help="has another port for everyone")
    return parser.parse_args()


def main() -> None:
    """Listens until it is ended."""
    given = OPTIONS
    print(given.say, flush=True)
    if given.exit is not None:
        sys.exit(given.exit)
    if given.stubborn:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if given.drain:
        signal.signal(signal.SIGTERM, lambda *_: None)
    wait = WAIT.format(tag=given.tag)
    for _ in range(given.workers):
        subprocess.Popen([sys.executable, "-c", wait])
    variables = {} if given.bare else dict(os.environ)
    for _ in range(given.detached):
        program = DETACHED.format(wait=wait, variables=variables)
        subprocess.Popen([sys.executable, "-c", program]).wait()
    if given.background and os.fork():
        os._exit(0)
    _also = socket.create_server(("0.0.0.0", 0)) if given.also_open else None
    port = 0 if given.elsewhere else given.port
    http.server.ThreadingHTTPServer((given.host, port), Page).serve_forever()


if __name__ == "__main__":
    OPTIONS, STARTED = options(), time.monotonic()
    main()
