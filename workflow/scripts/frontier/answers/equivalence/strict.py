"""The strict rule: the whole prediction is the answer, with the right value and form.

A value alone does not make an answer right: "12 * 34" is not 408, "1/2" is not a decimal, an
unexpanded product is not an expansion, a sorted list has an order. Longer texts are not searched,
and only the references' own notation is read: the answer is the whole prediction except surrounding
spaces and one full stop.
"""

from __future__ import annotations

from collections.abc import Callable

from frontier.answers.equivalence.expressions import MAX_LENGTH, Node, parse, variables
from frontier.answers.equivalence.forms import (
    factor_count,
    is_expanded,
    is_polynomial,
    is_simplified_surd,
    is_single_power,
)
from frontier.answers.equivalence.problems import (
    IN_DECIMALS,
    LETTER,
    TIME,
    AnswerType,
    Problem,
    answer_type,
    clean,
    number,
)

Equal = Callable[[str, str], bool | None]


def strict(prediction: str, problem: Problem, equal: Equal) -> bool | None:
    """True if a prediction answers a problem; None if `equal` reached no verdict in time.

    `equal` compares two admitted expressions, see algebra.py; it is called only if the form is
    right and the texts differ.
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
            if not in_form(first, second, kind):
                return False
            return first == second or equal(answer, reference)


def in_form(answer: Node, reference: Node, kind: AnswerType) -> bool:
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


def _same_number(answer: str, problem: Problem) -> bool:
    """True if equal in value, and in a form that the question or the reference uses.

    In arithmetic a fraction must be in lowest terms: "Divide 6 by 8" is not answered by 6/8.
    """
    given, expected = number(answer), number(clean(problem.reference))
    if given is None or expected is None or given[1] != expected[1]:
        return False
    if given[0] == "fraction" and problem.module.startswith("arithmetic"):
        reduced = int(answer.rpartition("/")[2]) == given[1].denominator
        return expected[0] == "fraction" and reduced
    return is_form_asked_for(answer, problem)


def is_form_asked_for(answer: str, problem: Problem) -> bool:
    """True if a number is whole, a decimal or a fraction like the question or the reference."""
    given, expected = number(answer), number(clean(problem.reference))
    if given is None or expected is None:
        return False
    if given[0] == "decimal":
        return expected[0] == "decimal" or bool(IN_DECIMALS.search(problem.question))
    return given[0] != "fraction" or expected[0] == "fraction"


def _same_list(answer: str, problem: Problem, ordered: bool) -> bool:
    """True if equal element by element, or as collections if order does not matter."""
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
