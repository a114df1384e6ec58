"""Train a small model from scratch into a checkpoint folder, with a lock that describes it.

The spec: a recipe, the `grow:` block of a model in config/models.yaml
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # PYTHONSAFEPATH leaves it out

from frontier import values
from frontier.catalogue.recipe import Recipe
from frontier.errors import run
from frontier.host import files, presence
from frontier.host.progress import Progress


def main() -> None:
    """Trains, saves, and then moves the folder into place."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--spec", required=True, help="JSON, or the path of a JSON file")
    parser.add_argument("--output", type=Path, required=True, help="checkpoint folder to write")
    args = parser.parse_args()
    # One core: models train side by side, and sums do not depend on the number of cores.
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    presence.exit_with_runner()
    recipe = values.checked_spec(args.spec, Recipe)
    # Imported late: they take seconds.
    import torch
    from transformers.utils import logging

    from frontier.fetching import checkpoints
    from frontier.growing import train

    torch.set_num_threads(1)
    logging.disable_progress_bar()
    label = f"grow {args.output}"
    print(f"{label}: preparing the corpora", file=sys.stderr, flush=True)
    lessons = train.prepare(recipe)
    progress = Progress(label, recipe.steps, "steps")
    grown = train.grow(recipe, lessons, lambda loss: progress.step(f"(loss {loss:.3f})"))
    with files.replaced_folder(args.output) as new:
        train.save(grown, new)
        training = {
            "steps": recipe.steps,
            "seconds": round(grown.seconds, 1),
            "losses": {name: round(loss, 4) for name, loss in grown.losses.items()},
        }
        lock = {
            "source": {"grown": True},
            **checkpoints.describe(new),
            "random_weights": recipe.steps == 0,
            "training": training,
            "identity": values.recorded_identity(args.spec),
        }
        files.write_json(new / "lock.json", lock)


if __name__ == "__main__":
    run(main)
