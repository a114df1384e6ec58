"""The form of an algebraic expression: expanded, factored, a simplified surd, a single power.

A task requires a form as well as a value: an unexpanded product is not an expansion.
"""

from __future__ import annotations

import math
from fractions import Fraction

from frontier.answers.equivalence.expressions import (
    Node,
    Number,
    Power,
    Product,
    Root,
    Sum,
    Variable,
    variables,
)

MAX_DEGREE = 100


def degree(node: Node) -> Fraction | None:
    """An upper bound of a polynomial's degree; None if the expression is not a polynomial."""
    if not variables(node):
        return Fraction(0)
    match node:
        case Variable():
            return Fraction(1)
        case Power(base, exponent) if exponent >= 0 and exponent.denominator == 1:
            inner = degree(base)
            return None if inner is None else inner * exponent
        case Product(_, parts) | Sum(parts):
            degrees = [d for part in parts if (d := degree(part)) is not None]
            if len(degrees) < len(parts):
                return None
            return max(degrees) if isinstance(node, Sum) else sum(degrees, Fraction(0))
        case _:
            return None


def is_polynomial(node: Node) -> bool:
    """True for a polynomial in any form, of a manageable degree."""
    bound = degree(node)
    return bound is not None and bound <= MAX_DEGREE


def is_expanded(node: Node) -> bool:
    """True for a sum of monomials with coefficients in lowest terms and like terms collected."""
    keys = [_monomial(term) for term in _terms(node)]
    return None not in keys and len(set(keys)) == len(keys) and is_polynomial(node)


def is_simplified_surd(node: Node) -> bool:
    """True for rational multiples of roots of different square-free numbers, in lowest terms."""
    radicands = []
    for term in _terms(node):
        rest = _without_coefficient(term)
        if rest is None or len(rest) > 1:
            return False
        if not rest:
            radicands.append(1)
        elif isinstance(rest[0], Root) and _is_square_free(rest[0].radicand):
            radicands.append(rest[0].radicand)
        else:
            return False
    return len(set(radicands)) == len(radicands)


def is_single_power(node: Node) -> bool:
    """True for a power of one variable, its reciprocal, or 1."""
    if isinstance(node, Product):
        if node.sign != 1 or len(node.factors) != 2 or node.factors[0] != Number(1):
            return False
        node = node.factors[1]
    power = isinstance(node, Power) and isinstance(node.base, Variable)
    return power or isinstance(node, Variable) or node == Number(1)


def factor_count(node: Node) -> int | None:
    """The number of a product's factors with a variable, with multiplicity; None for other forms.

    Each must itself be expanded. Two equal polynomials over the rationals of which one is fully
    factored have the same count only if the other is, because factorization is unique.
    """
    rest = _without_coefficient(node)
    if rest is None or not is_polynomial(node):
        return None
    count = 0
    for factor in rest:
        base, exponent = (
            (factor.base, factor.exponent) if isinstance(factor, Power) else (factor, Fraction(1))
        )
        if not variables(base) or not is_expanded(base):
            return None
        count += int(exponent)
    return count


def _terms(node: Node) -> tuple[Node, ...]:
    return node.terms if isinstance(node, Sum) else (node,)


def _without_coefficient(term: Node) -> list[Node] | None:
    """A term's factors other than numbers; None if its coefficient is not evaluated."""
    over: list[int] = []
    under: list[int] = []
    rest: list[Node] = []
    for factor in term.factors if isinstance(term, Product) else (term,):
        if isinstance(factor, Number):
            over.append(factor.value)
        elif isinstance(factor, Power) and isinstance(factor.base, Number):
            under.append(factor.base.value)
        else:
            rest.append(factor)
    if len(over) > 1 or len(under) > 1 or math.gcd(*(over or [1]), *(under or [1])) > 1:
        return None
    return rest


def _monomial(term: Node) -> frozenset[tuple[str, Fraction]] | None:
    """The variables of a monomial with their exponents; None if the term is not a monomial."""
    factors = _without_coefficient(term)
    if factors is None:
        return None
    powers: dict[str, Fraction] = {}
    for factor in factors:
        match factor:
            case Variable(name) if name not in powers:
                powers[name] = Fraction(1)
            case Power(Variable(name), exponent) if name not in powers and exponent > 0:
                powers[name] = exponent
            case _:
                return None
    return frozenset(powers.items())


def _is_square_free(number: int) -> bool:
    return number > 1 and all(number % (d * d) for d in range(2, math.isqrt(number) + 1))
