"""Scorers: a task's generations become metrics.

Each file here is one scorer: a class whose fields are the keys of the task's `scorer:` block, found
by the file's name, which is the block's `kind`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from frontier.blocks import Decides, Entry
from frontier.chosen import Chosen
from frontier.registry import Registry
from frontier.stats.intervals import Estimate
from frontier.stats.serial import Floats

PROPORTION = "proportion"
"""Unit of metrics in [0, 1]."""

POINTS = "points"
"""Unit of chrF2 and BLEU: [0, 100]."""


@dataclass(frozen=True)
class ScoredItem:
    """One request's generation beside what was expected.

    `fields` are the sample row's, `prompt` is what the task's template makes of them, "" where it
    is not known.
    """

    id: str
    prediction: str
    reference: str
    fields: Mapping[str, str]
    prompt: str = ""


@dataclass(frozen=True)
class Metric:
    """A figure over all requests with its interval; None where it is not defined."""

    value: float | None
    low: float | None
    high: float | None
    method: str
    unit: str

    @classmethod
    def of(cls, estimate: Estimate, unit: str) -> Metric:
        """An estimate with its unit."""
        return cls(estimate.value, estimate.low, estimate.high, estimate.method, unit)


@dataclass(frozen=True)
class Score:
    """What a scorer found: metrics by name, JSON-able details, and one row for each item.

    `requests` keeps the items' order; each row has "score" in [0, 1], or None where the answer
    could be called neither right nor wrong, and the scorer's own columns; "counts" are a corpus
    metric's.
    """

    metrics: dict[str, Metric]
    details: dict[str, Any]
    requests: list[dict[str, str | int | float | bool | list[int] | None]]


@dataclass(frozen=True)
class Difference:
    """Other minus native by the primary metric, and the test of it; None where not known."""

    estimate: Estimate
    p: float | None
    p_method: str


class Scorer(Entry, ABC):
    """How a task's generations become metrics.

    Each request's score is 1 or 0 (or None), and the primary metric is the mean of those: variants
    are compared by the requests that one of them has right and the other has not.
    """

    PRIMARY: ClassVar[str]
    """The name of the metric by which variants are compared."""

    @abstractmethod
    def score(self, items: Sequence[ScoredItem]) -> Score:
        """The metrics of a cell's items. Raises UserError for a reference that is impossible."""


class CorpusScorer(Scorer, ABC):
    """A scorer whose primary metric is one of the whole corpus: a function of added-up counts.

    Each request adds `WIDTH` whole numbers to the totals. `score` gives them as its row's "counts",
    so that a comparison need not read the texts again.
    """

    WIDTH: ClassVar[int]

    @abstractmethod
    def count(self, items: Sequence[ScoredItem]) -> Floats:
        """The items' counts, of shape (requests, WIDTH)."""

    @abstractmethod
    def each(self, counts: Floats) -> Floats:
        """Each request's score in [0, 1] from its counts, as in its row; of shape (requests,)."""

    @abstractmethod
    def difference(self, native: Floats, other: Floats) -> Difference:
        """Two variants compared by their counts on the same requests, each (requests, WIDTH)."""


SCORERS: Registry[Scorer] = Registry("scorers", Scorer, mark=Decides)
CHOSEN = Chosen(SCORERS)
AnyScorer = Annotated[Scorer, CHOSEN]
"""A scorer with its keys, as a field of a specification or a result."""
