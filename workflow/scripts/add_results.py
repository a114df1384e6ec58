"""Add results from another machine; the next report shows them next to yours.

Nothing measured here is repeated or overwritten: an added cell's device is named DEVICE@NAME.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # PYTHONSAFEPATH leaves it out

from frontier.errors import UserError, run
from frontier.exchange import adding
from frontier.results import layout


def main() -> None:
    """Runs the program."""
    parser = argparse.ArgumentParser(description=__doc__)
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument(
        "source",
        type=Path,
        nargs="?",
        help="a file written by pack_results.py, or another results/ folder",
    )
    which.add_argument("--remove", metavar="NAME", help="delete what was added under this name")
    parser.add_argument("--name", help="the name of its devices after @; by default the bundle's")
    parser.add_argument(
        "--results", type=Path, default=layout.RESULTS, help="the folder of the results"
    )
    args = parser.parse_args()
    if args.remove:
        adding.remove(args.remove, args.results)
        print(f"removed the cells added as {args.remove}; snakemake updates the report")
        return
    if args.source.is_dir() and not args.name:
        raise UserError(f"{args.source}: a folder; name its devices with --name")
    name = args.name or args.source.name.partition(".")[0].lower()
    added, conflicts = adding.add(args.source, name, args.results)
    print(f"added {len(added)} cells as DEVICE@{name}; snakemake updates the report")
    for cell, differing in conflicts.items():
        print(f"conflict: {cell} was also measured here; {'; '.join(differing)}; both stay")


if __name__ == "__main__":
    run(main)
