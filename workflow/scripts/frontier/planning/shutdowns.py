"""Models behind a name that are no longer served, or will soon not be."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta

from frontier.catalogue.entries import Catalogue
from frontier.errors import Reason, UserError
from frontier.planning.cells import Cell

NEAR = timedelta(days=30)


def today() -> date:
    """The date, the same in every time zone."""
    return datetime.now(UTC).date()


def lines(catalogue: Catalogue, cells: Iterable[Cell], day: date) -> Iterator[str]:
    """A line for each model of these cells whose shutdown is past, or near."""
    for model in dict.fromkeys(cell.model for cell in cells if cell.planned):
        end = catalogue.models[model].shutdown
        if end is None or end > day + NEAR:
            continue
        if end <= day:
            valid = "what is measured stays valid, and cannot be measured again"
            yield f"models.{model}: was shut down on {end}: {valid}"
        else:
            days = (end - day).days
            yield f"models.{model}: is shut down on {end}, in {days} day{'s' * (days > 1)}"


def why_over(catalogue: Catalogue, cell: Cell, day: date) -> Reason | None:
    """The reason why a cell cannot be measured any more; None if it can."""
    end = catalogue.models[cell.model].shutdown
    return f"{cell.model} was shut down on {end}" if end and end <= day else None


def refuse(catalogue: Catalogue, cells: Iterable[Cell], day: date) -> None:
    """Raises UserError if a cell that is to be measured is of a model that is no longer served."""
    over = {cell: why for cell in cells if (why := why_over(catalogue, cell, day))}
    for cell, why in over.items():
        more = f" and {len(over) - 1} more cells of such models" if len(over) > 1 else ""
        raise UserError(
            f"config/models.yaml: models.{cell.model}.shutdown: {why}, so that {cell.name}{more} "
            "cannot be measured: leave it out of the study, or name its successor"
        )
