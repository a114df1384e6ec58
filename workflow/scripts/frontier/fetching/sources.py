"""A dataset's files, fetched from its source into a folder with a lock."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from frontier.catalogue.source import Source
from frontier.errors import Reason, UserError
from frontier.fetching import contents, downloads, environments, hub
from frontier.host import files
from frontier.values import LOCK, visible_files

GENERATOR = Path(__file__).resolve().parents[2] / "generate_mathematics.py"
HINT: Reason = "; to use a copy of your own, give its path under 'sources:' in config/config.yaml"


def fetch(source: Source, folder: Path, identity: Any = None) -> None:
    """Fills `folder` with the source's files and their lock.

    Files are links to their originals; generated ones are in the folder itself.

    The lock records the source (but no local path: only content counts), the sha256 and size of
    each file, one sha256 over all, and the `identity` of the job. Raises UserError if the files
    cannot be fetched.
    """
    with files.replaced_folder(folder) as new:
        if source.generator is not None:
            origin = _generate(source, new)
        else:
            origin, found = _collect(source)
            for name, path in found.items():
                files.link(path, new / name)
        shas, listed = {}, {}
        for name, path in visible_files(new).items():
            shas[name] = contents.digest(path)
            listed[name] = {"bytes": path.stat().st_size, "sha256": shas[name]}
        lock = {"source": origin, "files": listed, "sha256": contents.folder_digest(shas)}
        files.write_json(new / LOCK, {**lock, "identity": identity})


def _generate(source: Source, folder: Path) -> dict[str, Any]:
    """Generates the rows; returns the lock's entries about the generator."""
    if source.generator == "demo":
        # The demo's loader generates its rows from the grammars.
        return {"generator": "demo"}
    done = subprocess.run(
        [
            *(
                environments.python("mathematics"),
                GENERATOR,
                "--per-module",
                str(source.per_module),
            ),
            *("--seed", str(source.seed), "--output", folder),
        ],
        env={**os.environ, "PYTHONHASHSEED": "0"},
        stderr=sys.stderr,
        check=False,
    )
    if done.returncode != 0:
        raise UserError(f"{GENERATOR.name} failed (exit status {done.returncode}), see above")
    return {"generator": "mathematics", "per_module": source.per_module, "seed": source.seed}


def _collect(source: Source) -> tuple[dict[str, Any], dict[str, Path]]:
    """The lock's entries about the source, and its files by their new names."""
    if source.hub is not None:
        revision = source.revision or ""
        snapshot = hub.snapshot(source.hub, revision, "dataset", source.files, hint=HINT)
        if not snapshot.files:
            raise UserError(
                f"{source.hub} at {revision} has no file that matches {', '.join(source.files)}"
            )
        origin = {"hub": source.hub, "revision": revision, "commit": snapshot.commit}
        return origin, snapshot.files
    if source.url is not None:
        archive = downloads.download(source.url, source.sha256, HINT)
        name = archive.name.partition("-")[2]
        return {"url": source.url, "sha256": contents.digest(archive)}, {name: archive}
    if source.urls is not None:
        found = {
            address.rpartition("/")[2]: downloads.download(address, sha256, HINT)
            for address, sha256 in source.urls.items()
        }
        return {"urls": dict(source.urls)}, found
    assert source.path is not None, "one of hub, url, urls, path, generator is given"
    return {"local": True}, _local(source.path)


def _local(path: Path) -> dict[str, Path]:
    """A file, or the visible files of a folder."""
    if path.is_file():
        return {path.name: path}
    if not path.is_dir():
        raise UserError(f"{path}: no such file or folder")
    found = visible_files(path)
    found.pop(LOCK, None)
    if not found:
        raise UserError(f"{path}: no files in this folder")
    return found
