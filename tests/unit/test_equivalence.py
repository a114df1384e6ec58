"""The primary rule of mathematics: answers in any dress are found, wrong ones in none."""

from __future__ import annotations

import gzip
import itertools
import json
import random
import re
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

from frontier.answers.equivalence.algebra import Worker
from frontier.answers.equivalence.equivalent import equivalent
from frontier.answers.equivalence.number_words import spelled
from frontier.answers.equivalence.problems import Problem, answer_type
from frontier.answers.equivalence.readings import expression

SUM = Problem("7", "What is 3 + 4?", "arithmetic__add_or_sub")
HALF = Problem("1/2", "Calculate 3/6.", "arithmetic__div")
LARGE = Problem("1234", "What is 1233 + 1?", "arithmetic__add_or_sub")
LINEAR = Problem("2*x", "Collect the terms in x + x.", "polynomials__collect")
SQUARE = Problem("x**2 + x/2 - 1", "Expand it.", "polynomials__expand")
PRIME = Problem("True", "Is 7 prime?", "numbers__is_prime")
COMPOSITE = Problem("False", "Is 8 prime?", "numbers__is_prime")
OPTION = Problem("a", "Which is nearest to 1?  (a) 1  (b) 2/3  (c) 5", "comparison__closest")
NAMED = Problem("k", "Let k = 3. Which is bigger: k or -1?", "comparison__pair_composed")
ROOTS = Problem("1, 2", "Suppose x**2 - 3*x + 2 = 0. What is x?", "algebra__polynomial_roots")
SORTED = Problem("-1, p, 2", "Put p, 2, -1 in ascending order.", "comparison__sort_composed")
CLOCK = Problem("8:49 AM", "What is 5 minutes after 8:44 AM?", "measurement__time")
BINARY = Problem("101", "Convert 5 (base 10) to base 2.", "numbers__base_conversion")
FACTORED = Problem("4*(x - 1)*(x + 1)", "Factor 4*x**2 - 4.", "algebra__polynomial_roots")
POWER = Problem(
    "h**(-1159/119)", "Simplify it assuming h is positive.", "polynomials__simplify_power"
)
TERM = Problem("3*n + 2", "What is the n'th term of 5, 8, 11?", "algebra__sequence_nth_term")
GRAMS = Problem(
    "9750", "How many grams are there in 39 quarters of a kilogram?", "measurement__conversion"
)
SYSTEM = Problem("-9", "Solve -2*h + 2*v = 10, 0 = 2*h + v + 22 for h.", "algebra__linear_2d")
NEAREST = Problem(
    "9480", "What is the square root of 89866734 to the nearest integer?",
    "arithmetic__nearest_integer_root",
)  # fmt: skip
DIVISOR = Problem("353", "What is the greatest common factor of 829903 and 29299?", "numbers__gcd")
DIFFERENCE = Problem("7", "What is 15 - 8?", "arithmetic__add_or_sub")
UNKNOWN = Problem("a")
WORD = Problem("Paris", "What is the capital of France?")
SURD = Problem("-227 - 8*sqrt(7)", "Simplify sqrt(49).", "arithmetic__simplify_surd")

RIGHT = {
    SUM: [
        "The answer is 7", "\\boxed{7}", "**7**", "x = 7", "7.", "seven", "7。", "`7`", "$7$",
        "\\(7\\)", "\\[7\\]", "Answer: 7", "**Answer:** 7", "**Answer: 7**", "#### 7", "3+4 = 7",
        "The sum is 7.", "7 is the answer", "It's 7.", "So the answer is $\\boxed{7}$.", "７",
        "Answer:\n7", "### Answer\n\n7", "答案是7。", "The final answer is: **7**", "٧",
        "7 because 3+4=7", "3 + 4 = 7\n7", "7\n\nQuestion: What is 8?\nAnswer: 8",
        "<think>8? no</think>7", "8? No.\n</think>\n\n7", "<answer>7</answer>", "\\boxed{\\text{7}}", "\\boxed{x = 7}",
        "The answer is: \n\n$$7$$", "7 = x", "The answer is 7, because 3+4 = 7.", "<b>7</b>",
        "The result of 3 + 4 is 7.", "\\[\n\\boxed{7}\n\\]", "\u200b7",
    ],
    HALF: [
        "\\frac{1}{2}", "$\\frac12$", "\\dfrac{1}{2}", "½", "one half", "(1/2)", "1 / 2", "1⁄2",
        "\\boxed{\\frac{1}{2}}", "3/6 = 1/2", "\\left(\\frac{1}{2}\\right)",
    ],
    LARGE: ["1,234", "1{,}234", "1\u202f234", "1\\,234", "$1,234$",
            "one thousand two hundred and thirty-four"],
    LINEAR: [
        "2x", "2 x", "2·x", "2\\cdot x", "$2x$", "**2x**", "f(x) = 2x", "x + x = 2x",
        "\\boxed{2x}", "x*2", "2 × x", "2\\*x", "The answer is 2x.", "2⋅x", "2\\,x",
    ],
    SQUARE: ["x² + x/2 − 1", "x<sup>2</sup> + x/2 - 1", "x^2 + \\frac{x}{2} - 1", "x^{2}+\\frac{1}{2}x-1",
             "$$x^2 + \\frac12 x - 1$$", "x**2 + ½x - 1"],
    PRIME: ["Yes", "yes.", "Yes, 7 is prime.", "true", "**True**", "The answer is True",
            "\\boxed{\\text{True}}", "Is 7 prime? Yes.", "True because 7 has no divisors.",
            "yes 7 is prime", "7 has two divisors, so True.", "Yes. 7 is prime.", "It is true."],
    COMPOSITE: ["No", "No, 8 is not prime.", "no.", "False. 8 has no odd divisors.",
                "No - it is even", "8 is not prime, so False.", "No. That is not true.",
                "No, it is not true."],
    OPTION: ["a)", "(a)", "a.", "A", "(A)", "option a", "a) 1", "(a) 1", "The answer is (a).",
             "\\boxed{a}", "**a**", "\\text{(a)}", "a: 1", "（a）"],
    NAMED: ["k", "The bigger one is k.", "$k$"],
    ROOTS: ["[1, 2]", "{1, 2}", "x = 1, x = 2", "x = 1 or x = 2", "x = 2, 1", "1 and 2", "1; 2",
            "$x = 1, 2$", "x_1 = 1, x_2 = 2", "The solutions are x = 1 and x = 2.",
            "\\{1, 2\\}", "\\boxed{1, 2}", "1,2", "x ∈ {1, 2}", "1、2"],
    SORTED: ["[-1, p, 2]", "−1, p, 2", "The order is -1, p, 2.", "-1, p and 2"],
    CLOCK: ["8:49 a.m.", "08:49 am", "8:49AM", "The time is 8:49 a.m.", "8：49 AM",
            "\\boxed{8:49 \\text{ AM}}"],
    BINARY: ["101 (base 2)", "101_2", "101₂", "101_{2}", "$101_2$", "(101)_2", "101 in base 2"],
    FACTORED: ["4(x-1)(x+1)", "4(1 + x)(x-1)", "$4(x-1)(x+1)$"],
    POWER: ["h^{-1159/119}", "h^{-\\frac{1159}{119}}", "1/h**(1159/119)",
            "\\frac{1}{h^{1159/119}}"],
    TERM: ["3n+2", "a_n = 3n + 2", "u(n) = 3n+2", "The n'th term is 3n + 2.", "2 + 3n"],
    GRAMS: ["9750 grams", "There are 9750 grams in 39 quarters of a kilogram.", "9750 g", "9,750 g", "9750g", "9750\\text{ g}", "9750 gram"],
    SYSTEM: ["h=-9, v=-4", "v = -4, h = -9", "The solution is h = -9, v = -4.", "h is -9",
             "h = -9 and v = -4"],
    NEAREST: ["approximately 9480", "≈ 9480", "9479.8 ≈ 9480", "9,480",
              "sqrt(89866734) ≈ 9479.8, which rounds to 9480."],
    DIVISOR: ["The greatest common factor of 829903 and 29299 is 353.", "gcd(829903, 29299) = 353",
              "353 (since 829903 = 353*2351 and 29299 = 353*83)"],
    DIFFERENCE: [
        "15 minus 8 is 7.", "15 - 8 equals 7", "7, because 15 - 8 = 7", "15 − 8 = 7",
        "15 - 8 = 7, so the answer is 7.", "Step 1: 15 - 8 = 7\nAnswer: 7",
        "First, we subtract 8 from 15. We get 7.", "7.\n\nExplanation: 15 - 8 = 7.",
        "Sure! The answer is 7.", "The difference between 15 and 8 is 7.",
        "To find 15 - 8, subtract: 15 - 8 = 7. Therefore, the answer is **7**.",
    ],
    UNKNOWN: ["a)", "(a)", "a", "**a**"],
    WORD: ["Paris.", "**Paris**", "The answer is Paris.", "\\boxed{\\text{Paris}}"],
    SURD: ["-227 - 8√7", "-227-8\\sqrt{7}", "$-8\\sqrt{7} - 227$"],
}  # fmt: skip

WRONG = {
    SUM: [
        "7 or 8", "8 or 7", "The answer is 7 or 8", "The answer is not 7",
        "\\boxed{7} or \\boxed{8}", "7\n8", "8\n7", "7, 8", "x = 7 or x = 8", "x = 8 or x = 7",
        "The answer is 8. The answer is 7.", "Either 7 or 8: 7", "not 7", "7 is wrong", "-7",
        "7.5", "x = -7", "-x = 7", "2x = 7", "x > 7", "x >= 7", "x ≥ 7", "x ≠ 7", "x != 7", "≈ 7",
        "70", "The answer is 7?", "\\boxed{7", "I don't think the answer is 7", "6 + 1",
        "7 because 3+5=8", "8 because 3+4=7", "7!", "7...", "h = 8, p = 7", "7%", "$7", "- 7",
        "The answer is 7. Wait, that's wrong.", "7 (base 2)", "minus seven", "1 7", "7, 7.5",
        "more than 7", "\\boxed{8} so x = 7", "7²", "7^1", "7e0", "07:00", "7/1", "14/2", "7*1", "07", "007",
        "approximately 7", "", ".", "\\boxed{}", "x = 3 or maybe x = 7", "~~7~~", "<think>It is 7.", "<think>\nThe answer is 7.\n", "7</think>8", "7..", "4 7",
    ],
    HALF: ["0.5", "2/4", "-\\frac{1}{2}", "2½", "1½", "\\frac{2}{4}", "3/6", "1/2 = 3/6", "1/-2",
           "twenty halves", "50%"],
    LARGE: ["12,34", "1,2345", "1.234", "1\u202f235", "1 234", "123,4", "1,234,000"],
    LINEAR: [
        "2X", "3x", "-2x", "x2", "2y", "x + x", "2x + 0", "1*2*x", "2*x**1", "2x^1", "2x/1",
        "4x/2", "2x + 0*x", "--2*x", "2x or 3x", "x^2", "x*2*1", "2^x", "2x = 3x", "2x\n3x",
    ],
    SQUARE: ["x2 + x/2 - 1", "x^2 + 1/2x - 1", "x^2 + x/2 + -1", "x^2 + 0.5x - 1",
             "x² + x/2 + 1", "x^{21} + x/2 - 1", "x^2 + x/2 - 1 + 0*x", "x^2 + 2x/4 - 1"],
    PRIME: ["No", "Yes or no", "not true", "True or False", "No, 7 is prime", "neither", "False",
            "It is false that 7 is not prime, true?", "-True", "True, or maybe False", "almost true",
            "True-ish", "True is not the answer", "I do not think the answer is True", "1/True",
            "The answer is close to True", "True, no, False", "The opposite is True", "It is true that 7 is not prime.",
            "The answer is not True. The answer is True.", "not True\nTrue"],
    OPTION: ["b", "1", "(a) 5", "a or b", "(a)\n(b)", "a, b", "(b) 1", "not a", "-a"],
    NAMED: ["K", "-1", "k or -1", "3"],
    ROOTS: ["1", "2", "1, 2, 3", "1, 1, 2", "x = 1", "1 or 3", "[1, -2]", "1 * 2", "12",
            "x = 1, y = 2", "x = 1 (from x - 1 = 0), x = 2, x = 3", "1, 2,"],
    SORTED: ["p, -1, 2", "-1, P, 2", "2, p, -1", "-1, 2", "-1, p or 2", "-1 p 2"],
    CLOCK: ["8:49 PM", "8:49", "8:48 AM", "20:49", "8:49 AM or PM", "8:4 9 AM"],
    BINARY: ["101 (base 3)", "0101", "110", "5", "101 or 110", "5 (base 10)"],
    FACTORED: ["(2*x - 2)*(2*x + 2)", "4*(x**2 - 1)", "(4x-4)(x+1)", "2*2*(x-1)*(x+1)",
               "4*(x-1)**1*(x+1)", "(x-1)(x+1)", "1*4*(x-1)(x+1)", "8*(x/2 - 1/2)*(x + 1)"],
    POWER: ["h**(-2318/238)", "1*h**(-1159/119)", "h**(1159/119)", "h**-1159/119",
            "1/h**(-1159/119)", "h*h**(-1278/119)", "H**(-1159/119)", "(h**(-1159/119))**1"],
    TERM: ["3*(n-1) + 5", "3*n + 1 + 1", "3n+3", "3*n + 2 + 0*n", "3*n**1 + 2", "3*n - -2"],
    GRAMS: ["9750 kg", "9750 grams in 39 quarters of a tonne", "9.750 kg", "9750 kilograms", "9750 mg", "9750 apples"],
    SYSTEM: ["h = 9", "v = -9, h = -4", "h = -4, v = -9", "h = -9 or h = -4"],
    NEAREST: ["9479.8", "9479", "9479 or 9480", "9480.2"],
    DIVISOR: ["The GCD is 29299", "353 is not the GCD; it is 83", "353 (or 83)", "83 (not 353)",
              "353 (83 would do as well)"],
    DIFFERENCE: [
        "The answer is 8, since 15 - 8 = 7", "8, because 15 - 8 = 7", "8\n15 - 8 = 7",
        "8. Because 15 - 8 = 7.", "8 since 15 - 8 = 7", "The answer is 8: 15 - 8 = 7", "15 or 7",
        "It is 15, not 7", "15 - 8 is not 7", "15 - 8 = 8 = 7", "7 = 8", "between 7 and 8",
        "7 to 8", "7-8", "7/8", "7.8", "7 8", "Answer 7? Answer: 15", "<7", "7, 7, 8",
        "I would say 7 but it might be 8", "Not 8 but 7, or 6", "(7, 8)", "{7, 8}", "7 & 8",
        "7; 8", "The answer isn't 7", "\\boxed{7, 8}", "\\boxed{7 \\text{ or } 8}",
        "\\boxed{8}\n7", "7\n\\boxed{8}", "answer: 8\nanswer: 7", "#### 8\n#### 7",
        "7 (maybe 8)", "7 (not sure, could be 8)", "x = 8; y = 7", "7, no, 8", "7 → 8", "8 → 7",
        "7. No: 8", "8 - no, 7", "15 - 8 = 7 = 8",
    ],
    UNKNOWN: ["b)", "ab", "a or b", "2*a"],
    WORD: ["Paris or London", "The answer is not Paris.", "London", "Pari"],
    SURD: ["-227 - sqrt(448)", "-227 - 8*7", "-227 + -8*sqrt(7)", "-227 - 8√8", "-227 - 8√(7)*1"],
}  # fmt: skip


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    with Worker(limit_s=60) as running:
        yield running


@pytest.mark.parametrize("problem", RIGHT, ids=lambda problem: problem.reference)
def test_an_answer_is_right_in_any_dress(problem: Problem, worker: Worker) -> None:
    for text in (problem.reference, *RIGHT[problem]):
        found = equivalent(text, problem, worker.equal)
        assert (text, found.right, found.ambiguous) == (text, True, False)


@pytest.mark.parametrize("problem", WRONG, ids=lambda problem: problem.reference)
def test_another_value_or_form_is_wrong_in_any_dress(problem: Problem, worker: Worker) -> None:
    for text in WRONG[problem]:
        assert (text, equivalent(text, problem, worker.equal).right) == (text, False)


@pytest.mark.parametrize(
    "text",
    ["7 or 8", "8 or 7", "The answer is 7 or 8", "The answer is not 7", "7\n8", "x = 7 or x = 8",
     "\\boxed{7} or \\boxed{8}", "The answer is 8. The answer is 7.", "7, 8", "7 because 3+5=8",
     "The answer is 7. Wait, that's wrong."],
)  # fmt: skip
def test_two_candidates_are_counted(text: str, worker: Worker) -> None:
    assert equivalent(text, SUM, worker.equal).ambiguous


@pytest.mark.parametrize("text", ["", "I do not know.", "9", "\\boxed{9}", "The answer is 9."])
def test_one_wrong_answer_or_none_is_not_ambiguous(text: str, worker: Worker) -> None:
    assert not equivalent(text, SUM, worker.equal).ambiguous


WRAPPERS = (
    "{}", "The answer is {}.", "\\boxed{{{}}}", "**{}**", "`{}`", "Answer: {}", "**Answer:** {}",
    "The final answer is **{}**.", "${}$", "We get:\n\\[\n\\boxed{{{}}}\n\\]",
    "Let us work it out.\n{}", "{}。", "So the answer is $\\boxed{{{}}}$.", "Let me see.\n#### {}",
    "\\[{}\\]", "The result is {}",
)  # fmt: skip
SYMBOLS = {
    letter: sympy.Symbol(letter, positive=True)
    for letter in "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
}


def real(test_data: Path, first: int, count: int) -> Iterator[Problem]:
    """Problems of each of the 54 real modules."""
    paths = sorted((test_data / "mathematics" / "interpolate").glob("*.json.gz"))
    assert len(paths) == 54
    for path in paths:
        with gzip.open(path, "rt", encoding="utf-8") as file:
            rows = json.load(file)[first : first + count]
        for row in rows:
            yield Problem(row["answer"], row["question"], path.name.removesuffix(".json.gz"))


def dresses(problem: Problem) -> Iterator[str]:
    """The reference in Unicode, in LaTeX as sympy writes it, and with a name before it."""
    gold, kind = problem.reference, answer_type(problem)
    yield gold
    yield gold.replace("-", "−").translate({ord(d): ord(d) + 0xFEE0 for d in "0123456789"})
    if kind in ("surd", "power") or kind.endswith("polynomial"):
        yield sympy.latex(sympy.sympify(gold, locals=SYMBOLS, evaluate=False))
        yield gold.replace("-", "−").replace("**2", "²").replace("*", "·").replace("··", "^")
    elif kind == "number" and "." not in gold:
        yield sympy.latex(sympy.Rational(gold))
    if kind not in ("letter", "boolean", "time"):
        yield f"x = {gold}"


def test_every_module_accepts_its_answers_in_every_dress(test_data: Path, worker: Worker) -> None:
    for problem in real(test_data, first=1_000, count=3):
        for dress in dresses(problem):
            for wrapper in WRAPPERS:
                text = wrapper.format(dress)
                assert equivalent(text, problem, worker.equal).right is True, (text, problem)


def value(text: str, kind: str) -> Any:
    """The value of a text by Fraction and sympy, not by our own parser."""
    try:
        if kind == "number":
            return Fraction(text)
        if kind.endswith(" list"):
            items = [Fraction(i) if re.fullmatch(r"[-\d./]+", i) else i for i in text.split(", ")]
            return items if kind == "ordered list" else sorted(items, key=str)
        if kind in ("boolean", "base-n", "time", "letter"):
            return text
        return sympy.expand(sympy.sympify(text, locals=SYMBOLS))
    except (ValueError, ZeroDivisionError, SyntaxError, TypeError):
        return text


def changed_digits_and_signs(gold: str, draw: random.Random) -> Iterator[str]:
    """Another digit, one more or less, another sign, the last character cut off."""
    for place in [place for place, letter in enumerate(gold) if letter.isdigit()][:5]:
        yield f"{gold[:place]}{(int(gold[place]) + draw.randint(1, 9)) % 10}{gold[place + 1 :]}"
        yield gold[:place] + gold[place + 1 :]
        yield f"{gold[:place]}{draw.randint(1, 9)}{gold[place:]}"
    for place in [place for place, letter in enumerate(gold) if letter in "+-"]:
        yield f"{gold[:place]}{'-' if gold[place] == '+' else '+'}{gold[place + 1 :]}"
    yield f"-{gold}"
    yield gold[:-1]


def other_numbers(gold: str) -> Iterator[str]:
    """Rounded, in another base."""
    for digits in range(4):
        yield f"{float(Fraction(gold)):.{digits}f}"
    if re.fullmatch("-?[0-9]+", gold):
        for base in (2, 3, 8, 16):
            yield f"{'-' if gold[0] == '-' else ''}{to_base(abs(int(gold)), base)}"


def to_base(number: int, base: int) -> str:
    digits = "0123456789abcdef"[number % base]
    return (to_base(number // base, base) if number >= base else "") + digits


def other_forms(gold: str, kind: str, question: str) -> Iterator[str]:
    """Texts of the same value, or nearly, that are never right: not worked out, or not as asked."""
    items = gold.split(", ")
    if kind == "number":
        yield from (f"{gold} + 1 - 1", f"2*{gold}/2", f"{gold}*1", f"{gold} + 0", f"{gold}**1")
    elif kind.endswith(" list"):
        yield from (f"{gold}, 17", f"{gold}, {items[-1]}", " * ".join([*items, "1"]))
        if len(items) > 1:
            yield from (", ".join(items[1:]), ", ".join(items[:-1]))
            if kind == "ordered list":
                yield from (", ".join(reversed(items)), ", ".join(items[1:] + items[:1]))
    elif kind == "base-n":
        asked = re.search(r"(?:to|[Ii]n) base (\d+)", question)
        assert asked is not None
        yield from (f"{gold} (base {base})" for base in range(2, 17) if base != int(asked[1]))
        yield re.sub(r"^(-?)", r"\g<1>0", gold)
    elif kind == "time":
        yield gold.translate(str.maketrans("AP", "PA"))
    elif kind == "boolean":
        yield from ("False", "No") if gold == "True" else ("True", "Yes")
        yield f"not {gold}"
    elif kind == "letter":
        yield from (letter for letter in "abcdefghk" if letter != gold)
    else:
        yield from unfinished(gold, kind)


def unfinished(gold: str, kind: str) -> Iterator[str]:
    """Expressions of another value, or left unexpanded, uncollected, unreduced or unfactored."""
    yield from (f"{gold} + 1", f"{gold} + 0", f"1*({gold})", f"({gold}) + 1 - 1", f"{gold}*1")
    yield from (f"{gold}/1", f"({gold})**1", re.sub(r"(\d+)", r"2*\1/2", gold, count=1))
    exact = sympy.sympify(gold, locals=SYMBOLS)
    for letter in {str(symbol) for symbol in exact.free_symbols}:
        single = rf"(?<![a-z]){letter}(?![a-z])"
        yield re.sub(single, letter.upper(), gold)
        yield re.sub(single, "w" if letter != "w" else "y", gold)
        yield f"{gold} + 0*{letter}"
    if kind in ("expanded polynomial", "polynomial"):
        factors = sympy.factor(exact)
        if re.search(r"\(.*[a-z]", str(factors)):
            yield str(factors)
        first = sympy.Add.make_args(exact)[0]
        yield f"{gold} + 2*({first}) - 2*({first})"
    elif kind == "factored polynomial":
        content, factors = sympy.factor_list(exact)
        expanded = str(sympy.expand(exact))
        if factors[0][0].is_Add or len(factors) > 1:
            yield expanded if expanded != gold else f"{gold} + 1"
        (one, power), *rest = factors
        others = [f"({factor})**{times}" if times > 1 else f"({factor})" for factor, times in rest]
        if abs(content) != 1 and power == 1 and one.is_Add:
            yield "*".join([f"({sympy.expand(content * one)})", *others])
    elif kind == "power":
        base, exponent = sympy.powsimp(exact).as_base_exp()
        yield f"{base}**({2 * exponent.p}/{2 * exponent.q})"
        yield f"{base}*{base}**({exponent - 1})"
    elif kind == "surd":
        yield re.sub(r"sqrt\((\d+)\)", lambda root: f"sqrt({4 * int(root[1])})/2", gold)


def test_no_module_accepts_a_mutated_answer_in_any_dress(test_data: Path, worker: Worker) -> None:
    draw = random.Random(0)
    tried = 0
    for problem in real(test_data, first=2_000, count=2):
        gold, kind = problem.reference, answer_type(problem)
        others = [*changed_digits_and_signs(gold, draw)]
        others += other_numbers(gold) if kind == "number" else ()
        wrong = [text for text in others if value(text, kind) != value(gold, kind)]
        for text in (*wrong, *other_forms(gold, kind, problem.question)):
            if text.strip() in ("", gold):
                continue
            for wrapper in ("{}", "The answer is {}.", "\\boxed{{{}}}", "**{}**", "x = {}"):
                tried += 1
                given = wrapper.format(text)
                found = equivalent(given, problem, worker.equal)
                assert found.right is False, (given, problem, found)
    assert tried > 5_000


def test_no_module_accepts_an_answer_beside_another(test_data: Path, worker: Worker) -> None:
    beside = ("{0} or {1}", "{1} or {0}", "The answer is {1}. The answer is {0}.", "{0}\n{1}",
              "\\boxed{{{1}}} \\boxed{{{0}}}", "The answer is {0}, or maybe {1}.")  # fmt: skip
    problems = list(real(test_data, first=3_000, count=3))
    for problem, other in itertools.pairwise(problems):
        gold, wrong = problem.reference, other.reference
        if problem.module != other.module or gold.casefold() == wrong.casefold():
            continue
        if answer_type(problem) in ("factored polynomial", "unordered list"):
            continue  # their lists may be of several; see the cases above
        if answer_type(problem) != answer_type(Problem(wrong, problem.question, problem.module)):
            continue
        for pattern in beside:
            given = pattern.format(gold, wrong)
            assert equivalent(given, problem, worker.equal).right is False, (given, problem)


ANOTHER = (
    "{1}, since {0} is too small", "not {0} but {1}", "{0}? No, {1}", "The answer is {1}, not {0}",
    "{1} (not {0})", "I first thought {0}, but it is {1}", "{0} would be wrong; the answer is {1}",
    "{1} = {0} + 1", "x = {1}; check: {0}", "The answer is close to {0}", "almost {0}",
    "greater than {0}", "{0}-ish", "between {0} and {1}", "{0} + 1", "-({0})", "2*({0})", "{0}%",
    "{0}e3", "{0}^2", "√{0}", "1/{0}", "{0} or so", "if x = {0}", "{0} is not the answer",
    "{0} isn't right", "None of them; not {0}", "~{0}", "±{0}", "{0}{0}", "{0} {0}",
    "It is {1} rather than {0}", "The answer is {1}\nOr is it {0}", "Answer: {1}\n\nCheck: {0}",
    "\\boxed{{{1}}} since x = {0}", "Let x = {0}. The answer is {1}.", "x != {0}", "< {0}",
    "The answer is {1}. It differs from {0}", "The answer is {1}, which is less than {0}.",
    "{0} is less than {1}", "We have {0} < x", "{1}; the negative of it is {0}", "minus {0}",
    "The answer is the negative of {0}", "The opposite is {0}", "one more than {0}", "twice {0}",
    "half of {0}", "the square root of {0}", "{0} times 2", "{0} plus 1", "{0} million", "{0} ± 1",
    "{0} and a half", "0{0}0x", "[{0}, {1}]", "The answer is unknown, it is not {0}",
)  # fmt: skip


def test_no_module_accepts_a_sentence_that_says_another_answer(
    test_data: Path, worker: Worker
) -> None:
    tried = 0
    problems = list(real(test_data, first=500, count=3))
    for problem, other in itertools.pairwise(problems):
        gold, wrong, kind = problem.reference, other.reference, answer_type(problem)
        same_type = answer_type(Problem(wrong, other.question, other.module)) == kind
        same_form = set(gold) & set("./") == set(wrong) & set("./")
        if problem.module != other.module or gold == wrong or not (same_type and same_form):
            continue
        for pattern in ANOTHER:
            tried += 1
            given = pattern.format(gold, wrong)
            assert equivalent(given, problem, worker.equal).right is False, (given, problem)
    assert tried > 1_000


ONES = ["", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven",
        "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen",
        "nineteen"]  # fmt: skip
TENS = ["", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]


def output(number: int, joint: str, hyphen: str) -> str:
    """A whole number of at least 1, in words."""
    for size, name in ((10**9, "billion"), (10**6, "million"), (1000, "thousand")):
        if number >= size:
            rest = output(number % size, joint, hyphen) if number % size else ""
            return f"{output(number // size, joint, hyphen)} {name} {rest}".strip()
    if number >= 100:
        rest = output(number % 100, joint, hyphen) if number % 100 else ""
        return f"{ONES[number // 100]} hundred{joint if rest else ''}{rest}"
    if number >= 20:
        return TENS[number // 10] + (hyphen + ONES[number % 10] if number % 10 else "")
    return ONES[number]


@given(
    st.integers(1, 10**12 - 1), st.sampled_from([" ", " and "]), st.sampled_from(["-", " "]),
    st.booleans(),
)  # fmt: skip
def test_numbers_in_words(number: int, joint: str, hyphen: str, negative: bool) -> None:
    words = output(number, joint, hyphen)
    sign = "minus " if negative else ""
    assert spelled(sign + words.capitalize()) == f"{'-' if negative else ''}{number}"


@pytest.mark.parametrize(
    ("words", "number"),
    [
        ("zero", "0"), ("fourty-two", "42"), ("fourteeen", "14"), ("a half", "1/2"),
        ("one twelth", "1/12"), ("three quarters", "3/4"), ("minus two thirds", "-2/3"),
        ("seven hundred and five", "705"), ("thousand", None), ("twenty fifth", None),
        ("five twenty", None), ("one two", None), ("seven or eight", None), ("and", None),
        ("", None), ("minus", None), ("one million million", None), ("twenty eleven", None),
    ],
)  # fmt: skip
def test_spellings(words: str, number: str | None) -> None:
    assert spelled(words) == number


LETTERS = st.sampled_from("xyz")
MONOMIALS = st.tuples(st.integers(2, 99), LETTERS, st.integers(2, 9))


@given(st.lists(MONOMIALS, min_size=1, max_size=4))
def test_a_product_without_sign_means_what_sympy_takes_it_for(
    terms: list[tuple[int, str, int]],
) -> None:
    written = " + ".join(f"{number}{letter}^{power}" for number, letter, power in terms)
    exact = sum(number * SYMBOLS[letter] ** power for number, letter, power in terms)
    found = expression(written)
    assert found is not None
    assert sympy.expand(sympy.sympify(found, locals=SYMBOLS) - exact) == 0


@pytest.mark.parametrize("text", ["1/2x", "x/2y", "3/4(x + 1)", "x2", "(x)2", "2 3", "1/xy"])
def test_what_can_be_read_in_two_ways_is_not_read(text: str) -> None:
    assert expression(text) is None


TEXTS = st.text() | st.text("0123456789xy=.,:()[]{}\\$*^_-+/ \northeanswis", max_size=60)


@settings(max_examples=200)
@given(text=TEXTS, problem=st.sampled_from(list(RIGHT)))
def test_no_text_breaks_the_search(text: str, problem: Problem, worker: Worker) -> None:
    assert equivalent(text, problem, worker.equal).right in (True, False)


@pytest.mark.parametrize(
    "text",
    [
        "9**9**9", "x**9**9**9", "__import__('os').system('touch pwned')", "eval('7')", "\ud800 7",
        "lambda: 7", "7" * 10_000_000, "\n" * 99_000, " " * 99_000, "\\frac{" * 16_000,
        "\\boxed{" * 14_000, "{" * 49_000 + "}" * 49_000, "the answer is " * 7_000, "-\n" * 49_000,
        "(" * 99_000, "7 or " * 19_000, "x = 7\n" * 16_000, "**" * 49_000, "$" * 99_000, "1," * 49_000,
    ],
    ids=lambda text: f"{text[:12]!r}",
)  # fmt: skip
def test_hostile_texts_are_wrong_and_quickly_so(text: str, worker: Worker) -> None:
    worker.equal("x", "y")
    before = time.process_time()
    for problem in (HALF, LINEAR, PRIME, OPTION, ROOTS, CLOCK, BINARY):
        assert equivalent(text, problem, worker.equal).right is False
    assert time.process_time() - before < 60
    assert not Path("pwned").exists()
