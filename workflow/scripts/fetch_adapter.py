"""Fetch a PEFT adapter into a folder, with a lock that describes it.

The spec: {"hub": ID, "revision": COMMIT} | {"path": FOLDER}
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))  # PYTHONSAFEPATH leaves it out

from frontier import values
from frontier.catalogue.adapters import Adapter
from frontier.errors import Reason, run
from frontier.fetching import adapters, hub
from frontier.host import files

HINT: Reason = "; to use a copy of your own, give the adapter its path in config/models.yaml"


def main() -> None:
    """Fetches or links the adapter's two files and writes the lock."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--spec", required=True, help="JSON, or the path of a JSON file")
    parser.add_argument("--output", type=Path, required=True, help="adapter folder to write")
    args = parser.parse_args()
    origin, folder = _locate(values.checked_spec(args.spec, Adapter))
    with files.replaced_folder(args.output) as new:
        for name in adapters.read_files(folder):
            files.link(folder / name, new / name)
        lock = {
            "source": origin,
            "files": values.facts(new / name for name in adapters.READ),
            "identity": values.recorded_identity(args.spec),
        }
        files.write_json(new / "lock.json", lock)


def _locate(adapter: Adapter) -> tuple[dict[str, Any], Path]:
    """The lock's entries about the origin, and the folder with the adapter's files."""
    if adapter.hub is None or adapter.revision is None:
        assert adapter.path is not None, "one of hub and path is given"
        return {"local": True}, adapter.path
    snapshot = hub.snapshot(adapter.hub, adapter.revision, "model", adapters.READ, hint=HINT)
    origin = {"hub": adapter.hub, "revision": adapter.revision, "commit": snapshot.commit}
    return origin, snapshot.folder


if __name__ == "__main__":
    run(main)
