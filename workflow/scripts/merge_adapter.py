"""Merge an adapter into its model's weights: a checkpoint of its own, with a lock.

The weights stay in the precision that they are stored in. The spec has nothing but the identity.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

# Everything is local: no network access, and no telemetry.
os.environ |= {"HF_HUB_OFFLINE": "1", "DO_NOT_TRACK": "1", "TOKENIZERS_PARALLELISM": "false"}

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
    presence.exit_with_runner()
    identity = values.recorded_identity(args.spec)
    for folder in (args.model, args.adapter):
        locks.check_lock(folder)
    # Imported late: they take seconds.
    from transformers.utils import logging

    from frontier.engines.common import adapted, loading
    from frontier.fetching import checkpoints

    logging.disable_progress_bar()
    model = adapted.with_adapter(loading.load_whole(args.model, dtype="auto"), args.adapter)
    model = adapted.merged(model, args.adapter)
    with files.replaced_folder(args.output) as new:
        model.save_pretrained(new)
        check_changed(args.model, new, args.adapter)
        for path in args.model.iterdir():
            if checkpoints.is_setting(path.name) and not (new / path.name).exists():
                files.write_bytes(new / path.name, path.read_bytes())  # the tokenizer's
        lock = {
            "source": {"merged": True},
            **checkpoints.describe(new),
            "random_weights": values.read_json(args.model / "lock.json").get(
                "random_weights", False
            ),
            "identity": identity,
        }
        files.write_json(new / "lock.json", lock)


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
