"""Where a text says its answer, in this order:

1. in a box, \\boxed{...},
2. after a mark of the answer: "The answer is", "Answer:", "####", or before "is the answer",
3. where neither is there: in the last line or sentence that is an answer, or that ends in one after
   "=", "is", ":" and the like.

What is thought aloud before </think> and what follows a next "Question:" is no part of the answer.
A text with two different candidates is ambiguous: boxes and marks that disagree, a first or later
line that is another answer, "7 or 8", a denial ("not 7", "7 is wrong").
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from frontier.equivalence.sentences import Sentence, split

MAX_PIECE = 400


STRONG = re.compile(
    r"####|<answer>|答案(?:是|为|:)?"
    r"|\b(?:answers?|ans|results?|solutions?)"
    r"(?:\W{0,4}(?:is|are|=|→|:)|\s+(?:would|should|must)\s+be)(?!\w)"
    r"(?:\s+(?:therefore|thus|simply|just|then|equal to|given by))?\s*:?",
    re.IGNORECASE,
)
CLOSING = re.compile(r"\s*</answer>\s*$", re.IGNORECASE)
REVERSED = re.compile(
    r"\s+(?:is|are)\s+(?:the|my|our)\s+(?:final |correct |right )?(?:answers?|results?|solutions?)"
    r"\W*$",
    re.IGNORECASE,
)
WEAK = re.compile(
    r"(?<![=!<>])={1,2}(?![=<>])|(?<=[A-Za-z)\]])\s*:(?=\s)|[→∴∈]"
    r"|\b(?:is|are|equals?|gives?|yields?|get|obtain|becomes|was|be|so|thus|hence|therefore)\b,?"
    r"|(?<=\b(?:it|he))'s\b|(?<=\bthat)'s\b"
    r"|\b(?:equal|simplif|round|evaluat|reduc|expand|factor|convert|amount|com)[a-z]*"
    r"\s+(?:to|as|into)\b",
    re.IGNORECASE,
)
DOUBT = re.compile(
    r"\b(?:not|never|neither|nor|cannot|or|either|maybe|perhaps|possibly|might|if|unless|whether"
    r"|wrong|incorrect|doubt)\b|n't\b|≠|!=",
    re.IGNORECASE,
)
ANOTHER_VALUE = re.compile(
    r"\b(?:than|minus|negative|plus|approximately|roughly|nearly|almost|around)\b"
    r"|\bat (?:least|most)\b|[<>≤≥≈]",
    re.IGNORECASE,
)
RETRACTION = re.compile(
    r"\b(?:wait|wrong|incorrect|mistake|sorry|scratch|correction|not (?:right|correct|true))\b"
    r"|n't (?:right|correct|true)\b",
    re.IGNORECASE,
)
APART = re.compile(r"[,;]\s|\b(?:or|and|but)\b")
WORD = re.compile(r"\b(?!sqrt\b)[A-Za-z]{2,}\b|[()]")
LETTERS = re.compile("[A-Za-z]{2,}")
CALL = re.compile(r"[A-Za-z]+'*\([^()]*\)")
ASSIGNED = re.compile(r"[,;]\s*|\s+and\s+|(?<=[a-z])\s+(?=[A-Za-z]\s*=)")
ASSIGNMENT = re.compile(r"[A-Za-z]\s*=")
REMARK = re.compile(r"([^()]*[0-9A-Za-z)]) \((?!base)([^()]*[A-Za-z]{3}[^()]*)\)[.!]?")
TURNED = re.compile(r"([^=]+)=\s*[A-Za-z]\W*")
NAME = re.compile(r"[A-Za-z](?:_?[0-9A-Za-z])?")


UNREADABLE = ""
"""The answer of a box or behind a mark that is none of the type asked for."""


@dataclass(frozen=True)
class Found:
    """The answer that a text gives, as the references spell it, or that it gives two."""

    answer: str | None = None
    ambiguous: bool = False


@dataclass(frozen=True)
class Statement:
    """What one sentence says: its answer, how it says it, whether it contradicts itself."""

    answer: str | None = None
    marked: bool = False
    """In a box or with a mark of the answer."""
    bare: bool = False
    """The sentence is the answer and no more."""
    ambiguous: bool = False


@dataclass(frozen=True)
class Reader:
    """How the answers to one problem are read and compared."""

    read: Callable[[str], str | None]
    """The answer that a whole piece of plain text is."""
    rival: Callable[[str], str | None]
    """The same, of a piece that could be meant as another answer."""
    same: Callable[[str, str], bool]
    is_list: bool = False
    is_value: bool = False
    """A number or several, so that "2*x = 14" has not come to its end."""
    asked: str | None = None
    """The letter whose value is asked for."""

    def find(self, text: str) -> Found:
        """The answer that a text gives, by the order above."""
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
            return Found()  # what followed was not understood
        if any(map(RETRACTION.search, after)) or not self._agree(said, places, chosen):
            return Found(ambiguous=True)
        return Found(chosen.answer or None)

    def _agree(self, said: Sequence[Statement], places: Sequence[int], chosen: Statement) -> bool:
        """Whether all that could be meant as the answer is the same; the rest is working."""
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
        """What a sentence says."""
        text = sentence.text
        if sentence.boxes:
            answers = [self._said(box).answer or UNREADABLE for box in sentence.boxes]
            agree = all(self._same(one, answers[-1]) for one in answers)
            doubtful = bool(DOUBT.search(sentence.before_box)) and not self.is_list
            return Statement(answers[-1], marked=True, ambiguous=doubtful or not agree)
        if text.endswith("?"):
            return Statement()
        if closing := REVERSED.search(text):
            text, marks = text[: closing.start()], list(STRONG.finditer(text))
            return self._of_marks(text, marks) if marks else _as_marked(self._said(text))
        marks = list(STRONG.finditer(text))
        return self._of_marks(text, marks) if marks else self._said(text)

    def _of_marks(self, text: str, marks: Sequence[re.Match[str]]) -> Statement:
        """What follows the marks of the answer in one sentence, which must agree."""
        ends = [*(mark.start() for mark in marks[1:]), len(text)]
        pieces = [
            CLOSING.sub("", text[mark.end() : end]) for mark, end in zip(marks, ends, strict=True)
        ]
        said = [self._said(piece) for piece in pieces]
        answers = [one.answer for one in said if one.answer is not None]
        if not answers and any(map(_is_formula, pieces)):
            answers = [UNREADABLE]
        different = any(not self._same(one, answers[-1]) for one in answers)
        doubtful = bool(answers) and DOUBT.search(text[: marks[0].start()]) is not None
        ambiguous = different or doubtful or any(one.ambiguous for one in said)
        return Statement(
            answers[-1] if answers else None, bool(answers) or ambiguous, ambiguous=ambiguous
        )

    def _same(self, first: str, second: str) -> bool:
        if UNREADABLE in (first, second):
            return first == second
        return self.same(first, second)

    def _said(self, piece: str) -> Statement:
        """The answer that a piece is, or in which it ends after "=", "is" and the like."""
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
                if self.is_value and "=" in mark[0] and _is_equation(before):
                    return Statement()
                return Statement(answer, ambiguous=self._is_contradicted(before, answer))
        if self.is_value and (turned := TURNED.fullmatch(piece)):
            return self._said(turned[1])
        return Statement(ambiguous=self._offers_several(piece))

    def _assigned(self, piece: str) -> str | None:
        """Of h = 10, p = 3 the part on the letter asked for; None where there is but one letter."""
        parts = [part for part in ASSIGNED.split(piece) if ASSIGNMENT.match(part)]
        asked = [part for part in parts if part[0] == self.asked]
        return asked[-1] if asked and len({part[0] for part in parts}) > 1 else None

    def _is_contradicted(self, before: str, answer: str) -> bool:
        """Whether words or values before an answer make it doubtful that it is meant."""
        if DOUBT.search(before) or (not self.is_list and ANOTHER_VALUE.search(before)):
            return True
        pieces = [before[start:end] for start, end in _between(WEAK, before)]
        if not self.is_list:
            pieces = [part for piece in pieces for part in APART.split(piece)]
        heads = (self.rival(WORD.split(piece)[0]) for piece in pieces)
        return any(one is not None and not self.same(one, answer) for one in heads)

    def _offers_several(self, piece: str) -> bool:
        """Whether a piece that is no answer names more than one, or denies one: 7 or 8, not 7."""
        if len(piece) > MAX_PIECE:
            return False
        heads = [WORD.split(part)[0] for part in APART.split(piece)]
        denied = [part for part in re.split(DOUBT, piece)[1:] if DOUBT.search(piece)]
        values = [value for head in (*heads, *denied) if (value := self.rival(head)) is not None]
        several = any(not self.same(values[0], value) for value in values[1:])
        return several or (bool(values) and DOUBT.search(piece) is not None)


def _is_formula(piece: str) -> bool:
    """Whether a piece is in signs and digits, with no word of prose."""
    return bool(re.search("[0-9]", piece)) and not LETTERS.search(piece.replace("sqrt", ""))


def _as_marked(said: Statement) -> Statement:
    return replace(said, marked=said.answer is not None or said.ambiguous, bare=False)


def _between(mark: re.Pattern[str], text: str) -> Iterator[tuple[int, int]]:
    """The places of what is left of a text without its marks."""
    start = 0
    for found in mark.finditer(text):
        yield start, found.start()
        start = found.end()
    yield start, len(text)


def _is_equation(before: str) -> bool:
    """Whether what stands left of "=" is to be solved, such as 2*x or -x, and no mere name."""
    rest = CALL.sub("1", before[-MAX_PIECE:])
    tail = re.split(r"[,;:→=]|\b[A-Za-z]{2,}\b", rest)[-1].strip(" *.")
    return bool(re.search("[A-Za-z]", tail)) and NAME.fullmatch(tail) is None
