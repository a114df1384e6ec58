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

from frontier.judging.sets import TemplateSet
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
    """The right answer that a template may show; "" if none is known."""
    others: Mapping[str, str]
    before: Item | None = None
    """The turn of the conversation before this one."""

    @property
    def turns(self) -> list[Item]:
        """The turns of the conversation up to this one."""
        return [*(self.before.turns if self.before else ()), self]

    def answered(self, other: str | None = None) -> Answered | None:
        """The conversation, with the answers of another variant; None if one is missing."""
        turns = self.turns
        answers = [one.answer if other is None else one.others.get(other) for one in turns]
        known = tuple(one for one in answers if one is not None)
        if len(known) < len(turns):
            return None
        references = tuple(one.reference for one in turns)
        return Answered(
            tuple(one.question for one in turns), known, references if all(references) else ()
        )


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
    known = [item for item in items if item.reference.strip() and item.before is None]
    for place, item in enumerate(known[:CHECKS]):
        later = (one.reference for one in [*known[place + 1 :], *known[:place]])
        worse = next((one for one in later if one.strip() != item.reference.strip()), None)
        if worse is not None:
            yield Known(item.question, item.reference, worse, item.reference)


class Requests:
    """The requests to a judge, each text once."""

    def __init__(self, template: Template | TemplateSet) -> None:
        """Nothing is asked yet."""
        self.templates = TemplateSet(template) if isinstance(template, Template) else template
        self.form = self.templates.first.form
        self.texts: dict[str, str] = {}
        self.systems: dict[str, str | None] = {}
        """The system message of each request."""
        self.asked: list[Inquiry] = []

    def add(self, items: Iterable[Item]) -> None:
        """Asks for the rating of each item, or for its comparisons.

        Raises ValueError for a turn without a template.
        """
        for item in items:
            answered = item.answered()
            if answered is None:
                continue
            template = self.templates.of(len(item.turns), reference=bool(answered.references))
            if self.form == "rating":
                text = self._request(template, answered)
                self.asked.append(Inquiry(item.id, "", text, None, len(answered.answers[-1]), 0))
                continue
            for name in item.others:
                if other := item.answered(name):
                    self._pair(item.id, name, template, answered, other)

    def check(self, pairs: Iterable[Known]) -> None:
        """Asks about pairs whose better answer is known, by the first turn's template."""
        template = self.templates.first
        for number, pair in enumerate(pairs):
            name, references = f"check {number}", (pair.reference,) if pair.reference else ()
            better, worse = (
                Answered((pair.question,), (one,), references) for one in (pair.better, pair.worse)
            )
            if self.form == "rating":
                first, second = self._request(template, better), self._request(template, worse)
                lengths = len(pair.better), len(pair.worse)
                self.asked.append(Inquiry(name, "", first, second, *lengths, check=True))
            else:
                self._pair(name, "", template, better, worse, check=True)

    def _pair(
        self, item: str, name: str, template: Template, one: Answered, other: Answered,
        check: bool = False,
    ) -> None:  # fmt: skip
        lengths = len(one.answers[-1]), len(other.answers[-1])
        if one.answers == other.answers:
            self.asked.append(Inquiry(item, name, None, None, *lengths, equal=True, check=check))
            return
        first = self._request(template, one, other)
        second = self._request(template, other, one)
        self.asked.append(Inquiry(item, name, first, second, *lengths, check=check))

    def _request(self, template: Template, one: Answered, two: Answered | None = None) -> str:
        """The id of a request."""
        text = request(template, one, two)
        whole = f"{template.system or ''}\n{text}".encode(errors="surrogatepass")
        name = hashlib.sha256(whole).hexdigest()[:ID_DIGITS]
        self.texts[name], self.systems[name] = text, template.system or None
        return name
