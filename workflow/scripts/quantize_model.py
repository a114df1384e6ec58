"""Convert a checkpoint: quantize it, or write it in an engine's own format.

If that is impossible, or a scheduler's largest attempt is too small for it, the lock says so, and
there are no weights.

The spec: {"conversion": a name of frontier/conversions, "options": {its own keys}}
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from pydantic import ValidationError

sys.path.insert(0, str(Path(__file__).parent))  # PYTHONSAFEPATH leaves it out

from frontier import conversions, values
from frontier.checkpoints.published import published
from frontier.checkpoints.weight_values import check_unlocked
from frontier.conversions import CONVERSIONS
from frontier.errors import OutOfMemoryError, UnsupportedError, UserError, run
from frontier.host import caches, files, locks, presence
from frontier.machine import gpus, hardware
from frontier.machine.limits import Limits, OutOfTimeError, limited_time, watched_memory
from frontier.specs.inputs import QuantizeSpec


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--spec", required=True, help="JSON, or the path of a JSON file")
    parser.add_argument("--model", type=Path, required=True, help="checkpoint folder to read")
    parser.add_argument("--texts", type=Path, help="texts.jsonl to calibrate with")
    parser.add_argument("--gpus", type=int, default=0, help="number of GPUs to reserve")
    parser.add_argument("--output", type=Path, required=True, help="checkpoint folder to write")
    parser.add_argument(
        "--limits", default="{}", help="a scheduler's limits for this attempt: JSON"
    )
    return parser.parse_args()


def main() -> None:
    """Converts into a new folder, writes its lock, then moves it into place."""
    args = arguments()
    # Everything is local: no network access, and no telemetry. Libraries read it when imported.
    os.environ |= {"HF_HUB_OFFLINE": "1", "DO_NOT_TRACK": "1", "TOKENIZERS_PARALLELISM": "false"}
    presence.exit_with_runner()
    spec = values.checked_spec(args.spec, QuantizeSpec)
    identity = values.recorded_identity(args.spec)
    limits = Limits(**values.read_spec(args.limits))
    locks.check_lock(args.model)
    lock = args.model / "lock.json"
    # A checkpoint placed by hand has no lock, and counts as trained.
    random_weights = lock.exists() and values.read_json(lock).get("random_weights", False)
    texts = []
    if args.texts:
        locks.check_lock(args.texts.parent)
        texts = [line["text"] for line in values.read_lines(args.texts)]
    try:
        conversion = CONVERSIONS.load(spec.conversion, "--spec").model_validate(spec.options)
    except ValidationError as invalid:
        raise UserError(f"--spec: options: {values.first_fault(invalid)}") from None

    def make(new: Path) -> None:
        if found := published(args.model):
            raise UnsupportedError(f"published quantized: {found}; it cannot be converted again")
        check_unlocked(args.model)
        result = conversion.convert(args.model, new, texts)
        if not conversions.weights(new):
            raise UserError(f"{spec.conversion} wrote no weights")
        lock = conversions.lock(new, spec.model_dump(), result)
        lock |= {"random_weights": random_weights, "identity": identity}
        files.write_json(new / "lock.json", lock)

    what = f"quantizing by {spec.conversion}"
    # Quantizing libraries compute on torch's "cuda", which AMD's GPUs are too.
    accelerator = next((one for one in ("cuda", "rocm") if hardware.gpus(one)), "cuda")
    with gpus.reserved(what, None, args.gpus, accelerator):
        try:
            with limited_time(limits.seconds), watched_memory(limits.memory_bytes):
                caches.build_once(args.output, make)
            return
        except UnsupportedError as error:
            outcome = {"outcome": "unsupported", "reason": str(error)}
        except (OutOfMemoryError, OutOfTimeError) as error:
            outcome = limits.outcome(what, error) | {"reason": f"{what}: {error}"}
        with files.replaced_folder(
            args.output
        ) as new:  # not shared: other machines may have more memory
            failed = {"source": spec.model_dump(), "files": {}, **outcome, "identity": identity}
            files.write_json(new / "lock.json", failed)


if __name__ == "__main__":
    run(main)
