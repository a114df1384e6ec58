"""Draw calibration texts for quantizations, from rows that no task is tested on.

The spec: {"size": 64, "seed": 0, "draws": [{"task": ID, "prompt": TEMPLATE, "sample": {a sample's
spec}, "tested": [the specs of all samples of the dataset]}]}
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # PYTHONSAFEPATH leaves it out

from frontier import values
from frontier.errors import UserError, run
from frontier.host import files
from frontier.sampling import calibration


def main() -> None:
    """Draws for each task from its dataset's folder; writes the texts and their lock."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--spec", required=True, help="JSON, or the path of a JSON file")
    parser.add_argument(
        "--datasets", type=Path, nargs="+", required=True, help="one dataset folder per draw"
    )
    parser.add_argument("--output", type=Path, required=True, help="texts.jsonl to write")
    parser.add_argument("--lock", type=Path, required=True, help="lock.json to write")
    args = parser.parse_args()
    spec = values.checked_spec(args.spec, calibration.CalibrationSpec)
    if len(args.datasets) != len(spec.draws):
        raise UserError(f"--datasets: {len(spec.draws)} are needed, one for each draw of the spec")
    lines = [
        json.dumps({"task": draw.task, "text": text}, ensure_ascii=False) + "\n"
        for draw, dataset in zip(spec.draws, args.datasets, strict=True)
        for text in calibration.texts(draw, dataset, spec.size, spec.seed)
    ]
    files.write_text(args.output, "".join(lines))
    lock = {
        "files": values.facts([args.output]),
        "texts": len(lines),
        "identity": values.recorded_identity(args.spec),
    }
    files.write_json(args.lock, lock)


if __name__ == "__main__":
    run(main)
