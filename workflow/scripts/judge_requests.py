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
from frontier.judging import pairs, verdicts
from frontier.judging.asking import BASELINE, Item, Requests, known_pairs
from frontier.prompts import sample_ids, turn_ids
from frontier.results.records import read
from frontier.specs.judge import JudgeSpec

REQUEST = "request"
"""The field of the requests' rows; the judge's prompt is that alone."""


def answers(requests: Path) -> dict[str, str]:
    """The answers of a measurement by request, without white space around; not those that failed.

    So FastChat shows them too, and a judge sees no tokenizer's habit.
    """
    return {record.id: record.text.strip() for record in read(requests) if record.failure is None}


def items(
    spec: JudgeSpec, rows: list[dict[str, Any]], own: dict[str, str], others: dict[str, Path]
) -> list[Item]:
    """The answers to be judged, each with those others that exist; None for a failed request.

    Turns of a conversation follow one another.
    """
    theirs = {name: answers(path) for name, path in others.items()}
    found = []
    for row in rows:
        fields, turns = row["fields"], len(spec.prompts)
        references = [fields[name] for name in spec.references] or [row["reference"]]
        for sample in sample_ids(row["id"], spec.samples):
            before: Item | None = None
            for turn, name in enumerate(turn_ids(sample, turns)):
                asked = spec.question if spec.question and turn == 0 else None
                question = fields[asked] if asked else templates.fill(spec.prompts[turn], fields)
                compared = {other: one[name] for other, one in theirs.items() if name in one}
                if spec.baseline:
                    compared[BASELINE] = fields[spec.baseline]
                reference = references[turn] if turn < len(references) else ""
                item = Item(name, question, own.get(name), reference, compared, before)
                found.append(item)
                before = item
    return found


def request_row(spec: JudgeSpec, name: str, text: str, system: str | None) -> dict[str, Any]:
    """A request as a sample's row; the system message is before the text without a chat."""
    if system and not spec.chat:
        text, system = f"{system.rstrip()}\n\n{text}", None
    reference = verdicts.FIRST if spec.choices else ""
    row = {"id": name, "fields": {REQUEST: text}, "reference": reference, "stratum": ""}
    return row | ({"system": system} if system else {})


def main() -> None:
    """Reads the answers, writes the requests, the pairs and the lock."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--spec", required=True, help="JSON, or the path of a JSON file")
    parser.add_argument("--sample", required=True, type=Path, help="the task's sample.jsonl")
    parser.add_argument("--requests", required=True, type=Path, help="the cell's requests.jsonl")
    parser.add_argument(
        "--against", nargs="*", default=[], metavar="VARIANT=FILE", help="others' requests.jsonl"
    )
    parser.add_argument("--templates", type=Path, help="the dataset's folder, which has templates")
    parser.add_argument("--check", type=Path, help="a table of pairs whose better answer is known")
    parser.add_argument("--output", required=True, type=Path, help="sample.jsonl to write")
    parser.add_argument("--pairs", required=True, type=Path, help="pairs.jsonl to write")
    parser.add_argument("--lock", required=True, type=Path, help="lock.json to write")
    arguments = parser.parse_args()
    spec = values.checked_spec(arguments.spec, JudgeSpec)
    others = {
        name: Path(file) for name, _, file in (one.partition("=") for one in arguments.against)
    }
    judged = items(spec, values.read_lines(arguments.sample), answers(arguments.requests), others)
    asks = Requests(spec.template_set(arguments.templates))
    if arguments.check and values.sha256(arguments.check) != spec.check_sha256:
        raise UserError(f"{arguments.check}: changed since this was planned; plan again")
    try:
        asks.add(judged)
        asks.check(pairs.read(arguments.check) if arguments.check else known_pairs(judged))
    except ValueError as error:
        raise UserError(f"{arguments.requests}: {error}") from None
    rows = [request_row(spec, name, text, asks.systems[name]) for name, text in asks.texts.items()]
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
