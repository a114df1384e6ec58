"""Train a small PEFT adapter on a grown model into a folder, with a lock that describes it.

The spec: a recipe, the `grow:` block of an adapter in config/models.yaml
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # PYTHONSAFEPATH leaves it out

from frontier import values
from frontier.catalogue.recipe import AdapterRecipe
from frontier.errors import run
from frontier.host import files, locks, presence
from frontier.host.progress import Progress


def main() -> None:
    """Trains, saves, and then moves the folder into place."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--spec", required=True, help="JSON, or the path of a JSON file")
    parser.add_argument("--model", type=Path, required=True, help="checkpoint folder to read")
    parser.add_argument("--output", type=Path, required=True, help="adapter folder to write")
    args = parser.parse_args()
    # Everything is local. Libraries read this when they are imported.
    os.environ |= {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
    presence.exit_with_runner()
    recipe = values.checked_spec(args.spec, AdapterRecipe)
    locks.check_lock(args.model)
    # Imported late: they take seconds.
    import torch
    from transformers.utils import logging

    from frontier.fetching import adapters
    from frontier.growing import adapt

    torch.set_num_threads(1)  # sums do not depend on the number of cores
    logging.disable_progress_bar()
    progress = Progress(f"grow {args.output}", recipe.steps, "steps")
    adapted = adapt.adapt(args.model, recipe, lambda loss: progress.step(f"(loss {loss:.3f})"))
    with files.replaced_folder(args.output) as new:
        adapt.save(adapted, new)
        training = {
            "steps": recipe.steps,
            "seconds": round(adapted.seconds, 1),
            "losses": {name: round(loss, 4) for name, loss in adapted.losses.items()},
        }
        lock = {
            "source": {"grown": True},
            "files": values.facts(new / name for name in adapters.READ),
            "training": training,
            "identity": values.recorded_identity(args.spec),
        }
        files.write_json(new / "lock.json", lock)


if __name__ == "__main__":
    run(main)
