"""Measure how fast this host's device reads memory and multiplies matrices, once for each machine.

A machine that was measured before, with the same hardware, threads, GPUs, power settings and torch,
is not measured again, unless other processes were busy meanwhile. measure.py starts this program
before it loads anything, while the device is reserved for it.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import get_args

sys.path.insert(0, str(Path(__file__).parent))  # PYTHONSAFEPATH leaves it out

from frontier.errors import run
from frontier.machine import ceilings, hardware
from frontier.results import layout
from frontier.words import significant


def main() -> None:
    """Prints the limits, and where they are."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--accelerator", choices=get_args(ceilings.Accelerator), default="cpu")
    parser.add_argument("--threads", type=int, default=hardware.cores(), help="default: all cores")
    parser.add_argument("--gpus", type=int, help="default: one, none on a CPU")
    parser.add_argument("--folder", type=Path, default=layout.MACHINES)
    parser.add_argument(
        "--max-background-cores", type=float, default=0.5, help="of other processes meanwhile"
    )
    given = parser.parse_args()
    count = int(given.accelerator != "cpu") if given.gpus is None else given.gpus
    hardware.require(given.accelerator, given.accelerator, None, count)
    most = given.max_background_cores
    path, found = ceilings.cached(given.folder, given.accelerator, given.threads, count, most)
    print(f"{path}: reads {significant(found['read_gb_s'])} GB/s")
    for dtype, rate in found["matrix_tflop_s"].items():
        print(f"{path}: multiplies {significant(rate)} TFLOP/s in {dtype}")
    if found["foreign_cores"] > most:
        print(f"{path}: other processes used {significant(found['foreign_cores'])} cores meanwhile")


if __name__ == "__main__":
    run(main)
