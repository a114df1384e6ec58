"""The candidates for the answer in a text, in this order:

1. in a box, \\boxed{...},
2. after a mark of the answer: "The answer is", "Answer:", "####", or before "is the answer",
3. without either: in the last line or sentence that is an answer, or ends in one after "=", "is",
   ":" and the like.

Reasoning (before </think>) and the text after a next "Question:" are not part of the answer.
A text with two different candidates is ambiguous: boxes and marks that disagree, a first or later
line with another answer, "7 or 8", a denial ("not 7", "7 is wrong").
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from frontier.answers.equivalence.marks import (
    ANOTHER_ANSWER,
    ANOTHER_VALUE,
    APART,
    ASSIGNED,
    ASSIGNMENT,
    CLOSING,
    DENIED,
    DOUBT,
    LETTERS,
    MAX_PIECE,
    REASONED,
    REMARK,
    RETRACTION,
    REVERSED,
    SECOND_THOUGHT,
    STRONG,
    TURNED,
    UNSURE,
    WEAK,
    WORD,
    between,
    is_equation,
    is_formula,
)
from frontier.answers.equivalence.sentences import Sentence, split

UNREADABLE = ""
"""Stands for the content of a box, or after a mark, that is not of the required type."""


@dataclass(frozen=True)
class Found:
    """The answer in a text, spelled like the references, or that there are two."""

    answer: str | None = None
    ambiguous: bool = False


@dataclass(frozen=True)
class Statement:
    """One sentence's answer, the way it is stated, and whether it contradicts itself."""

    answer: str | None = None
    marked: bool = False
    """Whether the answer is in a box or has a mark."""
    bare: bool = False
    """Whether the sentence is only the answer."""
    ambiguous: bool = False


@dataclass(frozen=True)
class Reader:
    """Functions that read and compare the answers to one problem."""

    read: Callable[[str], str | None]
    """Returns the answer if the whole piece of plain text is one."""
    candidate: Callable[[str], str | None]
    """Like `candidate`, if the answer has the required form."""
    rival: Callable[[str], str | None]
    """Like the above, if it does not occur in the question, so that it is meant as an answer."""
    same: Callable[[str, str], bool]
    question: str = ""
    is_list: bool = False
    is_truth: bool = False
    is_value: bool = False
    """Whether the answer is a number or several, so that "2*x = 14" is unfinished."""
    restates: bool = False
    """Whether the answer is rounded, so that another value may precede it: 9479.8 = 9480."""
    asked: str | None = None
    """The letter whose value is required."""

    def find(self, text: str) -> Found:
        """The answer in a text, in the order above."""
        sentences = split(text)
        said = [self.statement(sentence) for sentence in sentences]
        marked = [place for place, one in enumerate(said) if one.marked]
        if any(one.ambiguous for one in said if one.marked or not marked):
            return Found(ambiguous=True)
        places = marked or [place for place, one in enumerate(said) if one.answer is not None]
        if not places:
            return Found()
        last = places[-1]
        chosen, after = said[last], [sentence.text for sentence in sentences[last + 1 :]]
        if not (marked or chosen.bare) and any(re.search("[0-9=]", line) for line in after):
            return Found()  # the text after it was not understood
        unread = any(self._is_unread(line) for line in (sentences[0].text, *after) if chosen.bare)
        retraction = SECOND_THOUGHT if self.is_truth else RETRACTION
        if unread or any(map(retraction.search, after)):
            return Found(ambiguous=True)
        if not self._agree(said, places, chosen):
            return Found(ambiguous=True)
        return Found(chosen.answer or None)

    def _is_unread(self, line: str) -> bool:
        """True if a line is a formula that is neither the question's nor of the required type."""
        if not is_formula(line) or WEAK.search(line) or self.read(line) is not None:
            return False
        return "".join(line.split()).strip(".") not in "".join(self.question.split())

    def _agree(self, said: Sequence[Statement], places: Sequence[int], chosen: Statement) -> bool:
        """True if all possible answers are the same; the rest is working."""
        last = places[-1]
        rivals = [one for one in (said[0], *said[last:]) if one.bare]
        if chosen.marked:
            rivals += [said[place] for place in places]
        else:
            rivals += [said[place] for place in places if said[place].bare]
            rivals += [said[place] for place in places[-2:] if chosen.bare]
        answer = chosen.answer or UNREADABLE
        answers = {one.answer or UNREADABLE for one in rivals}
        return all(self._same(one, answer) for one in answers)

    def statement(self, sentence: Sentence) -> Statement:
        """The statement in a sentence."""
        text = sentence.text
        if sentence.boxes:
            boxed = [self._said(box) for box in sentence.boxes]
            answers = [one.answer or UNREADABLE for one in boxed]
            agree = all(self._same(one, answers[-1]) for one in answers)
            doubtful = bool(DOUBT.search(sentence.before_box)) and not self.is_list
            doubtful = doubtful or any(one.ambiguous for one in boxed)
            return Statement(answers[-1], marked=True, ambiguous=doubtful or not agree)
        if text.endswith("?"):
            return Statement()
        if closing := REVERSED.search(text):
            text, marks = text[: closing.start()], list(STRONG.finditer(text))
            return self._of_marks(text, marks) if marks else _as_marked(self._said(text))
        marks = list(STRONG.finditer(text))
        return self._of_marks(text, marks) if marks else self._said(text)

    def _of_marks(self, text: str, marks: Sequence[re.Match[str]]) -> Statement:
        """The answers after the marks in one sentence, which must agree."""
        ends = [*(mark.start() for mark in marks[1:]), len(text)]
        pieces = [
            CLOSING.sub("", text[mark.end() : end]) for mark, end in zip(marks, ends, strict=True)
        ]
        said = [self._said(piece) for piece in pieces]
        answers = [one.answer for one in said if one.answer is not None]
        if not answers and any(map(is_formula, pieces)):
            answers = [UNREADABLE]
        different = any(not self._same(one, answers[-1]) for one in answers)
        doubtful = bool(answers) and self._doubt.search(text[: marks[0].start()]) is not None
        ambiguous = different or doubtful or any(one.ambiguous for one in said)
        return Statement(
            answers[-1] if answers else None, bool(answers) or ambiguous, ambiguous=ambiguous
        )

    def _same(self, first: str, second: str) -> bool:
        if UNREADABLE in (first, second):
            return first == second
        return self.same(first, second)

    def _said(self, piece: str) -> Statement:
        """The answer of a piece, or at its end after "=", "is" and the like."""
        if self.is_truth and DENIED.fullmatch(piece):
            return Statement(ambiguous=True)
        if len(piece) <= MAX_PIECE and (answer := self.read(piece)) is not None:
            return Statement(answer, bare=True)
        if self.is_value and (assigned := self._assigned(piece)):
            piece = assigned
        if remark := REMARK.fullmatch(piece):
            said = self._said(remark[1])
            denied = said.answer and self._is_contradicted(remark[2], said.answer)
            return replace(said, ambiguous=said.ambiguous or bool(denied))
        for mark in WEAK.finditer(piece, max(0, len(piece) - MAX_PIECE)):
            if (answer := self.read(piece[mark.end() :])) is not None:
                before = piece[: mark.start()]
                if self.is_value and "=" in mark[0] and is_equation(before):
                    return Statement()
                return Statement(answer, ambiguous=self._is_contradicted(before, answer))
        if self.is_value and (turned := TURNED.fullmatch(piece)):
            return self._said(turned[1])
        return Statement(ambiguous=self._offers_several(piece))

    def _assigned(self, piece: str) -> str | None:
        """The part on the required letter, as in h = 10, p = 3; None with only one letter."""
        parts = [part for part in ASSIGNED.split(piece) if ASSIGNMENT.match(part)]
        asked = [part for part in parts if part[0] == self.asked]
        return asked[-1] if asked and len({part[0] for part in parts}) > 1 else None

    def _is_contradicted(self, before: str, answer: str) -> bool:
        """True if words or values before an answer make it doubtful."""
        if self._doubt.search(before) or ANOTHER_ANSWER.search(before):
            return True
        if not (self.is_list or self.is_truth) and ANOTHER_VALUE.search(before):
            return True
        # An answer with reasons after it is meant, even if the question contains it.
        if not self.is_list and (reasoned := REASONED.match(before)):
            stated = self.read(reasoned[1])
            if stated is not None and not self.same(stated, answer):
                return True
        for place, piece in enumerate(between(WEAK, before)):
            first, *more = piece.split("; ") if self.is_list else APART.split(piece)
            heads = [self.rival(self._head(part)) for part in (first, *more)]
            # A value of the question is not a rival, unless it is a result: 15 - 8 = 8 = 7.
            if (place or more or not self.restates) and self._head(first) == first:
                heads.append(self.candidate(first))
            if any(one is not None and not self.same(one, answer) for one in heads):
                return True
        return False

    @property
    def _doubt(self) -> re.Pattern[str]:
        return UNSURE if self.is_truth else DOUBT

    def _head(self, part: str) -> str:
        """The text before the first word; a truth value is itself a word."""
        return part if self.is_truth else WORD.split(part)[0]

    def _offers_several(self, piece: str) -> bool:
        """True if a piece that is not an answer names several, or denies one: 7 or 8, not 7."""
        if len(piece) > MAX_PIECE:
            return False
        read = self.rival if LETTERS.search(piece) else self.read
        parts = APART.split(piece.strip(" ()[]{}."))
        denied = self._doubt.split(piece)[1:]
        values = [value for part in (*parts, *denied) if (value := read(self._head(part)))]
        several = any(not self.same(values[0], value) for value in values[1:])
        return several or (bool(values) and bool(denied))


def _as_marked(said: Statement) -> Statement:
    return replace(said, marked=said.answer is not None or said.ambiguous, bare=False)
