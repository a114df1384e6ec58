"""Scorers: metrics from a task's generations.

Each file here has one scorer: a class whose fields are the keys of the task's `scorer:` block,
found by the file's name, which is the block's `kind`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar

import numpy as np

from frontier.blocks import Decides, Entry
from frontier.chosen import Chosen
from frontier.datasets import References
from frontier.engine_block import Asked
from frontier.judging.asking import Inquiry
from frontier.judging.games import Stored
from frontier.judging.reading import Said
from frontier.registry import Registry
from frontier.stats.bootstrap import ratio
from frontier.stats.intervals import Estimate
from frontier.stats.jackknife import jackknife
from frontier.stats.serial import Floats

PROPORTION = "proportion"
"""Unit of metrics in [0, 1]."""

POINTS = "points"
"""Unit of chrF2, BLEU and ROUGE: [0, 100]."""
ENOUGH_CHANGED = 10
"""Answers; with fewer the size of a change is uncertain (bench/coverage.py)."""


@dataclass(frozen=True)
class Option:
    """An answer among which a question is a choice."""

    text: str
    right: bool
    logprob: float | None
    """ln of its probability after the prompt, over all its tokens; None if it is not a number."""


@dataclass(frozen=True)
class ScoredItem:
    """One request's generation and its reference.

    `fields` are the sample row's, `prompt` is the task's template filled with them, "" if unknown.
    `also_accepted` are further right answers besides `reference`.
    """

    id: str
    prediction: str
    reference: str
    fields: Mapping[str, str]
    prompt: str = ""
    also_accepted: tuple[str, ...] = ()
    question: str = ""
    """The id that all answers to the same question share; "" if this is the only one."""
    options: tuple[Option, ...] = ()
    """The choices with their likelihoods, where those were asked for."""
    withheld: bool = False
    """Whether a server's filter kept something of the answer back, or all of it."""
    turn: int = 1
    """The number of the turn of the conversation, whose later ones share its question."""

    @property
    def references(self) -> tuple[str, ...]:
        """All right answers."""
        return (self.reference, *self.also_accepted)


@dataclass(frozen=True)
class Metric:
    """A figure over all requests with its interval; None if undefined."""

    value: float | None
    low: float | None
    high: float | None
    method: str
    unit: str

    @classmethod
    def of(cls, estimate: Estimate, unit: str) -> Metric:
        """An estimate with its unit."""
        return cls(estimate.value, estimate.low, estimate.high, estimate.method, unit)


Columns = dict[str, str | int | float | bool | list[int] | list[float] | list[Stored] | None]
"""A scorer's columns of a request."""


@dataclass(frozen=True)
class Score:
    """The result of a scorer: metrics by name, JSON-able details, and one row per item.

    `requests` has the items' order; each row has "score" in [0, 1], or None if it is unscored: it
    could not be judged right or wrong, and "unscored" is the reason. Each has the scorer's own
    columns; "counts" are a corpus metric's.
    `unparsable`: the number of texts, empty ones aside, in which a scorer that looks for an answer
    found none; None for a scorer that reads a text as a whole.
    """

    metrics: dict[str, Metric]
    details: dict[str, Any]
    requests: list[Columns]
    unparsable: int | None = None

    @property
    def unscored(self) -> Counter[str]:
        """The number of unscored answers for each reason."""
        rows = (row for row in self.requests if row["score"] is None)
        return Counter(str(row.get("unscored") or "no verdict") for row in rows)


@dataclass(frozen=True)
class Difference:
    """Other minus native by the primary metric, and its test; None if unknown."""

    estimate: Estimate
    p: float | None
    p_method: str


def rough(estimate: Estimate, changed: int) -> Estimate:
    """The estimate of a change, whose method warns if it depends on a few changed answers."""
    if estimate.low is None or changed >= ENOUGH_CHANGED:
        return estimate
    return replace(estimate, method=f"{estimate.method}; rough, only {changed} answers differ")


class Scorer(Entry, ABC):
    """The scoring of a task's generations.

    Each request's score is 1 or 0 (or None), and the primary metric is the mean of those: variants
    are compared by the requests that only one of them answers correctly.
    """

    PRIMARY: ClassVar[str]
    """The name of the metric by which variants are compared."""
    REPEATS: ClassVar[bool] = False
    """Whether it takes several answers to the same question, which are not independent."""
    TURNS: ClassVar[bool] = False
    """Whether it takes the answers to all turns of a conversation (a task's `follow_ups`)."""
    ASKS: ClassVar[Asked] = "generate"
    """The request to a model: for a text, or for the likelihoods of choices."""
    REFERENCES: ClassVar[References] = "one"
    """The right answers with which it compares each: several are then all accepted."""

    def primary(self) -> str:
        """The name of its primary metric, which its keys may choose."""
        return self.PRIMARY

    def reads(self) -> tuple[str, ...]:
        """The fields of a row that it reads besides the answer and the references."""
        return ()

    def samples(self) -> int:
        """The least number of answers to each question that it needs."""
        return 1

    def verdicts(self) -> bool:
        """Whether an answer is right or wrong, so that those that flip between variants count."""
        return True

    def checks_itself(self) -> bool:
        """Whether it works without right answers, although it can use them."""
        return False

    def unavailable(self) -> str | None:
        """The reason why this machine cannot score: all answers are then unscored.

        They are scored again where it is None.
        """
        return None

    @abstractmethod
    def score(self, items: Sequence[ScoredItem]) -> Score:
        """The metrics of a cell's items. Raises UserError for an invalid reference."""

    def score_judged(
        self, items: Sequence[ScoredItem], asked: Sequence[Inquiry], said: Mapping[str, Said]
    ) -> Score:
        """The metrics by a judge's texts: `asked` for each item, `said` by request."""
        return self.score(items)


class MeanScorer(Scorer, ABC):
    """A scorer whose requests have scores anywhere between 0 and 1, and whose primary metric is
    their mean: a share of the answer that is right, ROUGE, a rating on a scale."""

    UNIT: ClassVar[str] = PROPORTION
    """The unit of the primary metric; in points it is 100 times the mean."""

    def verdicts(self) -> bool:
        """Usually no: a score is a share."""
        return False

    def difference(self, native: Floats, other: Floats) -> Difference:
        """The mean of the requests' differences, `other` minus `native`, in `UNIT`."""
        change = (other - native) * (100.0 if self.UNIT == POINTS else 1.0)
        estimate, p = jackknife(ratio, np.column_stack([change, np.ones(len(change))]))
        return Difference(rough(estimate, int(np.count_nonzero(change))), p, "paired jackknife t")


class CorpusScorer(Scorer, ABC):
    """A scorer whose primary metric is that of a corpus: a function of summed counts.

    Each request adds `WIDTH` whole numbers to the totals. `score` returns them as its row's
    "counts", so that a comparison need not read the texts again.
    """

    WIDTH: ClassVar[int]

    def verdicts(self) -> bool:
        """No: only the corpus has a score that says something."""
        return False

    @abstractmethod
    def count(self, items: Sequence[ScoredItem]) -> Floats:
        """The items' counts, of shape (requests, WIDTH)."""

    @abstractmethod
    def each(self, counts: Floats) -> Floats:
        """Each request's score in [0, 1] from its counts, as in its row, of shape (requests,)."""

    @abstractmethod
    def difference(self, native: Floats, other: Floats) -> Difference:
        """The difference of two variants by their counts (requests, WIDTH) on the same requests."""


SCORERS: Registry[Scorer] = Registry("scorers", Scorer, mark=Decides)
CHOSEN = Chosen(SCORERS)
AnyScorer = Annotated[Scorer, CHOSEN]
"""A scorer with its keys, as a field of a specification or a result."""
