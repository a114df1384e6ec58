"""Say whether two results may be compared, and if so how far answers and times differ.

Two folders of results (results/ here and one from elsewhere), or the JSON of two cells. They may be
compared if the same questions were asked and scored in the same way; what else differs is named.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # PYTHONSAFEPATH leaves it out

from frontier import words
from frontier.errors import run
from frontier.exchange.comparing import Compared, compare
from frontier.exchange.pairing import pairs
from frontier.text import visible

APART = 3
"""The exit code if some may not be compared, or with --same-answers if some answer differs."""
LONGEST, TEXT = 1000, 100


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("one", type=Path, help="a folder of results, or a cell's JSON")
    parser.add_argument("other", type=Path, help="the other one")
    parser.add_argument(
        "--show", type=int, default=3, metavar="N", help="changed answers to show of each cell"
    )
    parser.add_argument(
        "--same-answers", action="store_true",
        help=f"exit with {APART} if an answer differs, or only one of the two has it",
    )  # fmt: skip
    return parser.parse_args()


def say(line: str) -> None:
    """Prints a line that is safe on a terminal."""
    print(visible(line, LONGEST))


def answers(found: Compared) -> str:
    """The number of answers, and how many differ."""
    asked = words.count(found.requests, "request")
    if not found.requests:
        return "no request is in both"
    if not found.changed and not found.rescored:
        return f"{asked}: every answer is the same"
    share = len(found.changed) / found.requests
    texts = f"{words.count(len(found.changed), 'text')} changed ({words.percent(share)})"
    return f"{asked}: {texts}; {words.count(found.rescored, 'score')} changed"


def times(found: Compared) -> str:
    """The ratio of latencies, or why there is none."""
    if found.untimed:
        return f"times may not be compared: {found.untimed}"
    estimate = found.times.estimate if found.times else None
    if estimate is None or estimate.value is None:
        return "times: no ratio is known"
    ends = words.interval((estimate.low, estimate.high))
    interval = f" (95 % interval {ends})" if ends else ""
    return f"times: the second takes {words.ratio(estimate.value)} as long{interval}"


def show(found: Compared, most: int) -> None:
    """Prints one comparison."""
    if found.forbidding:
        say(f"{found.name}: may not be compared")
        for reason in found.forbidding:
            say(f"  {reason}")
        return
    say(f"{found.name}: may be compared")
    say(f"  {answers(found)}")
    if any(found.only):
        say(f"  requests that only one of them has: {found.only[0]} and {found.only[1]}")
    for one in found.changed[:most]:
        texts = (visible(text or "", TEXT) for text in (one.one, one.other))
        say(f"    {one.id}: {' → '.join(map(repr, texts))}")
    say(f"  {times(found)}")


def shared(compared: Sequence[Compared]) -> list[str]:
    """The differences that every comparison has, in order."""
    first = compared[0].differing if compared else ()
    return [one for one in first if all(one in each.differing for each in compared)]


def main() -> None:
    """Reads the arguments and prints."""
    args = arguments()
    found, alone = pairs(args.one, args.other)
    compared = [compare(*one) for one in found]
    for one in compared:
        if one.empty:
            say(f"{one.name}: neither has answers: {one.empty}")
    compared = [one for one in compared if not one.empty]
    everywhere = shared(compared)
    for line in everywhere:
        say(f"differs: {line}")
    for one in compared:
        show(one, args.show)
        for line in one.differing:
            if line not in everywhere:
                say(f"  differs here: {line}")
    if alone:
        say(f"{words.count(alone, 'cell')} in only one of the two")
    may = sum(not one.forbidding for one in compared)
    total, asked = sum(len(one.changed) for one in compared), sum(one.requests for one in compared)
    say(
        f"{may} of {words.count(len(compared), 'pair')} may be compared; "
        f"{total} of {words.count(asked, 'answer')} differ"
    )
    same = not total and not any(one.rescored or any(one.only) for one in compared)
    if may < len(compared) or (args.same_answers and not same):
        sys.exit(APART)


if __name__ == "__main__":
    run(main)
