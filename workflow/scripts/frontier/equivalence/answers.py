"""Whether a mathematical answer means what the reference means, in the form asked for.

The type of an answer follows from the reference, the question and, where there is one, the DeepMind
module. A value alone does not make an answer right: "12 * 34" is not 408, "1/2" is no decimal, an
unexpanded product is no expansion, a list to be sorted has an order. Nothing is searched for in
longer texts: the answer is all of the prediction but spaces around it and one full stop.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from frontier.equivalence.expressions import MAX_LENGTH, Node, parse, variables
from frontier.equivalence.forms import (
    factor_count,
    is_expanded,
    is_polynomial,
    is_simplified_surd,
    is_single_power,
)

AnswerType = Literal[
    "boolean",
    "time",
    "base-n",
    "letter",
    "number",
    "ordered list",
    "unordered list",
    "expanded polynomial",
    "factored polynomial",
    "polynomial",
    "surd",
    "power",
    "text",
]
Equal = Callable[[str, str], bool | None]

INTEGER = re.compile(r"[+-]?[0-9]+")
DECIMAL = re.compile(r"[+-]?[0-9]*\.[0-9]+")
FRACTION = re.compile(r"([+-]?[0-9]+)\s*/\s*([0-9]+)")
LETTER = re.compile(r"\(([a-z])\)|([a-z])", re.IGNORECASE)
TIME = re.compile(r"([0-9]{1,2}):([0-9]{2})\s*(AM|PM)", re.IGNORECASE)
BASE_N = re.compile(r"-?[0-9a-z]+")

IN_BASE = re.compile(r"\bbase [0-9]+")
IN_DECIMALS = re.compile(r"[0-9]\.[0-9]|\bdecimal|\bdps?\b")
IN_ORDER = re.compile(r"\border\b")


@dataclass(frozen=True)
class Problem:
    """What was asked and the answer expected."""

    reference: str
    question: str = ""
    module: str = ""


def clean(text: str) -> str:
    """An answer without the spaces around it and without one full stop at its end."""
    return text.strip().removesuffix(".").rstrip()


def answer_type(problem: Problem) -> AnswerType:
    """What kind of answer is asked for, and so how it is compared."""
    reference, question, module = clean(problem.reference), problem.question, problem.module
    if reference in ("True", "False"):
        return "boolean"
    if TIME.fullmatch(reference):
        return "time"
    if IN_BASE.search(question) and BASE_N.fullmatch(reference):
        return "base-n"
    if LETTER.fullmatch(reference) and (module.startswith("comparison") or _is_option(problem)):
        return "letter"
    if module.startswith(("algebra__polynomial_roots", "numbers__list_prime_factors")):
        return "factored polynomial" if re.search("[a-z]", reference) else "unordered list"
    if _number(reference):
        return "number"
    if "," in reference:
        ordered = not question or IN_ORDER.search(question) or module.startswith("comparison")
        return "ordered list" if ordered else "unordered list"
    return _expression_type(problem)


def _is_option(problem: Problem) -> bool:
    """The reference names one of several options, which the question lists as "(a) ... (b) ..."."""
    return "(a) " in problem.question and f"({clean(problem.reference)}) " in problem.question


def _expression_type(problem: Problem) -> AnswerType:
    """The form in which an algebraic expression is asked for."""
    node = parse(clean(problem.reference))
    if node is None:
        return "text"
    if "Factor" in problem.question and factor_count(node):
        return "factored polynomial"
    if problem.module.startswith("polynomials__simplify_power") or not is_polynomial(node):
        return "power" if is_single_power(node) else "text"
    if not variables(node) and is_simplified_surd(node):
        return "surd"
    if problem.module.startswith("algebra__sequence_nth_term") or "'th term" in problem.question:
        return "polynomial"
    return "expanded polynomial" if is_expanded(node) else "polynomial"


def equivalent(prediction: str, problem: Problem, equal: Equal) -> bool | None:
    """Whether a prediction answers a problem; None where `equal` came to no verdict in its time.

    `equal` compares two admitted expressions, see `frontier.algebra`; it is asked only where the
    form is right and the texts differ.
    """
    answer, reference = clean(prediction), clean(problem.reference)
    if answer == reference:
        return True
    if not answer or len(answer) > MAX_LENGTH:
        return False
    match answer_type(problem):
        case "text":
            return False
        case "boolean" | "base-n":
            return answer.casefold() == reference.casefold()
        case "time":
            return _time(answer) == _time(reference)
        case "letter":
            return _letter(answer) == _letter(reference)
        case "number":
            return _same_number(answer, problem)
        case "ordered list" | "unordered list" as kind:
            return _same_list(answer, problem, ordered=kind == "ordered list")
        case kind:
            first, second = parse(answer), parse(reference)
            if first is None or second is None or not variables(first) <= variables(second):
                return False
            if not _in_form(first, second, kind):
                return False
            return first == second or equal(answer, reference)


def _in_form(answer: Node, reference: Node, kind: AnswerType) -> bool:
    match kind:
        case "expanded polynomial":
            return is_expanded(answer)
        case "factored polynomial":
            return factor_count(answer) == factor_count(reference)
        case "surd":
            return is_simplified_surd(answer)
        case "power":
            return is_single_power(answer)
        case _:
            return is_polynomial(answer)


def _time(text: str) -> tuple[int, int, str] | None:
    found = TIME.fullmatch(text)
    return (int(found[1]), int(found[2]), found[3].upper()) if found else None


def _letter(text: str) -> str | None:
    found = LETTER.fullmatch(text)
    return (found[1] or found[2]).casefold() if found else None


def _number(text: str) -> tuple[Literal["integer", "decimal", "fraction"], Fraction] | None:
    """A literal number's form and value; None where a text is none, such as "12 * 34"."""
    if len(text) > MAX_LENGTH:
        return None
    if INTEGER.fullmatch(text):
        return "integer", Fraction(int(text))
    if DECIMAL.fullmatch(text):
        return "decimal", Fraction(text)
    found = FRACTION.fullmatch(text)
    if found and int(found[2]):
        return "fraction", Fraction(int(found[1]), int(found[2]))
    return None


def _same_number(answer: str, problem: Problem) -> bool:
    """Equal in value, and in a form that the question or the reference uses.

    In arithmetic a fraction must be in lowest terms: "Divide 6 by 8" is not answered by 6/8.
    """
    given, expected = _number(answer), _number(clean(problem.reference))
    if given is None or expected is None or given[1] != expected[1]:
        return False
    form, value = given
    if form == "decimal":
        return expected[0] == "decimal" or bool(IN_DECIMALS.search(problem.question))
    if form == "fraction":
        reduced = int(answer.rpartition("/")[2]) == value.denominator
        return expected[0] == "fraction" and (
            reduced or not problem.module.startswith("arithmetic")
        )
    return True


def _same_list(answer: str, problem: Problem, ordered: bool) -> bool:
    """Equal element by element, or as collections where order does not matter."""
    given = [item.strip() for item in answer.split(",")]
    expected = [item.strip() for item in clean(problem.reference).split(",")]
    if len(given) != len(expected):
        return False
    if ordered:
        return all(_same_item(*pair, problem) for pair in zip(given, expected, strict=True))
    for item in given:
        match = next((other for other in expected if _same_item(item, other, problem)), None)
        if match is None:
            return False
        expected.remove(match)
    return True


def _same_item(item: str, reference: str, problem: Problem) -> bool:
    if item == reference:
        return True
    if _letter(reference):
        return _letter(item) == _letter(reference)
    return _same_number(item, Problem(reference, problem.question, problem.module))
