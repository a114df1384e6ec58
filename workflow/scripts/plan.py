"""Print the study as a table: every cell, planned or left out and why. Downloads nothing.

With cells' paths (results/VARIANT/DEVICE/TASK.json) it prints those instead, with --why which jobs
would run for them and why, and with --spec the specification that a step's program takes, to run it
by hand.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # PYTHONSAFEPATH leaves it out

from frontier.catalogue import configuration
from frontier.catalogue.ids import SINGLE_STREAM
from frontier.errors import UserError, run
from frontier.explaining import explanations
from frontier.explaining.why import Why
from frontier.machine import hardware
from frontier.planning import caches, costs, durations, judge_costs, shutdowns
from frontier.planning.cells import Cell
from frontier.planning.freshness import Freshness
from frontier.planning.pending import pending
from frontier.planning.steps import Steps
from frontier.planning.verifying import verify
from frontier.results import layout
from frontier.text import visible

STEPS = ("sample", "measure", "score")


def read(config: Sequence[Path]) -> Steps:
    """The steps of the catalogue in config/ for the study of these files and KEY=VALUEs."""
    keys = [str(one) for one in config if "=" in str(one) and not one.exists()]
    files = [one for one in config if str(one) not in keys] or [Path("config/config.yaml")]
    catalogue = configuration.read_catalogue(configuration.catalogue_folder())
    study = configuration.read_study(files, keys, catalogue)
    steps = Steps(catalogue, study, hardware.memory_bytes)
    steps.check()
    return steps


def named(steps: Steps, path: str) -> Cell:
    """The cell of a result's path. Raises UserError for any other path."""
    parts = Path(path).parts
    if len(parts) != 4 or Path(parts[0]) != layout.RESULTS or not path.endswith(".json"):
        raise UserError(f"{path}: a cell's path is {layout.CELL}")
    _, variant, device, file = parts
    return steps.cell_at(layout.asked(variant, device, file.removesuffix(".json")))


def complain(line: str) -> None:
    """Prints a line to stderr, so that it is not in the table."""
    print(visible(line, 1000), file=sys.stderr)


def measured(fresh: Freshness, cell: Cell) -> bool:
    """True if nothing of a planned cell is to be measured."""
    return fresh.cell(cell) or not fresh.to_measure(cell)


def announce(steps: Steps, cells: list[Cell], missing: list[Cell]) -> None:
    """Prints shutdowns of the cells' models, and what is to be known before the missing ones."""
    for line in shutdowns.lines(steps.catalogue, cells, shutdowns.today()):
        complain(line)
    for room in (durations, caches, costs, judge_costs):
        for line in room.lines(steps, missing):
            complain(line)


def show(steps: Steps, cells: list[Cell]) -> None:
    """Prints the cells and the number of each outcome; scenarios only where not all are default."""
    fresh, day = Freshness(steps, tell=complain), shutdowns.today()
    rows: list[tuple[str, ...]] = [("variant", "device", "task", "scenario", "state", "reason")]
    for cell in cells:
        state = cell.outcome
        if cell.planned and fresh.cell(cell):
            state = "finished"
        why = cell.reason
        if state == cell.outcome == "planned":
            why = shutdowns.why_over(steps.catalogue, cell, day)
        rows.append((cell.variant, cell.device, cell.task, cell.scenario, state, why or ""))
    fresh.digests.save()
    announce(steps, cells, [one for one in cells if one.planned and not measured(fresh, one)])
    counts = Counter(row[4] for row in rows[1:])
    if {row[3] for row in rows[1:]} <= {SINGLE_STREAM}:
        rows = [(*row[:3], *row[4:]) for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)][:-1]
    for row in rows:
        padded = (value.ljust(width) for value, width in zip(row, widths, strict=False))
        print(visible("  ".join((*padded, row[-1])).rstrip(), 1000))
    print(f"\n{len(cells)} cells: " + ", ".join(f"{n} {state}" for state, n in counts.items()))


def explain(steps: Steps, cells: list[Cell], tables: bool, as_json: bool) -> None:
    """Prints the jobs that would run for these cells and the study's tables, with reasons."""
    fresh = Freshness(steps)
    jobs = pending(fresh, cells, tables)
    announce(steps, cells, [one for one in cells if one.planned and not measured(fresh, one)])
    why = Why(fresh, jobs)
    explained = [(job, why.cause(job)) for job in jobs]
    fresh.digests.save()
    print(explanations.as_json(explained) if as_json else explanations.page(explained))


def main() -> None:
    """Reads the arguments and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cells", nargs="*", help="paths of cells; without any, the whole study")
    parser.add_argument(
        "--config",
        type=Path,
        action="append",
        help="the study's file; given several times, each key comes from the last that has it; or "
        "KEY=VALUE, as Snakemake's --config takes it",
    )
    parser.add_argument(
        "--verify",
        action="store_true",
        help="check the bytes of all finished results instead of planning",
    )
    parser.add_argument(
        "--why", action="store_true", help="print which jobs would run, and what differs for each"
    )
    parser.add_argument("--json", action="store_true", help="with --why: print it as JSON")
    parser.add_argument("--spec", choices=STEPS, help="print this step's specification instead")
    arguments = parser.parse_args()
    if arguments.verify:
        count, faults = verify(Path())
        print(*faults, f"{count} files, {len(faults)} altered since they were written", sep="\n")
        sys.exit(bool(faults))
    steps = read(arguments.config or [Path("config/config.yaml")])
    cells = [named(steps, path) for path in arguments.cells] or steps.cells
    with suppress(BrokenPipeError):  # for example of `head`
        if arguments.why:
            explain(steps, cells, tables=not arguments.cells, as_json=arguments.json)
        elif arguments.spec is None:
            show(steps, cells)
        else:
            for cell in cells:
                name = cell.task if arguments.spec == "sample" else cell
                print(getattr(steps, arguments.spec)(name).spec_with_identity)


if __name__ == "__main__":
    run(main)
