"""Seconds and memory for scoring answers, by each scorer.

    python bench/scoring.py                        10,000 rows, every scorer
    python bench/scoring.py --rows 1000 --scorers rouge number

Each line is a process of its own: `seconds` for all rows, and `memory`, the process's peak less
that before scoring. Answers are invented: right ones, wrong ones, empty ones and long ones.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow" / "scripts"))

from frontier.scorers import CHOSEN, ScoredItem

WORDS = [*map(str, range(100, 130))]
ROWS = 10_000
UNIT = 1 if sys.platform == "darwin" else 1024  # of ru_maxrss, in bytes


def prose(rng: random.Random, words: int) -> str:
    """A text of so many words."""
    return " ".join(rng.choice(WORDS) for _ in range(words))


def number(rng: random.Random) -> tuple[str, str]:
    """A worked answer, and one that is right half of the time."""
    value = rng.randrange(10_000)
    said = value + rng.randrange(2)
    return f"{prose(rng, 60)} so {value}.\n#### {value}", f"{prose(rng, 60)}\n#### {said:,}"


def record(rng: random.Random) -> tuple[str, str]:
    """A JSON object with nested fields, and another in a sentence."""
    value = {"name": prose(rng, 3), "at": {"city": prose(rng, 1), "zip": rng.randrange(9)}}
    other = {**value, "at": {"city": prose(rng, 1), "zip": rng.randrange(9)}}
    return json.dumps(value), f"{prose(rng, 20)}\n```json\n{json.dumps(other)}\n```"


def texts(words: int, longer: int = 0) -> Callable[[random.Random], tuple[str, str]]:
    """Two texts of about so many words."""
    return lambda rng: (prose(rng, words), prose(rng, words + rng.randrange(longer + 1)))


def label(*labels: str) -> Callable[[random.Random], tuple[str, str]]:
    """One of some labels, and a sentence with one."""
    return lambda rng: (rng.choice(labels), f"{prose(rng, 20)}. Answer: {rng.choice(labels)}")


CASES: dict[str, tuple[dict[str, Any], Callable[[random.Random], tuple[str, str]]]] = {
    "exact": ({"normalise": ["case", "punctuation", "articles", "spaces"]}, texts(3)),
    "contains": ({"whole_words": True}, lambda rng: (prose(rng, 1), prose(rng, 60))),
    "regex": ({"pattern": r"####\s*(\S+)"}, number),
    "number": ({"mark": "####"}, number),
    "choice": ({}, label("A", "B", "C", "D")),
    "classification": ({"labels": ["positive", "negative"]}, label("positive", "negative")),
    "json": ({}, record),
    "translation": ({"target": "en"}, texts(12, 4)),
    "rouge": ({"document": "document"}, texts(22, 10)),
    "refusal": ({"by": "document"}, lambda rng: ("", f"I cannot say, {prose(rng, 200)}")),
    "mathematics": ({}, lambda rng: (str(rng.randrange(99)), str(rng.randrange(99)))),
}


def score(name: str, rows: int, seed: int) -> dict[str, float]:
    """Scores so many rows in this process; seconds and bytes."""
    keys, draw = CASES[name]
    rng = random.Random(seed)
    items = []
    for place in range(rows):
        known, answer = draw(rng)
        if place % 50 == 0:
            answer = ""
        document = f"{prose(rng, 300)} {known}" if name == "rouge" else ""
        items.append(ScoredItem(str(place), answer, known, {"document": document}, "Answer:"))
    scorer = CHOSEN.read({"kind": name, "options": keys})
    scorer.score(items[:20])  # imports
    before, started = peak(), time.perf_counter()
    scorer.score(items)
    return {"seconds": time.perf_counter() - started, "bytes": peak() - before}


def peak() -> int:
    """The process's peak memory so far, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * UNIT


def main() -> None:
    """Reads the arguments, measures each scorer in a process of its own, prints the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--scorers", nargs="+", choices=CASES, default=[*CASES])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--here", action="store_true", help="in this process; prints JSON")
    arguments = parser.parse_args()
    if arguments.here:
        (name,) = arguments.scorers
        print(json.dumps(score(name, arguments.rows, arguments.seed)))
        return
    print(f"{'scorer':16}{'rows':>8}{'seconds':>10}{'memory, MB':>12}")
    for name in arguments.scorers:
        options = ["--rows", str(arguments.rows), "--seed", str(arguments.seed), "--here"]
        done = subprocess.run(
            [sys.executable, __file__, "--scorers", name, *options],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        found = json.loads(done.stdout)
        print(
            f"{name:16}{arguments.rows:8,}{found['seconds']:10.2f}{found['bytes'] / 1e6:12.1f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
