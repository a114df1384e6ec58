"""Fetch a dataset's files into a folder, with a lock that describes them.

The spec: {"source": {"hub": ID, "revision": COMMIT, "files": [GLOB, ...]}
                   | {"url": ADDRESS, "sha256": HEX or null}
                   | {"path": FILE or FOLDER}
                   | {"generator": "mathematics", "per_module": 100, "seed": 0}
                   | {"generator": "demo"}}
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # PYTHONSAFEPATH leaves it out

from frontier import values
from frontier.errors import run
from frontier.fetching import sources
from frontier.specs.inputs import DatasetSpec


def main() -> None:
    """Fetches the source's files."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--spec", required=True, help="JSON, or the path of a JSON file")
    parser.add_argument("--output", type=Path, required=True, help="folder to write")
    args = parser.parse_args()
    source = values.checked_spec(args.spec, DatasetSpec).source
    sources.fetch(source, args.output, values.recorded_identity(args.spec))


if __name__ == "__main__":
    run(main)
