"""A Hugging Face hub in small, on 127.0.0.1: enough of its API for huggingface_hub to download.

It serves a folder: models/OWNER/NAME/… and datasets/OWNER/NAME/… as repositories, files/… as plain
downloads. It can be made to fail as the real one does: gated repositories, bodies that break off
or come altered. Every request is recorded, so a test can check the requests.

    python tests/hub.py FOLDER PORT BYTES_S    the same as a process that can be killed, and so slow
        that it can be in the middle; it prints its port, which is any free one for 0
"""

from __future__ import annotations

import hashlib
import json
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import yaml

LARGE = (
    ".safetensors",
    ".parquet",
    ".gguf",
)  # stored by the real hub under their sha256, others under git's


class Hub:
    """The files to serve, and the faults to simulate."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.gated: dict[str, str] = {}
        """Repository: the token that opens it."""
        self.stops_at: dict[str, int] = {}
        """Name of a file: no byte of it from this one on is ever sent."""
        self.altered: set[str] = set()
        """Names of files of which one byte is sent changed."""
        self.bytes_s: int | None = None
        """The speed at which files are sent; None for full speed."""
        self.requests: list[tuple[str, str, str | None]] = []
        """Method, path, and the Range asked for."""
        self.tokens: list[str | None] = []
        self.url = ""

    def paths(self, method: str) -> list[str]:
        """The paths asked for with a method."""
        return [path for kind, path, _ in self.requests if kind == method]

    def commit(self, repository: Path) -> str:
        """A commit hash that follows from what the repository holds."""
        listing = [(name, hashed(path)) for name, path in files(repository).items()]
        return hashlib.sha1(json.dumps(listing).encode()).hexdigest()


def files(repository: Path) -> dict[str, Path]:
    """The files of a repository by name."""
    found = (path for path in repository.rglob("*") if path.is_file())
    return {path.relative_to(repository).as_posix(): path for path in sorted(found)}


def hashed(path: Path) -> str:
    """The hash under which the hub lists a file."""
    body = path.read_bytes()
    if path.name.endswith(LARGE):
        return hashlib.sha256(body).hexdigest()
    return hashlib.sha1(b"blob %d\0" % len(body) + body).hexdigest()


@contextmanager
def serve(root: Path, port: int = 0) -> Iterator[Hub]:
    """Serves a folder from a thread of this process."""
    hub = Hub(root)
    server = ThreadingHTTPServer(("127.0.0.1", port), type("Bound", (Handler,), {"hub": hub}))
    hub.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class Handler(BaseHTTPRequestHandler):
    """Answers one connection's requests."""

    hub: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        """Keeps the tests' output to the tests."""

    def do_HEAD(self) -> None:
        self.answer()

    def do_GET(self) -> None:
        self.answer()

    def answer(self) -> None:
        path = unquote(urlsplit(self.path).path)
        self.hub.requests.append((self.command, path, self.headers.get("Range")))
        self.hub.tokens.append(self.headers.get("Authorization"))
        parts = path.strip("/").split("/")
        if parts[0] == "files":
            self.file(self.hub.root.joinpath(*parts), {})
        elif parts[0] == "api":
            self.api(parts[1], "/".join(parts[2:4]), parts[4:])
        elif parts[0] == "datasets":
            self.resolve("datasets", "/".join(parts[1:3]), parts[3:])
        else:
            self.resolve("models", "/".join(parts[:2]), parts[2:])

    def repository(self, kind: str, name: str, revision: str) -> Path | None:
        """The folder of a repository, unless the answer is that it cannot be had."""
        folder = self.hub.root / kind / name
        if not folder.is_dir():
            self.refuse(401, "RepoNotFound", "Invalid username or password.")
        elif revision not in ("main", self.hub.commit(folder)):
            self.refuse(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        else:
            return folder
        return None

    def api(self, kind: str, name: str, rest: list[str]) -> None:
        folder = self.repository(kind, name, rest[1] if len(rest) > 1 else "main")
        if folder is None:
            return
        if rest[0] == "revision":
            self.send(200, self.record(name, folder))
            return
        listing = []
        for path_name, path in files(folder).items():
            size = path.stat().st_size
            item = {"type": "file", "path": path_name, "size": size, "oid": hashed(path)[:40]}
            if path.name.endswith(LARGE):
                item["lfs"] = {"oid": hashed(path), "size": size, "pointerSize": 134}
            listing.append(item)
        self.send(200, listing)

    def record(self, name: str, folder: Path) -> dict[str, Any]:
        """The hub's own words on a repository, which a gated one has for everybody."""
        siblings = [
            {"rfilename": path_name, "size": path.stat().st_size}
            for path_name, path in files(folder).items()
        ]
        gated = "manual" if name in self.hub.gated else False
        found = {"id": name, "sha": self.hub.commit(folder), "siblings": siblings, "gated": gated}
        card = folder / "README.md"
        text = card.read_text(encoding="utf-8") if card.exists() else ""
        return found | {"cardData": yaml.safe_load(text.split("---")[1]) if "---" in text else {}}

    def resolve(self, kind: str, name: str, rest: list[str]) -> None:
        folder = self.repository(kind, name, rest[1])
        if folder is None:
            return
        token = self.hub.gated.get(name)
        if token is not None and self.headers.get("Authorization") != f"Bearer {token}":
            status = 403 if self.headers.get("Authorization") else 401
            self.refuse(status, "GatedRepo", f"Access to model {name} is restricted.")
            return
        path = folder.joinpath(*rest[2:])
        self.file(path, {"X-Repo-Commit": self.hub.commit(folder)})

    def file(self, path: Path, headers: dict[str, str]) -> None:
        """A file or the range of it that is asked for, spoilt as the test wants it."""
        if not path.is_file():
            self.refuse(404, "EntryNotFound", "Entry not found")
            return
        etag = f'"{hashed(path)}"'
        body = bytearray(path.read_bytes())
        size = len(body)
        if path.name in self.hub.altered:
            body[size // 2] ^= 1
        start, last = 0, size - 1
        wanted = self.headers.get("Range")
        if wanted and self.headers.get("If-Range", etag) == etag:
            begin, _, end = wanted.removeprefix("bytes=").partition("-")
            start, last = int(begin), min(int(end or last), last)
            if start >= size:
                self.refuse(416, "", "Requested range not satisfiable")
                return
            headers["Content-Range"] = f"bytes {start}-{last}/{size}"
        length = last + 1 - start
        sent = bytes(body[start : min(self.hub.stops_at.get(path.name, size), last + 1)])
        if "X-Repo-Commit" in headers and self.command == "GET":
            length = len(
                sent
            )  # a mirror with half a file; the library would wait out a broken line
        self.send_response(206 if "Content-Range" in headers else 200)
        for key, value in {**headers, "ETag": etag, "Accept-Ranges": "bytes"}.items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(length))
        self.end_headers()
        if self.command == "GET":
            piece = len(sent) if self.hub.bytes_s is None else self.hub.bytes_s // 10
            for at in range(0, len(sent), max(1, piece)):
                self.wfile.write(sent[at : at + piece])
                time.sleep(0 if self.hub.bytes_s is None else 0.1)
            self.close_connection = len(sent) < length

    def refuse(self, status: int, code: str, message: str) -> None:
        self.send(status, {"error": message}, {"X-Error-Code": code, "X-Error-Message": message})

    def send(self, status: int, value: object, headers: dict[str, str] | None = None) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        for key, text in (headers or {}).items():
            self.send_header(key, text)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)


if __name__ == "__main__":
    with serve(Path(sys.argv[1]), int(sys.argv[2])) as slow:
        slow.bytes_s = int(sys.argv[3])
        print(slow.url.rpartition(":")[2], flush=True)
        threading.Event().wait()
