"""Figures: what is measured of a cell, each from the measurement to the glossary. One file each.

frontier/figures/NAME.py has one class, found by its place; nothing else names it. Its columns are
the study's, in its cells they are the keys of "figures", and the report's table of cells, chart of
distributions, list of conditions and glossary show of it what it offers them. For example, the
generated tokens of a request:

    class TokensPerRequest(Figure):
        ORDER = 145
        NEEDS = Needs.ANSWERS
        COLUMNS = with_interval("tokens_per_request", "tokens", "mean of the generated tokens")
        HEADINGS = (heading("Tokens", "tokens_per_request", words.number),)

        def values(self, measured: Measured) -> Values:
            tokens = [record.tokens for record in measured.records]
            return {"tokens_per_request": mean(tokens, dependence(tokens, measured.records))}
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar

from frontier.errors import UserError
from frontier.registry import Registry
from frontier.results.columns import Column, StudyRow

if TYPE_CHECKING:  # planning asks for names alone, and need not import what figures compute with
    from frontier.results.records import Record
    from frontier.specs.score import ScoreSpec
    from frontier.stats.intervals import Estimate

Values = Mapping[str, "Estimate | float | str | None"]
"""Figures by their columns, an estimate standing for its ends as well; None is missing, never 0."""


class Needs(IntEnum):
    """What a figure is made of; each has what those before it have."""

    MEASUREMENT = 1
    """A measurement, whatever its outcome."""
    ANSWERS = 2
    """The records of all requests."""
    TIMES = 3
    """Times that may be published: of no simulated arithmetic, and past every gate."""


@dataclass(frozen=True)
class Measured:
    """What figures are made of."""

    measurement: Mapping[str, Any]
    """The content of measurement.json."""
    spec: ScoreSpec
    """What score.py is given: of the device and the model what decides a figure."""
    records: Sequence[Record] = ()
    """The requests in the order of time; none where not all were answered."""


@dataclass(frozen=True)
class PerRequest:
    """A figure of each request: a column of the cell's table, drawn as a distribution."""

    column: str
    title: str
    """Of its panel in the chart of distributions."""
    value: Callable[[Record], float | None]


@dataclass(frozen=True)
class Heading:
    """A column of the report's table of cells, and how a row of the study fills it."""

    title: str
    text: Callable[[StudyRow], str]


def heading(title: str, column: str, text: Callable[[Any], str]) -> Heading:
    """A column of the report's table of cells with one of the study's, as `text` writes it."""
    return Heading(title, lambda row: text(row[column]))


class Figure(ABC):
    """One or several columns of the study that are computed together."""

    ORDER: ClassVar[int]
    """Where it comes in the study, the report and the glossary: smaller numbers first."""
    COLUMNS: ClassVar[tuple[Column, ...]]
    """Its columns and, after each that has an interval, the two ends."""
    NEEDS: ClassVar[Needs] = Needs.TIMES
    """Without it, all its columns are missing."""
    DEFINITION: ClassVar[str] = ""
    """What it is, for the report's definitions, where its columns are statistics of it."""
    HEADINGS: ClassVar[tuple[Heading, ...]] = ()
    """What the report's table of cells shows of it."""
    PER_REQUEST: ClassVar[PerRequest | None] = None
    """What the table of requests and the chart of distributions show of it."""
    CONDITION: ClassVar[bool] = False
    """Whether it is no result but a condition, which the report lists for each device."""

    @abstractmethod
    def values(self, measured: Measured) -> Values:
        """Returns its columns but for ends of intervals; those left out are missing."""


FIGURES: Registry[Figure] = Registry("figures", Figure)


@cache
def in_order() -> tuple[Figure, ...]:
    """All figures, by their order. Raises UserError for a file that is none."""
    found = FIGURES.all()
    names = sorted(found, key=lambda name: (found[name].ORDER, name))
    return tuple(found[name]() for name in names)


@cache
def columns() -> tuple[Column, ...]:
    """The columns of all figures, in order. Raises UserError for one that two of them have."""
    owners: dict[str, str] = {}
    for figure in in_order():
        for column in figure.COLUMNS:
            if column.name in owners:
                raise UserError(
                    f"{_file(figure)}: has the column {column.name!r}, which "
                    f"{owners[column.name]} has"
                )
            owners[column.name] = _file(figure)
    return tuple(column for figure in in_order() for column in figure.COLUMNS)


def per_request() -> list[PerRequest]:
    """The figures of each request, in order."""
    return [figure.PER_REQUEST for figure in in_order() if figure.PER_REQUEST]


def conditions() -> list[str]:
    """The columns that are conditions, in order."""
    return [column.name for figure in in_order() if figure.CONDITION for column in figure.COLUMNS]


def values(measured: Measured | None, given: Needs = Needs.MEASUREMENT) -> dict[str, Any]:
    """A cell's figures as its JSON has them: by column, null where missing.

    An estimate is {"value", "low", "high", "method"}. `given` is what there is of the measurement;
    None for a cell that was not tried.
    """
    found: dict[str, Any] = dict.fromkeys(whole(columns()))
    for figure in in_order():
        if measured and given >= figure.NEEDS:
            found |= {
                name: _checked(figure, name, value)
                for name, value in figure.values(measured).items()
            }
    return found


def whole(of: Iterable[Column]) -> list[str]:
    """The names of those columns that are no ends of an interval."""
    return [column.name for column in of if column.interval_of is None]


def _checked(figure: Figure, name: str, value: Any) -> Any:
    """A value for JSON. Raises UserError for one that its column cannot hold."""
    if name not in whole(figure.COLUMNS):
        raise UserError(f"{_file(figure)}: gives {name!r}, which is none of its columns")
    given = vars(value) if hasattr(value, "method") else value
    if isinstance(given, dict) and given["value"] is None:
        return None
    numbers = given.values() if isinstance(given, dict) else [given]
    if any(isinstance(one, float) and not math.isfinite(one) for one in numbers):
        raise UserError(f"{_file(figure)}: {name} is {value}, not a number")
    return given


def _file(figure: Figure) -> str:
    return f"frontier/figures/{FIGURES.name_of(type(figure))}.py"
