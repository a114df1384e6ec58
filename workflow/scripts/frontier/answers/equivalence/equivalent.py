"""The primary rule: the answer in a text must have the right value and the required form.

The answer is located (`candidates`), read in the notation that models write (`notation`,
`readings`), compared by the strict rule, and must be finished (`finished`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from frontier.answers.equivalence.candidates import Reader
from frontier.answers.equivalence.expressions import parse
from frontier.answers.equivalence.finished import is_finished
from frontier.answers.equivalence.marks import CALL
from frontier.answers.equivalence.problems import Problem, answer_type, clean, number
from frontier.answers.equivalence.readings import read
from frontier.answers.equivalence.strict import Equal, in_form, is_form_asked_for, strict

VALUES = ("number", "base-n", "ordered list", "unordered list")
ASKED = re.compile(r"(?:\bfor|\b[Gg]ive|What is) ([a-z])[.?]?\s*$")
ROUNDED = re.compile(r"\b(?:[Rr]ound|rounded|nearest)\b")
ABOUT = re.compile(r"≈|\\approx(?![A-Za-z])|\b(?:approximately|about|roughly)\b", re.IGNORECASE)
TOKEN = re.compile(r"[0-9A-Za-z]+(?:[./][0-9]+)?")


@dataclass(frozen=True)
class Verdict:
    """True if an answer is right, None if that was not decided in time; and the answer read."""

    right: bool | None
    answer: str | None = None
    ambiguous: bool = False


def equivalent(prediction: str, problem: Problem, equal: Equal) -> Verdict:
    """The verdict on a text as an answer to a problem; `equal` as for `strict`."""
    kind, whole = answer_type(problem), clean(prediction)
    if strict(prediction, problem, equal):
        return Verdict(is_finished(whole, problem, kind), whole)
    if kind == "number" and ROUNDED.search(problem.question):
        prediction = ABOUT.sub(" = ", prediction)
    found = _reader(problem, equal).find(prediction)
    if found.answer is None:
        return Verdict(False, None, found.ambiguous)
    right = is_finished(found.answer, problem, kind) and strict(found.answer, problem, equal)
    return Verdict(right, found.answer)


def _reader(problem: Problem, equal: Equal) -> Reader:
    kind = answer_type(problem)
    given = set(TOKEN.findall(problem.question))
    reference = parse(clean(problem.reference))
    rounded = ROUNDED.search(problem.question) is not None

    def candidate(piece: str) -> str | None:
        piece = piece.strip(" ,;")
        answer = None if CALL.fullmatch(piece) else read(piece, problem)
        if answer is None or kind == "text":
            return None
        if kind == "number" and not is_form_asked_for(answer, problem):
            return None
        if kind in ("letter", "boolean"):
            return answer
        if kind in (*VALUES, "time"):
            return None if answer.isalpha() and len(answer) == 1 else answer
        node = parse(answer)
        formed = node is not None and reference is not None and in_form(node, reference, kind)
        return answer if formed and not answer.isalpha() else None

    def rival(piece: str) -> str | None:
        answer = candidate(piece)
        return None if answer is None or answer.lstrip("-") in given else answer

    def same(first: str, second: str) -> bool:
        values = number(first), number(second)
        if values[0] and values[1]:
            return values[0][1] == values[1][1]
        if kind in ("letter", "text", "time", "base-n", "boolean"):
            return first == second
        other = Problem(second, problem.question, problem.module)
        return first == second or strict(first, other, equal) is True

    return Reader(
        lambda piece: read(piece, problem),
        candidate,
        rival,
        same,
        problem.question,
        is_list=kind.endswith(" list"),
        is_value=kind in VALUES,
        is_truth=kind == "boolean",
        restates=kind == "letter" or kind.endswith(" list") or rounded,
        asked=asked[1] if kind == "number" and (asked := ASKED.search(problem.question)) else None,
    )
