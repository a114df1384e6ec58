"""Seconds and memory for drawing a sample from a large table.

    python bench/tables.py                        2 GB each of CSV, JSON lines and Parquet
    python bench/tables.py --gigabytes 0.2 --forms csv

The table is written into a temporary folder; `memory` is the peak of the process that draws.
"""

from __future__ import annotations

import argparse
import csv
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow" / "scripts"))

from frontier.datasets.table import Table
from frontier.sampling.drawing import SampleSpec

FORMS = ("csv", "jsonl", "parquet")
UNIT = 1 if sys.platform == "darwin" else 1024  # of ru_maxrss, in bytes
AT_ONCE = 10_000  # rows
QUESTION = (
    "What follows from these two lines, each of them about as long as a question of a test?\n"
)


def rows(size: float) -> Iterator[tuple[str, str, str]]:
    """Question, answer and topic of so many bytes of text in all."""
    count, written = 0, 0
    while written < size:
        text = f"{count} {QUESTION * 2}"
        yield text, str(count % 97), f"topic {count % 5}"
        written += len(text) + 12
        count += 1


def write(path: Path, size: float) -> None:
    """Writes a table; never all of it in memory."""
    names = ("question", "answer", "topic")
    if path.suffix == ".parquet":
        import pyarrow as pa  # type: ignore[import-untyped]
        from pyarrow import parquet

        schema = pa.schema([(name, pa.string()) for name in names])
        # Random-looking texts would not compress; these do, so the file is smaller than its rows.
        with parquet.ParquetWriter(path, schema) as file:
            batch: list[dict[str, str]] = []
            for row in rows(size):
                batch.append(dict(zip(names, row, strict=True)))
                if len(batch) == AT_ONCE:
                    file.write_table(pa.Table.from_pylist(batch, schema))
                    batch = []
            file.write_table(pa.Table.from_pylist(batch, schema))
        return
    with path.open("w", encoding="utf-8", newline="") as text:
        if path.suffix == ".csv":
            written = csv.writer(text)
            written.writerow(names)
            written.writerows(rows(size))
        else:
            for row in rows(size):
                text.write(json.dumps(dict(zip(names, row, strict=True))) + "\n")


def draw(folder: Path) -> None:
    """Draws a sample of 200 in this process; prints seconds and the peak of memory."""
    started = time.perf_counter()
    loader = Table(reference="answer", stratum="topic").using(["question"])
    found = SampleSpec(loader=loader, size=200).rows(folder)
    seconds = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * UNIT
    print(f"{len(found):6}{seconds:10.1f}{peak / 1e6:12.1f}")


def main() -> None:
    """Reads the arguments, writes each table and draws from it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--gigabytes", type=float, default=2.0, help="of text")
    parser.add_argument("--forms", nargs="+", choices=FORMS, default=FORMS)
    parser.add_argument("--draw", type=Path, help="only draw, from a folder")
    arguments = parser.parse_args()
    if arguments.draw:
        draw(arguments.draw)
        return
    print(f"{'form':10}{'file, MB':>10}{'drawn':>6}{'seconds':>10}{'memory, MB':>12}")
    for form in arguments.forms:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, f"table.{form}")
            write(path, arguments.gigabytes * 1e9)
            done = subprocess.run(
                [sys.executable, __file__, "--draw", folder],
                capture_output=True, text=True, check=True,
            )  # fmt: skip
            print(f"{form:10}{path.stat().st_size / 1e6:10.0f}{done.stdout.rstrip()}", flush=True)


if __name__ == "__main__":
    main()
