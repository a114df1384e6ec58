"""Figures: the measured quantities of a cell, each in one file, from measurement to glossary.

frontier/figures/NAME.py has one class, found by its place; nothing else names it. Its columns are
the study's, and the keys of "figures" in its cells; the report's table of cells, chart of
distributions, list of conditions and glossary show what it offers them. For example, the generated
tokens of a request:

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

if TYPE_CHECKING:  # planning needs only names, not the imports of computations
    from frontier.results.cell_load import Loads
    from frontier.results.measurement import Measurement
    from frontier.results.records import Record
    from frontier.scorers import Score
    from frontier.specs.score import ScoreSpec
    from frontier.stats.intervals import Estimate

Values = Mapping[str, "Estimate | float | str | None"]
"""Figures by column, an estimate including its interval; None if missing, never 0."""


class Needs(IntEnum):
    """The inputs of a figure; each includes those before it."""

    MEASUREMENT = 1
    """A measurement with any outcome."""
    ANSWERS = 2
    """The records of all requests."""
    TIMES = 3
    """Times that may be published: not simulated, and past every gate."""
    LATENCIES = 4
    """Times of requests that are those that a user waits, in scenarios that have such ones."""


@dataclass(frozen=True)
class Measured:
    """The inputs of figures."""

    measurement: Measurement
    spec: ScoreSpec
    """The specification of score.py: the keys of device and model that decide figures."""
    records: Sequence[Record] = ()
    """The generated texts in order of time; none if not all were asked."""
    failed: Sequence[Record] = ()
    """The requests without an answer."""
    loads: Loads | None = None
    """The rates of arrivals of the scenario `server`."""
    score: Score | None = None
    """The scorer's result; None where nothing was learned."""
    cut: int = 0
    """The number of questions that lack the end of a field, as the task's sample says."""
    chosen: Sequence[Record] = ()
    """The answered requests for the likelihoods of choices, which generate nothing: none of them is
    among `records`, so that no figure mixes their times with those of texts."""

    sampled_from: int | None = None
    """The rows of the dataset of which the sample is a part; None if unknown."""

    @property
    def every(self) -> list[Record]:
        """All requests, with an answer or without."""
        return [*self.records, *self.chosen, *self.failed]


@dataclass(frozen=True)
class PerRequest:
    """A figure per request: a column of the cell's table, drawn as a distribution."""

    column: str
    title: str
    """The title of its panel in the chart of distributions."""
    value: Callable[[Record], float | None]
    of_choices: bool = False
    """Whether it is of requests for the likelihoods of choices, instead of generated texts."""

    def of(self, record: Record) -> float | None:
        """The value of a request; None if it has no answer, or one of the other kind."""
        other = record.chosen != self.of_choices
        return None if record.failure or other else self.value(record)


@dataclass(frozen=True)
class Heading:
    """A column of the report's table of cells, filled from a row of the study."""

    title: str
    text: Callable[[StudyRow], str]


def heading(title: str, column: str, text: Callable[[Any], str]) -> Heading:
    """A column of the report's table of cells with a column of the study, formatted by `text`."""
    return Heading(title, lambda row: text(row[column]))


class Figure(ABC):
    """One or several columns of the study that are computed together."""

    ORDER: ClassVar[int]
    """Its position in the study, the report and the glossary, in ascending order."""
    COLUMNS: ClassVar[tuple[Column, ...]]
    """Its columns, each with an interval followed by the two ends."""
    NEEDS: ClassVar[Needs] = Needs.TIMES
    """The inputs without which all its columns are missing."""
    DEFINITION: ClassVar[str] = ""
    """Its definition for the report, if its columns are statistics of it."""
    HEADINGS: ClassVar[tuple[Heading, ...]] = ()
    """Its columns in the report's table of cells."""
    PER_REQUEST: ClassVar[PerRequest | None] = None
    """Its column in the table of requests, and its panel in the chart of distributions."""
    CONDITION: ClassVar[bool] = False
    """Whether it is a condition, which the report lists for each device, not a result."""

    @abstractmethod
    def values(self, measured: Measured) -> Values:
        """The values of its columns, without ends of intervals; omitted ones are missing."""


FIGURES: Registry[Figure] = Registry("figures", Figure)


@cache
def in_order() -> tuple[Figure, ...]:
    """All figures, in order. Raises UserError for an invalid file."""
    found = FIGURES.all()
    names = sorted(found, key=lambda name: (found[name].ORDER, name))
    return tuple(found[name]() for name in names)


@cache
def columns() -> tuple[Column, ...]:
    """The columns of all figures, in order. Raises UserError for a column of two figures."""
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
    """The figures per request, in order."""
    return [figure.PER_REQUEST for figure in in_order() if figure.PER_REQUEST]


def conditions() -> list[str]:
    """The columns that are conditions, in order."""
    return [column.name for figure in in_order() if figure.CONDITION for column in figure.COLUMNS]


def values(measured: Measured | None, given: Needs = Needs.MEASUREMENT) -> dict[str, Any]:
    """A cell's figures as in its JSON: by column, null if missing.

    An estimate is {"value", "low", "high", "method"}. `given` are the available inputs; None for a
    cell that was not tried.
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
    """The names of the columns that are not ends of intervals."""
    return [column.name for column in of if column.interval_of is None]


def _checked(figure: Figure, name: str, value: Any) -> Any:
    """A value for JSON. Raises UserError for one that does not fit its column."""
    if name not in whole(figure.COLUMNS):
        raise UserError(f"{_file(figure)}: gives {name!r}, which is not one of its columns")
    given = vars(value) if hasattr(value, "method") else value
    if isinstance(given, dict) and given["value"] is None:
        return None
    numbers = given.values() if isinstance(given, dict) else [given]
    if any(isinstance(one, float) and not math.isfinite(one) for one in numbers):
        raise UserError(f"{_file(figure)}: {name} is {value}, not a number")
    return given


def _file(figure: Figure) -> str:
    return f"frontier/figures/{FIGURES.name_of(type(figure))}.py"
