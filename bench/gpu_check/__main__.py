"""Check on a GPU what was only ever run on a CPU, through measure.py: bench/gpu_check.sh starts it.

A Llama of 7B shape with random weights by each way to quantize, its times next to what its memory's
bandwidth allows and its memory next to the plan's; out of memory as an outcome; leases; others on
the GPU; the grown models' answers next to the CPU's. Prints a table, writes JSON, and ends with 1
where something is wrong. What a missing package or too little time prevents is skipped, with the
reason.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import Any

import cells
from checks import GpuChecks
from frontier.machine import hardware
from rows import Finding
from workbench import CheckError, Workbench


def host() -> dict[str, Any]:
    """The hardware, and the packages that matter."""
    packages: dict[str, str | None] = {}
    for name in (
        "torch",
        "transformers",
        "accelerate",
        "optimum-quanto",
        "bitsandbytes",
        "torchao",
    ):
        try:
            packages[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            packages[name] = None
    return {
        "hardware": hardware.describe(),
        "python": platform.python_version(),
        "packages": packages,
    }


def run(check: GpuChecks, seconds: float) -> Iterator[Finding]:
    """Every check's rows; one that fails does not end the others, one too late is skipped."""
    ends = time.monotonic() + seconds
    for name, work in check.checks():
        if time.monotonic() > ends:
            yield Finding(name, "skipped", f"the {seconds:.0f} s are over")
            continue
        try:
            yield from work()
        except (CheckError, KeyError) as error:
            yield Finding(name, "WRONG", str(error))


def main() -> int:
    """Reads the arguments, checks, prints and writes; 1 where something is wrong."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cpu", action="store_true", help="all that a CPU can, at a small shape")
    parser.add_argument("--json", type=Path, default=Path("gpu_check.json"), help="file to write")
    parser.add_argument("--folder", type=Path, help="a folder for checkpoints of some 14 GB")
    parser.add_argument("--seconds", type=float, default=420, help="begin no check after this time")
    parser.add_argument("--requests", type=int, default=12, help="how many of each shaped cell")
    given = parser.parse_args()
    accelerator = "cpu" if given.cpu else "cuda"
    if not given.cpu and not hardware.gpus():
        print("error: no NVIDIA GPU here; --cpu checks what a CPU can", file=sys.stderr)
        return 2
    facts = host()
    print(json.dumps(facts))
    rows = []
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        settings = {"small": given.cpu, "requests": given.requests}
        bench = Workbench(Path(folder), cells.catalogue(accelerator, **settings))
        for found in run(GpuChecks(bench, accelerator, **settings), given.seconds):
            print(found, flush=True)
            rows.append(found)
            text = json.dumps({**facts, "rows": [asdict(one) for one in rows]}, indent=1)
            given.json.write_text(text + "\n", encoding="utf-8")
    wrong = sum(one.state == "WRONG" for one in rows)
    print(f"{len(rows)} rows, {wrong} wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
