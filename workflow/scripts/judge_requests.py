"""Write the requests to a judge about one cell's answers, with pairs to check the judge by.

Each text occurs once. The requests are a sample, which measure.py asks the judge; pairs.jsonl says
which request is about which answer. Runs no model.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))  # PYTHONSAFEPATH leaves it out

from frontier import templates, values
from frontier.errors import UserError, run
from frontier.host import files
from frontier.judging.asking import BASELINE, Item, Requests, known_pairs
from frontier.results.records import read
from frontier.specs.judge import JudgeSpec

REQUEST = "request"
"""The field of the requests' rows; the judge's prompt is that alone."""


def answers(requests: Path) -> dict[str, str]:
    """The answers of a measurement by request; without those that failed."""
    return {record.id: record.text for record in read(requests) if record.failure is None}


def items(
    spec: JudgeSpec, rows: list[dict[str, Any]], own: dict[str, str], others: dict[str, Path]
) -> list[Item]:
    """The answers to be judged, each with those others that exist; None for a failed request."""
    theirs = {name: answers(path) for name, path in others.items()}
    found = []
    for row in rows:
        question = (
            row["fields"][spec.question]
            if spec.question
            else templates.fill(spec.prompt, row["fields"])
        )
        name = row["id"]
        compared = {other: one[name] for other, one in theirs.items() if name in one}
        if spec.baseline:
            compared[BASELINE] = row["fields"][spec.baseline]
        found.append(Item(name, question, own.get(name), row["reference"], compared))
    return found


def main() -> None:
    """Reads the answers, writes the requests, the pairs and the lock."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--spec", required=True, help="JSON, or the path of a JSON file")
    parser.add_argument("--sample", required=True, type=Path, help="the task's sample.jsonl")
    parser.add_argument("--requests", required=True, type=Path, help="the cell's requests.jsonl")
    parser.add_argument(
        "--against", nargs="*", default=[], metavar="VARIANT=FILE", help="others' requests.jsonl"
    )
    parser.add_argument("--output", required=True, type=Path, help="sample.jsonl to write")
    parser.add_argument("--pairs", required=True, type=Path, help="pairs.jsonl to write")
    parser.add_argument("--lock", required=True, type=Path, help="lock.json to write")
    arguments = parser.parse_args()
    spec = values.checked_spec(arguments.spec, JudgeSpec)
    others = {
        name: Path(file) for name, _, file in (one.partition("=") for one in arguments.against)
    }
    judged = items(spec, values.read_lines(arguments.sample), answers(arguments.requests), others)
    asks = Requests(spec.template.template())
    try:
        asks.add(judged)
        asks.check(known_pairs(judged))
    except ValueError as error:
        raise UserError(f"{arguments.requests}: {error}") from None
    rows = [
        {"id": name, "fields": {REQUEST: text}, "reference": "", "stratum": ""}
        for name, text in asks.texts.items()
    ]
    _write(arguments.output, rows)
    _write(arguments.pairs, [one.line() for one in asks.asked])
    lock = {
        "files": values.facts([arguments.output, arguments.pairs]),
        "rows": len(rows),
        "identity": values.recorded_identity(arguments.spec),
    }
    files.write_json(arguments.lock, lock)


def _write(path: Path, rows: list[dict[str, Any]]) -> None:
    files.write_text(path, "".join(json.dumps(row) + "\n" for row in rows))


if __name__ == "__main__":
    run(main)
