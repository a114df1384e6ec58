"""Measure how fast this host's device reads memory and multiplies matrices, once for each machine.

A machine that was measured before, with the same hardware, threads and torch, is not measured
again. Nothing else should run meanwhile.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # PYTHONSAFEPATH leaves it out

from frontier.errors import run
from frontier.machine import ceilings, hardware


def main() -> None:
    """Prints the limits, and where they are."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--accelerator", choices=("cpu", "cuda", "mps"), default="cpu")
    parser.add_argument("--threads", type=int, default=hardware.cores(), help="default: all cores")
    parser.add_argument("--folder", type=Path, default=Path("results/machines"))
    given = parser.parse_args()
    count = 0 if given.accelerator == "cpu" else 1
    hardware.require(given.accelerator, given.accelerator, None, count)
    path, found = ceilings.cached(given.folder, given.accelerator, given.threads)
    print(f"{path}: reads {found.read_gb_s:.1f} GB/s")
    for dtype, rate in found.matrix_tflop_s.items():
        print(f"{path}: multiplies {rate:.2f} TFLOP/s in {dtype}")


if __name__ == "__main__":
    run(main)
