"""Run a program in one of the environments of workflow/envs; without a program, only build it.

A damaged environment is rebuilt first.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # PYTHONSAFEPATH leaves it out

from frontier.catalogue.checking import one_of
from frontier.errors import run
from frontier.fetching import environments


def main() -> None:
    """Builds it, and replaces this process by the program, so that signals reach the program."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", help=f"one of: {', '.join(environments.names())}")
    parser.add_argument("program", nargs="?", help="a Python file")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help="the program's arguments")
    given = parser.parse_args()
    interpreter = environments.python(one_of(given.name, environments.names(), "workflow/envs"))
    if given.program:
        os.execv(interpreter, [str(interpreter), given.program, *given.arguments])


if __name__ == "__main__":
    run(main)
