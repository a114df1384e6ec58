"""The requests to a judge about a cell's answers, and which request says what about which answer.

A request's id is a digest of its text, which holds the question, the answers and their order, but
no variant's name: equal answers share a request, and two equal answers of a pair are a tie that
nobody is asked about.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

from frontier.judging.templates import Answered, Template, request

CHECKS = 20
"""Pairs of a right answer and another question's, by which a judge is checked."""
ID_DIGITS = 32
BASELINE = "baseline"
"""The name of the other answer where it is one of the row's own fields."""


@dataclass(frozen=True)
class Item:
    """An answer to be judged, and the others with which it is compared, by their variants."""

    id: str
    question: str
    answer: str | None
    """None if there is none, and nothing to judge."""
    reference: str
    others: Mapping[str, str]


@dataclass(frozen=True)
class Known:
    """A question, and two answers of which the first is known to be better."""

    question: str
    better: str
    worse: str
    reference: str = ""


@dataclass(frozen=True)
class Inquiry:
    """The requests about an answer: one for a rating; one for each order of a pair.

    Of a pair whose better answer is known, the better one takes the place of the model's. In
    ratings `second` is then the request about the worse one.
    """

    item: str
    other: str
    first: str | None
    second: str | None
    characters: int
    other_characters: int
    equal: bool = False
    check: bool = False

    @classmethod
    def of_line(cls, value: Mapping[str, Any]) -> Self:
        """One of a file's lines. Raises TypeError if it is none."""
        return cls(**value)

    def line(self) -> dict[str, Any]:
        """The JSON-able value that `of_line` reads."""
        return asdict(self)


def known_pairs(items: Sequence[Item]) -> Iterator[Known]:
    """Pairs of a row's reference and that of the next row with another one."""
    known = [item for item in items if item.reference.strip()]
    for place, item in enumerate(known[:CHECKS]):
        later = (one.reference for one in [*known[place + 1 :], *known[:place]])
        worse = next((one for one in later if one.strip() != item.reference.strip()), None)
        if worse is not None:
            yield Known(item.question, item.reference, worse, item.reference)


class Requests:
    """The requests to a judge, each text once."""

    def __init__(self, template: Template) -> None:
        """Nothing is asked yet."""
        self.template = template
        self.texts: dict[str, str] = {}
        self.asked: list[Inquiry] = []

    def add(self, items: Iterable[Item]) -> None:
        """Asks for the rating of each item, or for its comparisons."""
        for item in items:
            if item.answer is None:
                continue
            if self.template.form == "rating":
                text = self._request(item.question, item.answer, None, item.reference)
                self.asked.append(Inquiry(item.id, "", text, None, len(item.answer), 0))
            for name, other in item.others.items():
                self._pair(item.id, name, item.question, item.answer, other, item.reference)

    def check(self, pairs: Iterable[Known]) -> None:
        """Asks about pairs whose better answer is known."""
        for number, pair in enumerate(pairs):
            name = f"check {number}"
            if self.template.form == "rating":
                first, second = (
                    self._request(pair.question, answer, None, pair.reference)
                    for answer in (pair.better, pair.worse)
                )
                lengths = len(pair.better), len(pair.worse)
                self.asked.append(Inquiry(name, "", first, second, *lengths, check=True))
            else:
                texts = pair.question, pair.better, pair.worse, pair.reference
                self._pair(name, "", *texts, check=True)

    def _pair(
        self, item: str, name: str, question: str, answer: str, other: str, reference: str,
        check: bool = False,
    ) -> None:  # fmt: skip
        lengths = len(answer), len(other)
        if answer == other:
            self.asked.append(Inquiry(item, name, None, None, *lengths, equal=True, check=check))
            return
        first = self._request(question, answer, other, reference)
        second = self._request(question, other, answer, reference)
        self.asked.append(Inquiry(item, name, first, second, *lengths, check=check))

    def _request(self, question: str, answer: str, other: str | None, reference: str) -> str:
        """The id of a request."""
        references = (reference,) if reference else ()
        one = Answered((question,), (answer,), references)
        two = None if other is None else Answered((question,), (other,), references)
        text = request(self.template, one, two)
        name = hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:ID_DIGITS]
        self.texts[name] = text
        return name
