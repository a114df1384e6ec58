"""Algebraic expressions as a model wrote them, parsed by a small grammar.

Generated text is not trusted, so nothing here evaluates it. The grammar has whole numbers,
single-letter variables, + - * / ** (or ^), parentheses and sqrt; length, depth, numbers and
exponents are bounded, and only terms with a variable can be raised to a power. Anything else is
rejected.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from fractions import Fraction

MAX_LENGTH = 200  # characters; the longest answer of the DeepMind modules has 30
MAX_DEPTH = 20
MAX_DIGITS = 40
MAX_EXPONENT = 10**10  # of a variable, for numerator and denominator
MAX_POWER = 16  # of a term in parentheses
MAX_RADICAND = 10**8

TOKEN = re.compile(r"\s*([0-9]+|sqrt|[a-zA-Z]|\*\*|[-+*/^()])")


@dataclass(frozen=True)
class Number:
    """A whole number >= 0; signs belong to products."""

    value: int


@dataclass(frozen=True)
class Root:
    """The square root of a whole number."""

    radicand: int


@dataclass(frozen=True)
class Variable:
    """A single letter."""

    name: str


@dataclass(frozen=True)
class Power:
    """A base and its exponent; -1 also means division by the base.

    `simplified` is false if the exponent was not written in its simplest form: 4/2, 1, 0, or a
    division by a negative power.
    """

    base: Node
    exponent: Fraction
    simplified: bool = field(default=True, compare=False)


@dataclass(frozen=True)
class Product:
    """A sign, 1 or -1, and factors, none of them a product."""

    sign: int
    factors: tuple[Node, ...]


@dataclass(frozen=True)
class Sum:
    """Two or more terms."""

    terms: tuple[Node, ...]


Node = Number | Root | Variable | Power | Product | Sum


class _NotAdmittedError(Exception):
    """The text is outside the grammar or its bounds."""


def parse(text: str) -> Node | None:
    """The expression in a text; None if the grammar rejects it."""
    try:
        return _Parser(text).whole()
    except _NotAdmittedError:
        return None


class _Parser:
    """A recursive-descent parser over the tokens of one text."""

    def __init__(self, text: str) -> None:
        text = text.strip()
        if len(text) > MAX_LENGTH:
            raise _NotAdmittedError
        self.tokens: list[str] = []
        position = 0
        while position < len(text):
            token = TOKEN.match(text, position)
            if token is None:
                raise _NotAdmittedError
            self.tokens.append(token[1])
            position = token.end()
        self.next = 0
        self.depth = 0

    def take(self, *wanted: str) -> str | None:
        """Consumes and returns the next token if it is one of those wanted."""
        token = self.tokens[self.next] if self.next < len(self.tokens) else None
        if token not in wanted:
            return None
        self.next += 1
        return token

    def need(self, wanted: str) -> None:
        if self.take(wanted) is None:
            raise _NotAdmittedError

    def number(self) -> int:
        token = self.tokens[self.next] if self.next < len(self.tokens) else ""
        if not token.isdigit() or len(token) > MAX_DIGITS:
            raise _NotAdmittedError
        self.next += 1
        return int(token)

    def whole(self) -> Node:
        node = self.sum()
        if self.next < len(self.tokens):
            raise _NotAdmittedError
        return node

    def sum(self) -> Node:
        terms = [self.product()]
        while operator := self.take("+", "-"):
            term = self.product()
            terms.append(term if operator == "+" else _product(-1, [term]))
        return terms[0] if len(terms) == 1 else Sum(tuple(terms))

    def product(self) -> Node:
        sign, factor = self.signed()
        factors = [factor]
        while operator := self.take("*", "/"):
            more, factor = self.signed()
            sign *= more
            factors.append(factor if operator == "*" else _reciprocal(factor))
        return _product(sign, factors)

    def signed(self) -> tuple[int, Node]:
        sign = 1
        while operator := self.take("+", "-"):
            sign *= -1 if operator == "-" else 1
        return sign, self.power()

    def power(self) -> Node:
        base = self.atom()
        if self.take("**", "^") is None:
            return base
        parenthesis = self.take("(")
        sign = -1 if self.take("-") else 1
        over = self.number()
        fraction = parenthesis is not None and self.take("/") is not None
        under = self.number() if fraction else 1
        if parenthesis:
            self.need(")")
        if under == 0 or self.take("**", "^"):
            raise _NotAdmittedError
        exponent = Fraction(sign * over, under)
        simplified = (
            exponent not in (0, 1) and exponent.denominator == under and (under > 1 or not fraction)
        )
        return _power(base, exponent, simplified)

    def atom(self) -> Node:
        root = self.take("sqrt")
        if root or (self.next < len(self.tokens) and self.tokens[self.next] == "("):
            self.need("(")
            self.depth += 1
            if self.depth > MAX_DEPTH:
                raise _NotAdmittedError
            inner = self.sum()
            self.depth -= 1
            self.need(")")
            return _root(inner) if root else inner
        if self.next < len(self.tokens) and self.tokens[self.next].isalpha():
            self.next += 1
            return Variable(self.tokens[self.next - 1])
        return Number(self.number())


def _product(sign: int, factors: list[Node]) -> Node:
    flat: list[Node] = []
    for factor in factors:
        if isinstance(factor, Product):
            sign *= factor.sign
            flat.extend(factor.factors)
        else:
            flat.append(factor)
    return flat[0] if sign == 1 and len(flat) == 1 else Product(sign, tuple(flat))


def _reciprocal(node: Node) -> Node:
    if node == Number(0):
        raise _NotAdmittedError
    if isinstance(node, Power) and isinstance(node.base, Variable):
        return Power(node.base, -node.exponent, node.simplified and node.exponent > 0)
    return Power(node, Fraction(-1))


def _power(base: Node, exponent: Fraction, simplified: bool) -> Node:
    if isinstance(base, Variable):
        if max(abs(exponent.numerator), exponent.denominator) > MAX_EXPONENT:
            raise _NotAdmittedError
    elif not variables(base) or exponent.denominator > 1 or not 1 <= exponent <= MAX_POWER:
        raise _NotAdmittedError  # 9**9 is an unevaluated number, and could be very large
    return Power(base, exponent, simplified)


def _root(inner: Node) -> Node:
    if isinstance(inner, Variable):
        return Power(inner, Fraction(1, 2))
    if not isinstance(inner, Number) or inner.value > MAX_RADICAND:
        raise _NotAdmittedError
    return Root(inner.value)


def variables(node: Node) -> frozenset[str]:
    """The letters in an expression."""
    match node:
        case Variable(name):
            return frozenset(name)
        case Power(base, _):
            return variables(base)
        case Product(_, parts) | Sum(parts):
            return frozenset().union(*map(variables, parts))
        case _:
            return frozenset()
