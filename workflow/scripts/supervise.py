"""Start a server for the process that starts this one, and end it with that process.

It reads an order from standard input; frontier/serving/supervisor.py describes both.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # PYTHONSAFEPATH leaves it out

from frontier.serving.supervisor import supervise


def main() -> None:
    """Supervises one server."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    supervise()


if __name__ == "__main__":
    main()
