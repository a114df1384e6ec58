"""Fetch a checkpoint into a folder, with a lock that describes it.

The spec: {"hub": ID, "revision": COMMIT, "gated": false} | {"path": FOLDER},
both with "trust_remote_code": true if the checkpoint's own Python code may run;
or a single GGUF file: {"hub": …, "file": NAME} | {"path": NAME.gguf}
"""

from __future__ import annotations

import argparse
import glob
import sys
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))  # PYTHONSAFEPATH leaves it out

from frontier import values
from frontier.checkpoints import safetensor_files
from frontier.checkpoints.gguf_header import ENDING
from frontier.errors import Reason, UserError, did_you_mean, run
from frontier.fetching import checkpoints, gguf_files, hub, own_code
from frontier.host import files
from frontier.specs.inputs import ModelSpec

HINT: Reason = "; to use a copy of your own, give the model its path in config/models.yaml"


def main() -> None:
    """Fetches or links the checkpoint's files; writes them and their facts."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--spec", required=True, help="JSON, or the path of a JSON file")
    parser.add_argument("--output", type=Path, required=True, help="checkpoint folder to write")
    parser.add_argument("--lock", type=Path, required=True, help="lock.json to write")
    args = parser.parse_args()
    spec = values.checked_spec(args.spec, ModelSpec)
    origin, place = _locate(spec)
    with files.replaced_folder(args.output) as new:
        if place.suffix.lower() == ENDING:
            facts = gguf_files.write(place, new)
        else:
            facts = checkpoints.describe(place, spec.trust_remote_code)
            for name in facts["files"]:
                files.link(place / name, new / name)
    identity = values.recorded_identity(args.spec)
    files.write_json(args.lock, {"source": origin, **facts, "identity": identity})


def _locate(spec: ModelSpec) -> tuple[dict[str, Any], Path]:
    """The lock's entries about the origin, and the checkpoint's folder or its only file."""
    if spec.hub is None or spec.revision is None:
        assert spec.path is not None, "one of hub and path is given"
        return {"local": True}, spec.path
    fetch = partial(hub.snapshot, spec.hub, kind="model", gated=spec.gated, hint=HINT)
    if spec.file:
        snapshot = fetch(spec.revision, include=(glob.escape(spec.file),))
        if spec.file not in snapshot.files:
            known = [name for name in snapshot.listed if name.lower().endswith(ENDING)]
            where = f"{spec.hub} at {spec.revision}"
            raise UserError(f"{where} has no file {spec.file}{did_you_mean(spec.file, known)}")
        origin = {"hub": spec.hub, "revision": spec.revision, "commit": snapshot.commit}
        return origin | {"file": spec.file}, snapshot.files[spec.file]
    # Small files first: they say which of the large ones are the weights.
    small = (*checkpoints.settings_globs(spec.trust_remote_code), safetensor_files.INDEX)
    snapshot = fetch(spec.revision, include=small, exclude=("*/*",))
    own_code.check(snapshot.folder, spec.trust_remote_code, snapshot.listed.__contains__)
    weights = safetensor_files.chosen(snapshot.folder, snapshot.listed).files
    fetch(snapshot.commit, include=tuple(map(glob.escape, weights)))
    origin = {"hub": spec.hub, "revision": spec.revision, "commit": snapshot.commit}
    return origin, snapshot.folder


if __name__ == "__main__":
    run(main)
