"""A mathematical problem and the type of answer that it requires.

The type follows from the reference, the question and the DeepMind module, if there is one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from frontier.answers.equivalence.expressions import MAX_LENGTH, parse, variables
from frontier.answers.equivalence.forms import (
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
    """A question and its reference answer."""

    reference: str
    question: str = ""
    module: str = ""


def clean(text: str) -> str:
    """An answer without surrounding spaces and without one final full stop."""
    return text.strip().removesuffix(".").rstrip()


def answer_type(problem: Problem) -> AnswerType:
    """The type of the required answer, which determines the comparison."""
    reference, question, module = clean(problem.reference), problem.question, problem.module
    if reference in ("True", "False"):
        return "boolean"
    if TIME.fullmatch(reference):
        return "time"
    if IN_BASE.search(question) and BASE_N.fullmatch(reference):
        return "base-n"
    if LETTER.fullmatch(reference) and (module.startswith("comparison") or is_option(problem)):
        return "letter"
    if module.startswith(("algebra__polynomial_roots", "numbers__list_prime_factors")):
        return "factored polynomial" if re.search("[a-z]", reference) else "unordered list"
    if number(reference):
        return "number"
    if "," in reference:
        ordered = not question or IN_ORDER.search(question) or module.startswith("comparison")
        return "ordered list" if ordered else "unordered list"
    return _expression_type(problem)


def is_option(problem: Problem) -> bool:
    """True if the reference names one of the question's options, "(a) ... (b) ..."."""
    return "(a) " in problem.question and f"({clean(problem.reference)}) " in problem.question


def _expression_type(problem: Problem) -> AnswerType:
    """The required form of an algebraic expression."""
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


def number(text: str) -> tuple[Literal["integer", "decimal", "fraction"], Fraction] | None:
    """A literal number's form and value; None for other texts, such as "12 * 34"."""
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
