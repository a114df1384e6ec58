"""Checks that an answer is fully worked out: 2*x + 0*y, x**(4/2) and 1*x are not.

An answer may have the same defects as its reference.
"""

from __future__ import annotations

import math
import re
from fractions import Fraction

from frontier.answers.equivalence.expressions import (
    Node,
    Number,
    Power,
    Product,
    Sum,
    parse,
    variables,
)
from frontier.answers.equivalence.forms import is_expanded
from frontier.answers.equivalence.problems import AnswerType, Problem, clean, is_option

TWO_SIGNS = re.compile(r"[-+*/][-+]")
SIGN_IN_BRACKETS = re.compile(r"[-+*/]\([-+]")
MINUS_ZERO = re.compile(r"-[0.]+")
LEADING_ZERO = re.compile(r"(?<![0-9.])0[0-9]")
FACTOR_OF_ONE = re.compile(r"(?<![0-9])1\*|\*1(?![0-9])|/\(?1\)?(?![0-9])")


def is_finished(answer: str, problem: Problem, kind: AnswerType) -> bool:
    """True if an answer that is equal and in the right form is also fully worked out."""
    reference = clean(problem.reference)
    if answer == reference:
        return True
    if kind not in ("time", "base-n", "text") and LEADING_ZERO.search(answer):
        return False
    if kind in ("letter", "ordered list", "unordered list"):
        if kind == "letter" and is_option(problem):
            return True
        return set(re.findall("[A-Za-z]", answer)) <= set(re.findall("[A-Za-z]", reference))
    if kind in ("number", "base-n"):
        return MINUS_ZERO.fullmatch(answer) is None
    first, second = parse(answer), parse(reference)
    if first is None or second is None:
        return True
    if kind == "polynomial" and is_expanded(second) and not is_expanded(first):
        return False
    return _faults(answer, first, kind) <= _faults(reference, second, kind)


def _faults(text: str, node: Node, kind: AnswerType) -> frozenset[str]:
    """The steps that are missing in an expression."""
    compact = text.replace(" ", "").replace("**", "^")
    found = {
        "two signs": TWO_SIGNS.search(compact),
        "sign in brackets": kind != "factored polynomial" and SIGN_IN_BRACKETS.search(compact),
        "factor of one": FACTOR_OF_ONE.search(compact),
        "exponent": not _has_simple_exponents(node),
        "zero": node != Number(0) and _has_zero(node),
        "content": kind == "factored polynomial" and not _has_primitive_factors(node),
    }
    return frozenset(name for name, fault in found.items() if fault)


def _parts(node: Node) -> tuple[Node, ...]:
    match node:
        case Power(base, _):
            return (base,)
        case Product(_, parts) | Sum(parts):
            return parts
        case _:
            return ()


def _has_simple_exponents(node: Node) -> bool:
    return getattr(node, "simplified", True) and all(map(_has_simple_exponents, _parts(node)))


def _has_zero(node: Node) -> bool:
    return node == Number(0) or any(map(_has_zero, _parts(node)))


def _has_primitive_factors(node: Node) -> bool:
    """True if each factor of a product has whole coefficients without a common divisor."""
    for factor in node.factors if isinstance(node, Product) else (node,):
        base = factor.base if isinstance(factor, Power) else factor
        if isinstance(base, Sum):
            numbers = [_coefficient(term) for term in base.terms]
            whole = [number.numerator for number in numbers if number.denominator == 1]
            if len(whole) < len(numbers) or math.gcd(*whole) != 1:
                return False
    return True


def _coefficient(term: Node) -> Fraction:
    """The number before a monomial's variables."""
    value = Fraction(1)
    for factor in term.factors if isinstance(term, Product) else (term,):
        match factor:
            case Number(number):
                value *= number
            case Power(Number(number), exponent) if number and not variables(factor):
                value *= Fraction(number) ** int(exponent)
    return value
