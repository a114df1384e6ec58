"""Accept earlier measurements as current after an update of the code or of packages.

Lists the differences, then writes a copy of each measurement to its new place, with a note that the
tables and the report show. If anything other than code and versions differs, it refuses.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # PYTHONSAFEPATH leaves it out

from frontier.errors import UserError, run
from frontier.explaining import adoption
from frontier.explaining.adoption import Candidate
from frontier.planning.cells import Cell
from frontier.planning.steps import Steps
from frontier.results import layout
from frontier.text import visible
from plan import named, read

LONGEST = 300


def reason(text: str | None) -> str:
    """The text of --because as one line. Raises UserError if it is empty or too long."""
    words = " ".join((text or "").split())
    if not words or words != visible(words, LONGEST):
        raise UserError(
            f"--because: say in one line of at most {LONGEST} characters why the earlier "
            "measurements are still valid"
        )
    return words


def candidates(steps: Steps, cells: Sequence[Cell], every: bool) -> list[Candidate]:
    """The measurements to adopt; with `every`, cells without one are reported and skipped.

    Raises UserError for a named cell without one, and if there is none at all.
    """
    found = []
    for cell in (one for one in cells if one.planned or not every):
        try:
            found.append(adoption.candidate(steps, cell))
        except UserError as error:
            if not every:
                raise
            print(f"not adopted: {error}", file=sys.stderr)
    if not found:
        raise UserError("there is nothing to adopt")
    return found


def show(found: Sequence[Candidate]) -> None:
    """Prints each set of differences once, with its cells."""
    groups: dict[tuple[str, ...], list[Candidate]] = {}
    for one in found:
        groups.setdefault(tuple(one.reasons), []).append(one)
    for differs, ours in groups.items():
        for one in ours:
            print(f"{one.cell.place.summary}  (measured as {one.folder.name})")
        for line in differs or ("only its path",):
            print(f"    {visible(line, 200)}")


def main() -> None:
    """Reads the arguments; lists, adopts or undoes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cells", nargs="*", help=f"paths of cells: {layout.CELL}")
    parser.add_argument("--all", action="store_true", help="every cell of the study")
    parser.add_argument("--because", help="why the earlier measurements still hold")
    parser.add_argument("--undo", action="store_true", help="delete what was adopted")
    parser.add_argument("--list", action="store_true", help="only list what would be adopted")
    parser.add_argument("--config", type=Path, action="append", help="the study's file")
    arguments = parser.parse_args()
    if bool(arguments.cells) == arguments.all:
        raise UserError(f"name cells ({layout.CELL}), or use --all")
    steps = read(arguments.config or [Path("config/config.yaml")])
    cells = [named(steps, path) for path in arguments.cells] or steps.cells
    if arguments.undo:
        for folder in adoption.undo(cells):
            print(f"deleted: {folder}")
        return
    because = None if arguments.list else reason(arguments.because)
    found = candidates(steps, cells, arguments.all)
    show(found)
    if because is None:
        return
    for one in found:
        adoption.adopt(steps, one, because)
    print(f"\nadopted {len(found)} measurements; snakemake scores and shows them")


if __name__ == "__main__":
    run(main)
