"""Pack this machine's results into one file, to be added on another.

The bundle has each cell's summary, requests and measurement, and a digest of every file. It has no
path, user name, host name or key; a file with one is rejected.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # PYTHONSAFEPATH leaves it out

from frontier.errors import run
from frontier.exchange import packing
from frontier.results import layout


def main() -> None:
    """Runs the program."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundle", type=Path, help="the file to write, such as a6000.tar.gz")
    parser.add_argument(
        "--results", type=Path, default=layout.RESULTS, help="the folder of the results"
    )
    args = parser.parse_args()
    count = packing.pack(args.results, args.bundle)
    print(f"{args.bundle}: {count} cells, {args.bundle.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    run(main)
