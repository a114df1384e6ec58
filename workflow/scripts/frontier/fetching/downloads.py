"""Downloads from a URL: resumed after an interruption, visible only once their hash is right."""

from __future__ import annotations

import hashlib
import os
import sys
import time
import urllib.error
import urllib.request
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from urllib.parse import unquote, urlsplit

from frontier import values
from frontier.errors import UserError, one_line
from frontier.host import caches, files

CHUNK = 1 << 20
TIMEOUT_S = 60
PROGRESS_S = 10


def download(url: str, sha256: str | None, hint: str = "") -> Path:
    """The file at `url` in downloads/, fetched unless it is there already.

    A broken connection is resumed as long as each attempt receives something. Without a sha256 the
    first download is trusted. Raises UserError in one line if the download stays incomplete (the
    next run resumes it) or has another hash (it is deleted).
    """
    scheme, _, path, *_ = urlsplit(url)
    if scheme not in ("http", "https"):
        raise UserError(f"{url}: not an http or https address")
    name = unquote(path.rpartition("/")[2]) or "download"
    key = hashlib.sha256(f"{url}\n{sha256}".encode()).hexdigest()[:16]
    done = caches.root() / "downloads" / f"{key}-{name}"
    with caches.locked(done):
        if done.exists():
            if sha256 is None or values.sha256(done) == sha256:
                return done
            done.unlink()  # it was right once, and was damaged on this disk
        _fetch(url, sha256, hint, done)
    return done


def _fetch(url: str, sha256: str | None, hint: str, done: Path) -> None:
    """Receives the file into a partial file next to `done`, renamed when complete and correct."""
    part = done.with_name(done.name + ".part")
    while True:
        before = part.stat().st_size if part.exists() else 0
        try:
            total = _receive(url, part, checked=sha256 is not None)
        except (OSError, HTTPException) as error:
            _raise_if_final(url, error, hint)
            if part.exists() and part.stat().st_size > before:
                continue
            raise UserError(f"cannot download {url} ({one_line(error)}){hint}") from None
        size = part.stat().st_size
        if total is None or size == total:
            break
        if size > total or size <= before:
            raise UserError(
                f"download of {url} was interrupted after {size:,} of {total:,} bytes; "
                "run again to resume"
            )
    found = values.sha256(part)
    _validator(part).unlink(missing_ok=True)
    if sha256 is not None and found != sha256:
        part.unlink()
        raise UserError(
            f"{url} was altered: sha256 is {found}, expected {sha256}; the download was deleted"
        )
    part.replace(done)


def _validator(part: Path) -> Path:
    """The file with the server's ETag of the version that a part belongs to."""
    return part.with_name(part.name + ".etag")


def _raise_if_final(url: str, error: Exception, hint: str) -> None:
    """Raises UserError for errors that another attempt cannot fix."""
    if isinstance(error, urllib.error.HTTPError):
        raise UserError(f"cannot download {url} (HTTP {error.code} {error.reason}){hint}")
    if isinstance(error, urllib.error.URLError):
        raise UserError(f"cannot download {url} ({error.reason}){hint}")
    if isinstance(error, OSError) and not isinstance(error, ConnectionError | TimeoutError):
        raise error


def _receive(url: str, part: Path, checked: bool) -> int | None:
    """Appends the server's data to `part`; returns the whole file's size, if the server sends it.

    `checked`: a hash will verify the pieces, so no ETag is needed to resume.
    """
    request = urllib.request.Request(url, headers={"Accept-Encoding": "identity"})
    have = part.stat().st_size if part.exists() else 0
    if have:
        mark = _validator(part)
        if mark.exists():
            request.add_header("If-Range", mark.read_text(encoding="utf-8"))
        if mark.exists() or checked:
            request.add_header("Range", f"bytes={have}-")
    try:
        response = urllib.request.urlopen(request, timeout=TIMEOUT_S)
    except urllib.error.HTTPError as error:
        if error.code == 416:  # the part is complete
            return have
        raise
    with response:
        resumed = response.status == 206
        if not resumed:
            have = 0
            etag = response.headers.get("ETag", "")
            if etag and not etag.startswith("W/"):
                files.write_text(_validator(part), etag)
            else:
                _validator(part).unlink(missing_ok=True)
        length = response.headers.get("Content-Length")
        total = have + int(length) if length else None
        with part.open("ab" if resumed else "wb") as file:
            _copy(response, file.fileno(), have, total, url)
    return total


def _copy(response: HTTPResponse, file: int, have: int, total: int | None, url: str) -> None:
    """Writes a response's body and prints progress from time to time."""
    printed = time.monotonic()
    while chunk := response.read(CHUNK):
        view = memoryview(chunk)
        while view:
            view = view[os.write(file, view) :]
        have += len(chunk)
        if time.monotonic() - printed > PROGRESS_S:
            printed = time.monotonic()
            of = f" of {total / 1e6:,.0f}" if total else ""
            print(f"{url}: {have / 1e6:,.0f}{of} MB", file=sys.stderr, flush=True)
