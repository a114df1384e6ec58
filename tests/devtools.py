"""A page as Chromium shows it to a screen reader, by the browser's own protocol over a pipe."""

from __future__ import annotations

import itertools
import json
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Timer
from typing import IO, Any

from browser import CHROMIUM, FLAGS

PIPED = 'exec "$@" --remote-debugging-pipe 3<&0 4>&1 </dev/null >/dev/null 2>&1'
"""Chromium reads its commands from descriptor 3 and answers on 4."""
LOADED = "document.querySelector('#decide')?.hidden === false"


class Pipe:
    """A browser that takes commands."""

    def __init__(self, commands: IO[bytes], answers: IO[bytes]) -> None:
        self.commands, self.answers = commands, answers
        self.numbers = itertools.count(1)
        self.session: dict[str, str] = {}

    def send(self, method: str, **parameters: Any) -> dict[str, Any]:
        """The result of a command. Raises EOFError if the browser ended, AssertionError if it failed."""
        number = next(self.numbers)
        message = {"id": number, "method": method, "params": parameters, **self.session}
        self.commands.write(json.dumps(message).encode() + b"\0")
        self.commands.flush()
        while True:
            answer = json.loads(self._message())
            if answer.get("id") == number:
                assert "error" not in answer, answer
                return answer["result"]  # type: ignore[no-any-return]

    def _message(self) -> bytes:
        found = bytearray()
        while (letter := self.answers.read(1)) != b"\0":
            if not letter:
                raise EOFError("the browser ended")
            found += letter
        return bytes(found)


@contextmanager
def opened(page: Path, fragment: str = "", timeout_s: float = 120) -> Iterator[Pipe]:
    """A browser with the page, once its script has run; it ends after `timeout_s` at the latest."""
    assert CHROMIUM is not None
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        command = ["sh", "-c", PIPED, "sh", CHROMIUM, *FLAGS, f"--user-data-dir={profile}"]
        browser = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert browser.stdin
        assert browser.stdout
        late = Timer(timeout_s, browser.kill)
        late.start()
        try:
            pipe = Pipe(browser.stdin, browser.stdout)
            target = pipe.send("Target.createTarget", url=f"{page.as_uri()}{fragment}")
            joined = pipe.send("Target.attachToTarget", **target, flatten=True)
            pipe.session = {"sessionId": joined["sessionId"]}
            while not pipe.send("Runtime.evaluate", expression=LOADED)["result"].get("value"):
                pass
            yield pipe
        finally:
            late.cancel()
            browser.terminate()
            browser.communicate()


def nodes(pipe: Pipe) -> list[dict[str, Any]]:
    """The accessibility tree's nodes that are not ignored: role, name, value and properties."""
    pipe.send("Accessibility.enable")
    return [
        {
            "role": one["role"]["value"],
            "name": str(one.get("name", {}).get("value", "")),
            "value": str(one.get("value", {}).get("value", "")),
            **{each["name"]: each["value"].get("value") for each in one.get("properties", [])},
        }
        for one in pipe.send("Accessibility.getFullAXTree")["nodes"]
        if not one["ignored"]
    ]
