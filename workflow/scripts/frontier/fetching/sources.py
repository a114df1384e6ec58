"""A dataset's files, brought from its source into a folder with a lock."""

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
    """Make `folder` hold the source's files and their lock.

    Files are links to where they lie; generated ones lie in the folder itself.

    The lock tells where they came from (a local path is not told: only content counts), the sha256
    and size of each, one sha256 of them all, and what the `identity` of the job is made of. Raises
    UserError where they cannot be had.
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
    """Make the rows of a generator; what the lock tells of it."""
    if source.generator == "demo":
        # The demo's rows are made by their loader, from the grammars.
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
    """What the lock tells of the source, and its files by the names they get."""
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
    assert source.path is not None, "one of hub, url, path, generator is given"
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
