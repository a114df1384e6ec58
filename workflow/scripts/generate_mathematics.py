"""Generate questions of DeepMind's mathematics dataset with its original generator.

Runs in the environment of workflow/envs/mathematics.txt, so it imports nothing of this project.
Writes interpolate/MODULE.txt, with questions and answers on alternate lines like the published
archive. Reproducible for a seed and these pins.
"""

from __future__ import annotations

import argparse
import itertools
import multiprocessing
import os
import random
import sys
import zlib
from pathlib import Path

import numpy as np
from absl import flags  # type: ignore[import-not-found, unused-ignore]
from mathematics_dataset import generate  # type: ignore[import-not-found]
from mathematics_dataset.util import composition  # type: ignore[import-not-found]

SPLIT = "interpolate"


def main() -> None:
    """Writes each module's questions; the first ones do not depend on the number of others."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--per-module", type=int, required=True, help="questions for each module")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--output", type=Path, required=True, help="folder to write to")
    args = parser.parse_args()
    if not os.environ.get("PYTHONHASHSEED", "").isdigit():
        sys.exit("error: set PYTHONHASHSEED=0: sympy iterates over sets of texts")
    flags.FLAGS([sys.argv[0]])
    generate.init_modules()
    # The generator also stores these in sets, whose order would depend on memory addresses.
    composition.Entity.__hash__ = number
    (args.output / SPLIT).mkdir(parents=True, exist_ok=True)
    names = list(generate.filtered_modules[SPLIT])
    for done, name in enumerate(names, start=1):
        # In a separate process: sympy's caches depend on the questions of earlier modules.
        path = args.output / SPLIT / f"{name}.txt"
        process = multiprocessing.get_context("fork").Process(
            target=write, args=(name, args.per_module, args.seed, path)
        )
        process.start()
        process.join()
        if process.exitcode != 0:
            sys.exit(f"error: module {name} failed (exit status {process.exitcode})")
        print(f"generated {name} ({done} of {len(names)} modules)", file=sys.stderr, flush=True)


def write(name: str, count: int, seed: int, path: Path) -> None:
    """Writes `count` questions of a module and their answers."""
    module = generate.filtered_modules[SPLIT][name]
    random.seed(f"{seed}/{SPLIT}/{name}")
    np.random.seed(zlib.crc32(f"{seed}/{SPLIT}/{name}".encode()))
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for _ in range(count):
            composition.numbers = itertools.count()
            problem, _ = generate.sample_from_module(module)
            file.write(f"{problem.question}\n{problem.answer}\n")


def number(entity: composition.Entity) -> int:
    """A reproducible hash: the number of the question's entities before this one."""
    if not hasattr(entity, "number"):
        entity.number = next(composition.numbers)
    return int(entity.number)


if __name__ == "__main__":
    main()
