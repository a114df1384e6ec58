"""Compare this workflow with the tools of today: same checkpoint, requests and threads, in turns.

    make bench                                   a grown Llama of 0.2M, demo-translation
    make bench MODEL=tour-llama REQUESTS=40      another model of the catalogue, fewer requests
    make bench MODEL=path/to/checkpoint TASK=mine
    python bench/side_by_side --megabytes 300    a Llama of random weights: times only
    python bench/side_by_side --tools ours generate hand

Each round runs every tool once, each in processes of its own, in an order that turns around. The
table has medians over rounds; ratios are ours / the tool's, paired by round, with 95 % intervals
(Student's t on the log scale). Whole: from the start of the program to its result. Peak: of the
largest process. A tool that does not report a figure has "-", one that did not run the reason.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "workflow" / "scripts"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from frontier.errors import UserError, run
from frontier.host import presence
from frontier.machine import hardware
from side_by_side import comparing
from side_by_side.tools.all import TOOLS
from side_by_side.workspace import PROJECT, Choice, checkout


def arguments() -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="demo-llama", help="an id of the catalogue, or a folder")
    parser.add_argument("--task", default="demo-translation", help="an id of config/tasks.yaml")
    parser.add_argument("--megabytes", type=int, default=0, help="of a Llama of random weights")
    parser.add_argument("--requests", type=int, default=100)
    parser.add_argument("--threads", type=int, default=hardware.cores())
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--tools", nargs="+", choices=list(TOOLS), default=list(TOOLS))
    parser.add_argument(
        "--output",
        type=Path,
        default=PROJECT / "build" / "bench" / "table.md",
        help="its folder has all else, the model too",
    )
    return parser.parse_args()


def main() -> None:
    """Prepares, runs the rounds, prints the table and writes it with all runs as JSON."""
    given = arguments()
    if min(given.requests, given.threads, given.rounds) < 1:
        raise UserError("--requests, --threads, --rounds: at least 1")
    folder = given.output.resolve().parent
    folder.mkdir(parents=True, exist_ok=True)
    with presence.exclusive(folder / "lock", UserError(f"{folder}: another comparison runs here")):
        compare(given, folder)


def compare(given: argparse.Namespace, folder: Path) -> None:
    """Runs the comparison in a folder, which has the checkout, the model and all output."""
    choice = Choice(given.model, given.task, given.requests, given.threads, given.megabytes)
    names = [name for name in TOOLS if name in {"ours", *given.tools}]
    work = comparing.prepared(checkout(folder, choice), folder)
    rows = comparing.compared(work, [TOOLS[name]() for name in names], given.rounds)
    pairs = comparing.turns(work, max(1, given.rounds)) if "generate" in names else []
    page = comparing.page(work, rows, pairs)
    print(page)
    given.output.write_text(page, encoding="utf-8")
    runs = {name: [asdict(one) for one in row.runs] for name, row in rows.items()}
    given.output.with_suffix(".json").write_text(json.dumps(runs), encoding="utf-8")


if __name__ == "__main__":
    run(main)
