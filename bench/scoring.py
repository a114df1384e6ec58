"""Seconds and memory for scoring answers, by each scorer.

    python bench/scoring.py                        10,000 rows, every scorer (code: 1,000)
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
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow" / "scripts"))

from frontier.judging.asking import Item, Requests, known_pairs
from frontier.scorers import CHOSEN, Option, Score, ScoredItem, Scorer
from frontier.scorers.judge import Judge

WORDS = [*map(str, range(100, 130))]
ROWS = 10_000
MOST = {"code": 1_000}
"""Rows of a scorer that starts processes for each."""
LETTERS = "ABCD"
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


def program(rng: random.Random) -> tuple[str, str]:
    """A test, and a body that passes it half of the time."""
    value = rng.randrange(10_000)
    test = f"def check(candidate):\n    assert candidate(1) == {value}\n"
    return test, f"    return x + {value - 1 + rng.randrange(2)}\n"


def refused(rng: random.Random) -> tuple[str, str]:
    """A sentence, and one that declines half of the time."""
    begins = rng.choice(("I'm sorry, but I cannot help with that. ", "Of course: "))
    return prose(rng, 3), begins + prose(rng, 40)


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
    "loglikelihood": ({"macro": "subject", "by": "category"}, label(*LETTERS)),
    "code": ({"form": "continuation"}, program),
    "refusal": ({"by": "category"}, refused),
    "judge": (
        {"judge": "m", "device": "cpu", "form": "pair", "against": ["other"], "at_least": 0},
        label("yes", "no"),
    ),
    "mathematics": ({}, lambda rng: (str(rng.randrange(99)), str(rng.randrange(99)))),
}


def item(name: str, place: int, rng: random.Random) -> ScoredItem:
    """An invented answer to an invented question."""
    known, answer = CASES[name][1](rng)
    fields = {"subject": f"subject {place % 57}", "category": f"category {place % 4}"}
    options: tuple[Option, ...] = ()
    if name == "rouge":
        fields["document"] = f"{prose(rng, 300)} {known}"
    if name == "code":
        fields |= {"prompt": "def f(x):\n", "entry_point": "f", "test": known}
    if name == "loglikelihood":
        options = tuple(Option(one, one == known, -rng.expovariate(1)) for one in LETTERS)
    text = "" if place % 50 == 0 else answer
    return ScoredItem(str(place), text, known, fields, "Answer:", options=options)


def run(scorer: Scorer, items: Sequence[ScoredItem]) -> Callable[[], Score]:
    """The call that is measured: it scores answers; a judge's verdicts are there already."""
    if not isinstance(scorer, Judge):
        return lambda: scorer.score(items)
    asked = [
        Item(one.id, one.prompt, one.prediction, one.reference, {"other": "no"}) for one in items
    ]
    requests = Requests(scorer.asks())
    requests.add(asked)
    requests.check(known_pairs(asked))
    said = {name: f"Because.\n[[{'ABC'[place % 3]}]]" for place, name in enumerate(requests.texts)}
    return lambda: scorer.score_judged(items, requests.asked, said)


def score(name: str, rows: int, seed: int) -> dict[str, float]:
    """Scores so many rows in this process; seconds and bytes."""
    rng = random.Random(seed)
    items = [item(name, place, rng) for place in range(rows)]
    scorer = CHOSEN.read({"kind": name, "options": CASES[name][0]})
    run(scorer, items[:20])()  # imports
    whole = run(scorer, items)
    before, started = peak(), time.perf_counter()
    whole()
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
        rows = min(arguments.rows, MOST.get(name, arguments.rows))
        options = ["--rows", str(rows), "--seed", str(arguments.seed), "--here"]
        done = subprocess.run(
            [sys.executable, __file__, "--scorers", name, *options],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        found = json.loads(done.stdout)
        print(
            f"{name:16}{rows:8,}{found['seconds']:10.2f}{found['bytes'] / 1e6:12.1f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
