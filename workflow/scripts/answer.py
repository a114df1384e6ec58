"""Print the answer for each task: the variants that meet your limits, and the best of them.

Reads the study's table, so it needs no device and no model. Follows the rules of the report's page.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # PYTHONSAFEPATH leaves it out

from frontier.catalogue import configuration
from frontier.errors import UserError, run
from frontier.report.deciding import asking
from frontier.report.deciding.answers import Answer, Terms, answers, pooled
from frontier.report.deciding.candidates import PERCENTILES
from frontier.report.naming import RenderSpec
from frontier.report.writing import terminal
from frontier.results import layout
from frontier.results.columns import names
from frontier.results.current import read_study
from frontier.tables.study import columns

UNMET = 3
"""The exit code of --or-fail where the limits are not met; 1 and 2 are errors of the input."""


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog="TASK=VALUE is a limit in that task alone, where it replaces the one of all tasks.",
    )
    limit = parser.add_argument_group("limits (VALUE, or TASK=VALUE; may be repeated)")
    for option, help in asking.OPTIONS.items():
        limit.add_argument(option, action="append", default=[], metavar="VALUE", help=help)
    limit.add_argument(
        "--percentile", type=int, choices=PERCENTILES, default=50,
        help="the percentile of requests that limits of times are about; 50: the median",
    )  # fmt: skip
    limit.add_argument(
        "--surely", action="store_true",
        help="take a limit as met only where the whole 95 %% interval meets it",
    )  # fmt: skip
    among = parser.add_argument_group("among which (may be repeated)")
    for axis in ("task", "scenario", "device"):
        among.add_argument(f"--{axis}", action="append", default=[], help=f"only this {axis}")
    among.add_argument(
        "--licence", action="append", default=[],
        help="only models with this licence, as config/models.yaml names it",
    )  # fmt: skip
    parser.add_argument(
        "--over-tasks", action="store_true",
        help="one answer over all tasks: scores, times, energy and costs are means over them, and "
        "limits of latency, memory and rate hold in each",
    )  # fmt: skip
    parser.add_argument(
        "--within", type=float, default=RenderSpec().margin, metavar="POINTS",
        help="the answer is the fastest within so many points of the best; 0: the best",
    )  # fmt: skip
    parser.add_argument(
        "--chosen", metavar="VARIANT/DEVICE", help="check this variant too, and say what it misses"
    )
    parser.add_argument(
        "--or-fail", action="store_true",
        help=f"exit with {UNMET} where no variant meets the limits, or the chosen one does not",
    )  # fmt: skip
    parser.add_argument("--short", action="store_true", help="print only the table")
    parser.add_argument("--json", action="store_true", help="print JSON instead")
    parser.add_argument(
        "--results", type=Path, default=layout.RESULTS, help="the folder of the results"
    )
    return parser.parse_args()


def licences() -> dict[str, str]:
    """The licences of today's catalogue, by model. Raises UserError."""
    models = configuration.read_catalogue(configuration.catalogue_folder()).models
    return {name: model.licence for name, model in models.items() if model.licence}


def found(args: argparse.Namespace) -> list[Answer]:
    """The answers. Raises UserError for an unknown name, or for limits that apply to no task."""
    if not args.within >= 0:
        raise UserError(f"--within: {args.within:g}: must be a number from 0")
    rows = read_study(args.results, names(columns()))
    if args.chosen is not None:
        asking.known(args.chosen, {f"{row['variant']}/{row['device']}" for row in rows}, "--chosen")
    rows = asking.selected(rows, args, licences)
    limits = asking.limits(vars(args), rows)
    terms = Terms(tuple(limits), args.within, args.surely, args.chosen)
    given, apart = answers(rows, terms)
    for line in apart:
        print(line, file=sys.stderr)
    if not given:
        raise UserError("no task of the study has the figures that the limits are about")
    return pooled(given, terms) if args.over_tasks else given


def show(given: Sequence[Answer], short: bool) -> None:
    """Prints the table, then what is behind it."""
    print(*terminal.table(given), sep="\n")
    if not short:
        for answer in given:
            print("", *terminal.lines(answer), sep="\n")


def main() -> None:
    """Reads the arguments and prints."""
    args = arguments()
    given = found(args)
    if args.json:
        print(json.dumps([one.as_json() for one in given], indent=1, ensure_ascii=False))
    else:
        show(given, args.short)
    if args.or_fail and not all(one.met for one in given):
        sys.exit(UNMET)


if __name__ == "__main__":
    run(main)
