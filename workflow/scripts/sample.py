"""Draw a task's sample from a dataset's folder.

The spec: {"loader": {"kind": NAME, "options": {its own keys}}, "size": 200, "seed": 0}, and
"shots" (frontier/sampling/shots.py) for a task with worked examples.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))  # PYTHONSAFEPATH leaves it out

from frontier import datasets, values
from frontier.errors import run
from frontier.host import files
from frontier.sampling.shots import TaskSample

# Subtitles contain these, JSON allows them, and much software ends a line at them.
SEPARATORS = {ord(char): f"\\u{ord(char):04x}" for char in "\x85\u2028\u2029"}


def main() -> None:
    """Reads the rows, draws the sample, writes it and its lock."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--spec", required=True, help="JSON, or the path of a JSON file")
    parser.add_argument("--dataset", type=Path, required=True, help="the dataset's folder")
    parser.add_argument("--shots", type=Path, help="the folder of shots from another dataset")
    parser.add_argument("--output", type=Path, required=True, help="sample.jsonl to write")
    parser.add_argument("--lock", type=Path, required=True, help="lock.json to write")
    args = parser.parse_args()
    spec = values.checked_spec(args.spec, TaskSample)
    rows, total = spec.drawn(args.dataset)
    shots = spec.shots.choose(rows, args.shots or args.dataset) if spec.shots else [[]] * len(rows)
    lines = (_line(row, examples) for row, examples in zip(rows, shots, strict=True))
    files.write_text(args.output, "".join(lines))
    lock = {
        "files": values.facts([args.output]),
        "rows": len(rows),
        "of": total,
        "strata": dict(Counter(row.stratum for row in rows)),
        "source": _source(args.dataset),
        **({"shots_source": _source(args.shots)} if args.shots else {}),
        "identity": values.recorded_identity(args.spec),
    }
    files.write_json(args.lock, lock)


def _line(row: datasets.Row, shots: list[datasets.Row]) -> str:
    """A row as one line of JSON, with its worked examples if any."""
    value: dict[str, Any] = {"id": row.id, "fields": row.fields, "reference": row.reference}
    value["stratum"] = row.stratum
    if row.also_accepted:
        value["also_accepted"] = row.also_accepted
    if row.cut:
        value["cut"] = row.cut
    if row.wrong:
        value["wrong"] = row.wrong
    if shots:
        value["shots"] = [
            {"id": one.id, "fields": one.fields, "reference": one.reference} for one in shots
        ]
    return json.dumps(value, ensure_ascii=False).translate(SEPARATORS) + "\n"


def _source(dataset: Path) -> dict[str, Any] | None:
    """The dataset's source according to its lock; None for a folder that was not fetched."""
    try:
        lock = json.loads((dataset / values.LOCK).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None
    return {**lock["source"], "content_sha256": lock["sha256"]}


if __name__ == "__main__":
    run(main)
