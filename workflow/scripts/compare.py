"""Compare each quantized variant with its native one, and all with the study's reference."""

from __future__ import annotations

import argparse
import io
import sys
from pathlib import Path

import polars as pl

sys.path.insert(0, str(Path(__file__).parent))  # PYTHONSAFEPATH leaves it out

from frontier.errors import run
from frontier.host.files import write_bytes
from frontier.results import layout
from frontier.results.outputs import cell_paths, csv, write_lock
from frontier.tables import alone, ratings, references
from frontier.tables.comparisons import table
from frontier.tables.study import AggregateSpec
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
        "--ratings",
        type=Path,
        help="the Parquet of judged variants to write, with its CSV",
    )
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
    reference = spec.study.reference if spec.study else None
    others = [*references.table(paths, reference), *alone.table(paths)]
    comparisons = table(paths, others, spec.bases)
    written = [*write(comparisons, args.parquet, args.csv)]
    if args.ratings:
        rated = ratings.table(paths, spec.bases)
        written += write(rated, args.ratings, args.ratings.with_suffix(".csv"))
    cells = {layout.name_of(path): sha256(path) for path in paths}
    identity = recorded_identity(args.spec)
    write_lock(args.lock, identity, written, cells=cells)
    print(f"{args.parquet}: {counted(comparisons, 'parent_variant', 'verdict')}")
    if args.ratings and rated.height:
        known = rated["rating"].drop_nulls().len()
        print(f"{args.ratings}: {rated.height} judged variants, {known} of them rated")
    if (other := comparisons["reference_variant"].drop_nulls()).len():
        counts = counted(comparisons, "reference_variant", "reference_verdict")
        print(f"{args.parquet}: {counts} with the reference {other[0]}")


def write(table: pl.DataFrame, parquet: Path, text: Path) -> tuple[Path, Path]:
    """Writes a table as Parquet and as CSV; returns both paths."""
    # Through memory: on a full disk Polars' own writer raises an error that is not an OSError.
    content = io.BytesIO()
    table.write_parquet(content)
    write_bytes(parquet, content.getvalue())
    write_bytes(text, csv(table))
    return parquet, text


def counted(comparisons: pl.DataFrame, with_one: str, verdict: str) -> str:
    """The number of comparisons, and of each verdict."""
    found = comparisons.drop_nulls(with_one)
    verdicts = found[verdict].drop_nulls().value_counts(sort=True).rows()
    counts = ", ".join(f"{count} {verdict}" for verdict, count in sorted(verdicts))
    return f"{found.height} comparisons ({counts or 'none of scores'})"


if __name__ == "__main__":
    run(main)
