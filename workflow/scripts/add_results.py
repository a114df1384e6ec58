"""Add results that were packed on another machine; the next report shows them beside one's own.

Nothing measured here is run again or overwritten: an added cell's device is called DEVICE@NAME.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from frontier import bundles
from frontier.errors import run


def main() -> None:
    """Run the program."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundle", type=Path, help="what pack_results.py wrote")
    parser.add_argument("--name", help="what to call its devices after @; else the file's name")
    parser.add_argument("--results", type=Path, default=Path("results"), help="where cells lie")
    args = parser.parse_args()
    name = args.name or args.bundle.name.partition(".")[0].lower()
    added, differing = bundles.add(args.bundle, name, args.results)
    print(f"added {len(added)} cells as DEVICE@{name}; snakemake shows them in the report")
    for cell in differing:
        print(f"conflict: {cell} was measured here as well, otherwise; both are kept")


if __name__ == "__main__":
    run(main)
