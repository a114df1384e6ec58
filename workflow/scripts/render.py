"""Render the study's charts and the report."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # PYTHONSAFEPATH leaves it out

from frontier.errors import run
from frontier.host.files import write_bytes, write_json, write_text
from frontier.report.deciding.answers import Terms, answers
from frontier.report.drawing.svg import png
from frontier.report.naming import Naming, RenderSpec
from frontier.report.reading.gather import groups, read_cells
from frontier.report.writing import terminal
from frontier.report.writing.page import draw, page
from frontier.report.writing.provenance import provenance
from frontier.results import layout
from frontier.results.columns import COMPARISONS, names
from frontier.results.outputs import cell_paths, read_table, write_lock
from frontier.results.rating_columns import RATINGS
from frontier.tables.study import columns
from frontier.values import checked_spec, recorded_identity, sha256

TEMPLATE = Path(__file__).resolve().parents[2] / "resources" / "report"


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--spec", default="{}", help="title, labels and margin: JSON, or a file")
    parser.add_argument("--study", type=Path, required=True, help="study.parquet of aggregate.py")
    parser.add_argument(
        "--comparisons", type=Path, required=True, help="comparisons.parquet of compare.py"
    )
    parser.add_argument("--ratings", type=Path, help="ratings.parquet of compare.py")
    parser.add_argument(
        "--results", type=Path, default=layout.RESULTS, help="the folder of the results"
    )
    parser.add_argument("--cells-from", type=Path, help="more cells: a file with one path per line")
    parser.add_argument("--template", type=Path, default=TEMPLATE, help="the template's folder")
    parser.add_argument("--charts", type=Path, required=True, help="folder for SVG and PNG")
    parser.add_argument("--output", type=Path, required=True, help="the report to write")
    parser.add_argument("--provenance", type=Path, help="provenance.json to write")
    parser.add_argument("--answers", type=Path, help="the text with each task's answer to write")
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
    spec = checked_spec(args.spec, RenderSpec)
    # Only the documented columns: the scorers' further metrics stay in the table.
    study = read_table(args.study, "a study", names(columns())).rows(named=True)
    comparisons = read_table(args.comparisons, "a study's comparisons", names(COMPARISONS))
    naming = Naming(spec, study)
    paths = cell_paths(spec.study, args.results, args.cells_from)
    cells = read_cells(paths, study)
    ratings = (
        read_table(args.ratings, "a study's ratings", names(RATINGS)).rows(named=True)
        if args.ratings
        else []
    )
    grouped = groups(study, cells, naming, comparisons.rows(named=True), ratings)
    drawn = draw(grouped, naming, spec.margin)
    html = page(spec, naming, grouped, cells, drawn, args.template)
    files = [args.output]
    args.charts.mkdir(parents=True, exist_ok=True)  # even if nothing was measured
    for drawing in (drawing for kind in drawn.values() for drawing in kind):
        for ending, content in (("svg", drawing.svg.encode()), ("png", png(drawing.svg))):
            files.append(args.charts / f"{drawing.name}.{ending}")
            write_bytes(files[-1], content)
    # Charts of an earlier study would look like this one's; files of other names are not ours.
    for kind in drawn:
        for stale in set(args.charts.glob(f"{kind}-*.*")) - set(files):
            stale.unlink()
    write_bytes(args.output, html.encode())
    facts = {"study_sha256": sha256(args.study), "comparisons_sha256": sha256(args.comparisons)}
    if args.ratings:
        facts["ratings_sha256"] = sha256(args.ratings)
    if args.answers:
        given, _ = answers(study, Terms(margin=spec.margin))
        write_text(args.answers, "".join(f"{line}\n" for line in terminal.table(given)))
        files.append(args.answers)
    if args.provenance:
        write_json(args.provenance, provenance(paths, files, **facts))
        files.append(args.provenance)
    write_lock(args.lock, recorded_identity(args.spec), files, **facts)
    images = sum(file.parent == args.charts for file in files)
    print(f"{args.output}: {len(study)} cells, {images} chart files in {args.charts}")


if __name__ == "__main__":
    run(main)
