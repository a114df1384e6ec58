"""Merge an adapter into its model's weights: a checkpoint of its own, with a lock.

The weights stay in the precision that they are stored in. The spec has nothing but the identity.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))  # PYTHONSAFEPATH leaves it out

from frontier import values
from frontier.checkpoints.safetensor_files import headers
from frontier.checkpoints.weight_values import same_bytes
from frontier.errors import UserError, run
from frontier.host import files, locks, presence


def main() -> None:
    """Loads both, merges, saves, and then moves the folder into place."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--spec", required=True, help="JSON, or the path of a JSON file")
    parser.add_argument("--model", type=Path, required=True, help="checkpoint folder to read")
    parser.add_argument("--adapter", type=Path, required=True, help="adapter folder to read")
    parser.add_argument("--output", type=Path, required=True, help="checkpoint folder to write")
    args = parser.parse_args()
    # Everything is local: no network access, and no telemetry. Libraries read it when imported.
    os.environ |= {"HF_HUB_OFFLINE": "1", "DO_NOT_TRACK": "1", "TOKENIZERS_PARALLELISM": "false"}
    presence.exit_with_runner()
    identity = values.recorded_identity(args.spec)
    for folder in (args.model, args.adapter):
        locks.check_lock(folder)
    with files.replaced_folder(args.output) as new:
        lock = merge(args.model, args.adapter, new)
        files.write_json(new / locks.NAME, lock | {"identity": identity})


def merge(model: Path, adapter: Path, new: Path) -> dict[str, Any]:
    """Writes a model's checkpoint with the adapter in its weights; gives the facts for its lock.

    Raises UserError if it cannot be merged, or changes no weight.
    """
    # Imported late: they take seconds.
    from transformers.utils import logging

    from frontier.engines.common import adapted, loading
    from frontier.fetching import checkpoints

    logging.disable_progress_bar()
    changed = adapted.with_adapter(loading.load_whole(model, dtype="auto"), adapter)
    adapted.merged(changed, adapter).save_pretrained(new)
    check_changed(model, new, adapter)
    for path in model.iterdir():
        if checkpoints.is_setting(path.name) and not (new / path.name).exists():
            files.write_bytes(new / path.name, path.read_bytes())  # the tokenizer's
    own = model / locks.NAME  # a checkpoint placed by hand has none, and counts as trained
    known = values.read_json(own) if own.exists() else {}
    facts = {"random_weights": known.get("random_weights", False)}
    return {"source": {"merged": True}, **checkpoints.describe(new), **facts}


def check_changed(before: Path, after: Path, adapter: Path) -> None:
    """Raises UserError if every tensor is the same as before."""
    old = {name: (path, one) for path, found in headers(before) for name, one in found.items()}
    for path, found in headers(after):
        for name, one in found.items():
            if name not in old or not same_bytes(old[name], (path, one)):
                return
    raise UserError(
        f"{adapter}: merging it changed no weight: in their precision, its changes are none"
    )


if __name__ == "__main__":
    run(main)
