"""Aggregate the cells of a study into one table: study.parquet and study.csv."""

from __future__ import annotations

import argparse
import io
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # PYTHONSAFEPATH leaves it out

from frontier.errors import run
from frontier.host.files import write_bytes
from frontier.results import layout
from frontier.results.outputs import cell_paths, csv, write_lock
from frontier.tables.study import AggregateSpec, table
from frontier.values import checked_spec, recorded_identity, sha256


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--spec", default="{}", help="the study's axes: JSON, or a file")
    parser.add_argument(
        "--results", type=Path, default=layout.RESULTS, help="the folder of the results"
    )
    parser.add_argument("--cells-from", type=Path, help="more cells: a file with one path per line")
    parser.add_argument("--parquet", type=Path, required=True, help="the table to write")
    parser.add_argument("--csv", type=Path, required=True, help="the same table as CSV")
    parser.add_argument(
        "--lock",
        type=Path,
        required=True,
        help="lock.json to write: the written files and their hashes",
    )
    return parser.parse_args()


def main() -> None:
    """Runs the step."""
    args = arguments()
    spec = checked_spec(args.spec, AggregateSpec)
    paths = cell_paths(spec.study, args.results, args.cells_from)
    study, _ = table(paths)
    # Through memory: on a full disk Polars' own writer raises an error that is not an OSError.
    parquet = io.BytesIO()
    study.write_parquet(parquet)
    write_bytes(args.parquet, parquet.getvalue())
    write_bytes(args.csv, csv(study))
    cells = {layout.name_of(path): sha256(path) for path in paths}
    identity = recorded_identity(args.spec)
    write_lock(args.lock, identity, [args.parquet, args.csv], cells=cells)
    outcomes = study["outcome"].value_counts(sort=True).rows()
    counts = ", ".join(f"{count} {outcome}" for outcome, count in outcomes)
    print(f"{args.parquet}: {study.height} cells ({counts})")


if __name__ == "__main__":
    run(main)
