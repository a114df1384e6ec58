"""Render: draw the study's charts and write the report."""

from __future__ import annotations

import argparse
from pathlib import Path

import polars as pl

from frontier.columns import COLUMNS
from frontier.errors import UserError, run
from frontier.files import checked_spec, sha256, write_bytes
from frontier.outputs import cell_paths, write_lock
from frontier.report.gather import groups, read_cells
from frontier.report.naming import Naming, RenderSpec
from frontier.report.page import draw, page
from frontier.report.svg import png

TEMPLATE = Path(__file__).resolve().parents[2] / "resources" / "report"


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--spec", default="{}", help="JSON or a file of it: title, labels, margin")
    parser.add_argument("--study", type=Path, required=True, help="study.parquet of aggregate.py")
    parser.add_argument("--results", type=Path, default=Path("results"), help="where cells lie")
    parser.add_argument("--cells-from", type=Path, help="other cells: a file with a path a line")
    parser.add_argument("--template", type=Path, default=TEMPLATE, help="the template's folder")
    parser.add_argument("--charts", type=Path, required=True, help="folder for SVG and PNG")
    parser.add_argument("--output", type=Path, required=True, help="the report to write")
    parser.add_argument("--lock", type=Path, required=True, help="what was written, with hashes")
    return parser.parse_args()


def read_study(path: Path) -> pl.DataFrame:
    """The study. Raises UserError for a file that is not one."""
    try:
        study = pl.read_parquet(path)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise UserError(f"{path}: not a study: {error}") from None
    if lacking := [column.name for column in COLUMNS if column.name not in study.columns]:
        raise UserError(f"{path}: not a study: it lacks the column {lacking[0]!r}")
    return study


def main() -> None:
    """Run the step."""
    args = arguments()
    spec = checked_spec(args.spec, RenderSpec)
    # Only the registry's columns: the scorers' further metrics stay in the table.
    study = read_study(args.study).select(column.name for column in COLUMNS).rows(named=True)
    naming = Naming(spec, study)
    cells = read_cells(cell_paths(spec.study, args.results, args.cells_from), study)
    grouped = groups(study, cells, naming)
    drawn = draw(grouped, naming, spec.margin)
    html = page(spec, naming, grouped, cells, drawn, args.template)
    files = [args.output]
    for drawing in (drawing for kind in drawn.values() for drawing in kind):
        for ending, content in (("svg", drawing.svg.encode()), ("png", png(drawing.svg))):
            files.append(args.charts / f"{drawing.name}.{ending}")
            write_bytes(files[-1], content)
    # Charts of a former study would pass for this one's; files of other names are not ours.
    for kind in drawn:
        for stale in set(args.charts.glob(f"{kind}-*.*")) - set(files):
            stale.unlink()
    write_bytes(args.output, html.encode())
    write_lock(args.lock, spec.identity, files, study_sha256=sha256(args.study))
    print(f"{args.output}: {len(study)} cells, {len(files) - 1} chart files in {args.charts}")


if __name__ == "__main__":
    run(main)
