"""The strict rule: right in other words, wrong in value or form, on all real modules; the scorer."""

from __future__ import annotations

import gzip
import json
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from frontier.answers.equivalence.algebra import Worker
from frontier.answers.equivalence.problems import Problem, answer_type
from frontier.answers.equivalence.strict import strict
from frontier.scorers import ScoredItem
from frontier.scorers.mathematics import Mathematics

EXPAND, COLLECT = "polynomials__expand", "polynomials__collect"
ROOTS, SURD = "algebra__polynomial_roots", "arithmetic__simplify_surd"
POWER, NTH = "polynomials__simplify_power", "algebra__sequence_nth_term"
BASE = "numbers__base_conversion"


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    with Worker(limit_s=60) as running:
        yield running


@pytest.mark.parametrize(
    ("prediction", "reference", "question", "module"),
    [
        ("408", "408", "12*34", "arithmetic__mul"),
        (" 408. ", "408", "12*34", "arithmetic__mul"),
        ("true", "True", "Is 7 prime?", "numbers__is_prime"),
        ("FALSE.", "False", "Is 8 prime?", "numbers__is_prime"),
        ("(B)", "b", "Which is nearest?  (a) 1  (b) 2 ", "comparison__closest"),
        ("9A6A1", "9a6a1", "Convert 1011 (base 2) to base 11.", BASE),
        ("6:16 pm", "6:16 PM", "What is 427 minutes after 11:09 AM?", "measurement__time"),
        ("2.50", "2.5", "Round 2.4972 to 2 dps.", "numbers__round_number"),
        ("3.0", "3", "What is 2.5 + 0.5?", "arithmetic__add_or_sub"),
        ("0.5", "1/2", "Which is the biggest of 1/2, 0.25?", "comparison__kth_biggest"),
        ("2/4", "1/2", "Give prob of picking 1 m.", "probability__swr_p_level_set"),
        ("2, -1, 1/3", "-1, 1/3, 2", "Suppose x**3 = 0. What is x?", ROOTS),
        ("5,3", "3, 5", "List the prime factors of 15.", "numbers__list_prime_factors"),
        ("-1,  p, 2", "-1, p, 2", "Put p, 2, -1 in ascending order.", "comparison__sort_composed"),
        ("1 + 2*x - 3*x**2", "-3*x**2 + 2*x + 1", "Expand (x - 1)*(-3*x - 1).", EXPAND),
        ("x^2*3/2", "3*x**2/2", "Expand 3*x*x/2.", EXPAND),
        ("-2*(g - 4)*(g - 9)", "-2*(g - 9)*(g - 4)", "Factor this.", ROOTS),
        ("2*(4 - g)*(g - 9)", "-2*(g - 9)*(g - 4)", "Factor this.", ROOTS),
        ("(i + 5)*(i + 5)*i", "i*(i + 5)**2", "Factor this.", ROOTS),
        ("8*sqrt(7) - 227", "-227 + 8*sqrt(7)", "Simplify sqrt(49).", SURD),
        ("-5/12*sqrt(13)", "-5*sqrt(13)/12", "Simplify sqrt(49).", SURD),
        ("1/n**(3/2)", "n**(-3/2)", "Simplify this assuming n is positive.", POWER),
        ("3*(n - 1) + 5", "3*n + 2", "What is the n'th term of 5, 8, 11?", NTH),
    ],
)
def test_right_in_other_words(
    prediction: str, reference: str, question: str, module: str, worker: Worker
) -> None:
    assert strict(prediction, Problem(reference, question, module), worker.equal) is True


@pytest.mark.parametrize(
    ("prediction", "reference", "question", "module"),
    [
        ("12 * 34", "408", "12*34", "arithmetic__mul"),
        ("408.0", "408", "12*34", "arithmetic__mul"),
        ("816/2", "408", "12*34", "arithmetic__mul"),
        ("the answer is 408", "408", "12*34", "arithmetic__mul"),
        ("408..", "408", "12*34", "arithmetic__mul"),
        ("4 08", "408", "12*34", "arithmetic__mul"),
        ("٤٠٨", "408", "12*34", "arithmetic__mul"),
        ("", "408", "12*34", "arithmetic__mul"),
        ("yes", "True", "Is 7 prime?", "numbers__is_prime"),
        ("2", "b", "Which is nearest?  (a) 1  (b) 2 ", "comparison__closest"),
        ("1e5", "100000", "Convert 186a0 (base 16) to base 10.", BASE),
        ("0101", "101", "Convert 5 (base 10) to base 2.", BASE),
        ("18:16", "6:16 PM", "What is 427 minutes after 11:09 AM?", "measurement__time"),
        ("6:16 AM", "6:16 PM", "What is 427 minutes after 11:09 AM?", "measurement__time"),
        ("0.5", "1/2", "Give prob of picking 1 m.", "probability__swr_p_level_set"),
        ("0.33", "1/3", "Which is the biggest of 1/3, 0.25?", "comparison__kth_biggest"),
        ("5/2", "2.5", "Round 2.4972 to 2 dps.", "numbers__round_number"),
        ("6/8", "3/4", "Divide 6 by 8.", "arithmetic__div"),
        ("1/0", "1/2", "Divide 6 by 12.", "arithmetic__div"),
        ("2, 1, -1", "-1, 1, 2", "Sort 2, 1, -1 in ascending order.", "comparison__sort"),
        ("-1, 2", "-1, 1, 2", "Suppose x**3 = 0. What is x?", ROOTS),
        ("2, 2, 3", "2, 3, 3", "List the prime factors.", "numbers__list_prime_factors"),
        ("(x - 1)*(-3*x - 1)", "-3*x**2 + 2*x + 1", "Expand (x - 1)*(-3*x - 1).", EXPAND),
        ("-3*x*x + 2*x + 1", "-3*x**2 + 2*x + 1", "Expand (x - 1)*(-3*x - 1).", EXPAND),
        ("-3*x**2 + x + x + 1", "-3*x**2 + 2*x + 1", "Collect the terms.", COLLECT),
        ("2*3*x", "6*x", "Collect the terms.", COLLECT),
        ("-3*y**2 + 2*y + 1", "-3*x**2 + 2*x + 1", "Expand (x - 1)*(-3*x - 1).", EXPAND),
        ("-2*g**2 + 26*g - 72", "-2*(g - 9)*(g - 4)", "Factor this.", ROOTS),
        ("i*(i**2 + 10*i + 25)", "i*(i + 5)**2", "Factor this.", ROOTS),
        ("sqrt(28) - 227", "-227 + 2*sqrt(7)", "Simplify sqrt(49).", SURD),
        ("-227 + sqrt(7) + sqrt(7)", "-227 + 2*sqrt(7)", "Simplify sqrt(49).", SURD),
        ("n*n**(1/2)", "n**(3/2)", "Simplify this assuming n is positive.", POWER),
        ("-1/n", "1/n", "Simplify this assuming n is positive.", POWER),
    ],
)
def test_wrong_or_in_another_form(
    prediction: str, reference: str, question: str, module: str, worker: Worker
) -> None:
    assert strict(prediction, Problem(reference, question, module), worker.equal) is False


def modules(test_data: Path) -> dict[str, list[Problem]]:
    """A few dozen problems of each real module, those that parse into other forms among them."""
    found = {}
    for path in sorted((test_data / "mathematics" / "interpolate").glob("*.json.gz")):
        module = path.name.removesuffix(".json.gz")
        with gzip.open(path, "rt", encoding="utf-8") as file:
            rows = json.load(file)[:36]
        found[module] = [Problem(row["answer"], row["question"], module) for row in rows]
    return found


def test_every_module_accepts_its_answers_and_no_others(test_data: Path, worker: Worker) -> None:
    found = modules(test_data)
    assert len(found) == 54
    for module, problems in found.items():
        others = problems[1:] + problems[:1]
        wrongly = 0
        for problem, other in zip(problems, others, strict=True):
            assert answer_type(problem) != "text", problem
            for spelling in (problem.reference, f" {problem.reference}.\n"):
                assert strict(spelling, problem, worker.equal) is True, problem
            if other.reference != problem.reference:
                wrongly += strict(other.reference, problem, worker.equal) is not False
        assert wrongly <= 1, module


def reordered(expression: str) -> str:
    """A sum's terms from last to first."""
    terms = re.findall(r"[+-]? ?[^ +-]+(?:\*\*\(-?[0-9/]+\))?", expression)
    signed = [t if t[0] in "+-" else f"+{t}" for t in (t.replace(" ", "") for t in terms)]
    return "".join(reversed(signed)).removeprefix("+")


def test_every_module_takes_or_refuses_another_order(test_data: Path, worker: Worker) -> None:
    seen = dict.fromkeys(
        ("ordered list", "unordered list", "expanded polynomial", "polynomial", "surd"), 0
    )
    for problems in modules(test_data).values():
        for problem in problems:
            kind = answer_type(problem)
            if kind.endswith(" list"):
                other = ", ".join(reversed(problem.reference.split(", ")))
                right = kind == "unordered list"
            elif kind in ("expanded polynomial", "polynomial", "surd"):
                other, right = reordered(problem.reference), True
            else:
                continue
            if other != problem.reference:
                seen[kind] += 1
                assert strict(other, problem, worker.equal) is right, (problem, other)
    assert min(seen.values()) >= 20, seen


REFERENCES = ["408", "1/2", "-2.5", "True", "b", "-1, 2", "6*x + 1", "-227 - 8*sqrt(7)", "6:16 PM"]
MATHS = st.text("0123456789xyb+-*/^(), .sqrt", max_size=30)


@settings(max_examples=300)
@given(
    prediction=st.text() | MATHS,
    reference=st.sampled_from(REFERENCES) | st.text() | MATHS,
    question=st.sampled_from(["", "Factor this.", "the n'th term", "in base 3", "0.5"]),
    module=st.sampled_from(["", EXPAND, ROOTS, SURD, POWER, NTH, BASE, "comparison__sort"]),
)
def test_no_text_breaks_a_comparison(
    prediction: str, reference: str, question: str, module: str, worker: Worker
) -> None:
    problem = Problem(reference, question, module)
    assert strict(prediction, problem, worker.equal) in (True, False)
    assert strict(reference, problem, worker.equal) is True


def test_three_figures_and_what_is_between_them() -> None:
    question = {"question": "Expand 2*(x + 1).", "module": EXPAND}
    answers = [
        ScoredItem("1", " 2*x + 2\n", "2*x + 2", question),
        ScoredItem("2", "2 + 2*x", "2*x + 2", question),
        ScoredItem("3", "2*(x + 1)", "2*x + 2", question),
        ScoredItem("4", "7.", "7", {}),
        ScoredItem("5", "The answer is $2x + 2$.", "2*x + 2", question),
        ScoredItem("6", "7 or 8", "7", {}),
        ScoredItem("7", "I do not know.", "7", {}),
        ScoredItem("8", "2*x + 2 + 0*x", "2*x + 2", question),
    ]
    found = Mathematics(time_limit_s=60).score(answers)
    assert [row["score"] for row in found.requests] == [1, 1, 0, 1, 1, 0, 0, 0]
    assert [row["strict"] for row in found.requests] == [
        True, True, False, True, False, False, False, False,
    ]  # fmt: skip
    assert [row["exact_match"] for row in found.requests] == [True, *[False] * 7]
    assert [row["ambiguous"] for row in found.requests] == [*[False] * 5, True, False, False]
    assert found.requests[4]["answer"] == "2*x + 2"
    values = {name: metric.value for name, metric in found.metrics.items()}
    assert values == {
        "equivalent": 4 / 8, "strict": 3 / 8, "exact_match": 1 / 8, "format_gap": 1 / 8,
        "ambiguous_rate": 1 / 8,
    }  # fmt: skip
    gap = found.metrics["format_gap"]
    assert gap.low is not None
    assert gap.high is not None
    assert gap.low < 1 / 8 < gap.high
    assert (found.details["unscored"], found.details["without_answer"]) == (0, 1)
    assert found.details["ambiguous"] == 1


def test_no_verdict_in_time_leaves_the_denominator_and_is_counted() -> None:
    question = {"question": "Expand 2*(x + 1).", "module": EXPAND}
    # The second takes a fifth of a second: a verdict on less could be there before the first look.
    answers = [
        ScoredItem("1", "2*x + 2", "2*x + 2", question),
        ScoredItem("2", "(a + b + c + d)**16", "(a + b + c + d)**15", question),
        ScoredItem("3", "2*(x + 1)", "2*x + 2", question),
        ScoredItem("4", "7.", "7", {}),
    ]
    hurried = Mathematics(time_limit_s=1e-9).score(answers)
    assert [row["score"] for row in hurried.requests] == [1.0, None, 0.0, 1.0]
    assert hurried.metrics["equivalent"].value == pytest.approx(2 / 3)
    assert hurried.details["unscored"] == 1


def test_what_is_too_large_to_expand_is_wrong_and_quickly_so() -> None:
    question = {"question": "Expand x + 1.", "module": NTH}
    huge = ["(a + b + c + d + e + f)**16", "(x + 1)**16*(x + 2)**16*(x + 3)**16",
            "((((9*x)**16)**16)**16)**16", "(((x + 1)**16)**16)**16"]  # fmt: skip
    before = time.process_time()
    found = Mathematics().score([ScoredItem(text, text, "x + 1", question) for text in huge])
    assert time.process_time() - before < 20
    assert [row["score"] for row in found.requests] == [0.0] * len(huge)
    assert found.details["unscored"] == 0


def test_no_requests_no_figures() -> None:
    assert {metric.value for metric in Mathematics().score([]).metrics.values()} == {None}


def test_five_hundred_requests_take_seconds(test_data: Path) -> None:
    answers = [
        ScoredItem(
            str(i), reordered(p.reference), p.reference, {"question": p.question, "module": m}
        )
        for m, problems in modules(test_data).items()
        for i, p in enumerate(problems[:10])
    ]
    before = time.process_time()
    found = Mathematics(time_limit_s=60).score(answers)
    assert time.process_time() - before < 30
    assert found.details["unscored"] == 0
