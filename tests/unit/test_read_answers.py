"""Readers of numbers, letters and JSON in a text, and scorers that compare what they find."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from sklearn.metrics import accuracy_score

from frontier import patterns
from frontier.answers import choices, json_values, numbers
from frontier.errors import UserError
from frontier.scorers import Score, ScoredItem, Scorer
from frontier.scorers.choice import Choice
from frontier.scorers.contains import Contains
from frontier.scorers.exact import Exact
from frontier.scorers.json import Json
from frontier.scorers.number import Number
from frontier.scorers.regex import MOST_ENDLESS, NO_VERDICT, Regex
from frontier.values import NO_VALUE

ENDLESS, HARD = r"(a|aa)+$", "a" * 60 + "b"


def scored(scorer: Scorer, *pairs: tuple[str, str | Sequence[str]]) -> Score:
    """The score of (answer, reference or references) pairs."""
    items = []
    for place, (text, known) in enumerate(pairs):
        first, *others = [known] if isinstance(known, str) else known
        items.append(ScoredItem(str(place), text, first, {}, also_accepted=tuple(others)))
    return scorer.score(items)


def right(scorer: Scorer, text: str, known: str | Sequence[str]) -> bool:
    return scored(scorer, (text, known)).requests[0]["score"] == 1


# Numbers


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("18...", "18"),
        ("It costs $1,000.00.", "1000"),
        ("10-5", "5"),
        ("x-5", "5"),
        ("The change is -5", "-5"),
        ("(-5)", "-5"),
        ("\u22125", "-5"),
        ("-$5", "-5"),
        ("50%", "50"),
        ("So 18.", "18"),
        ("3, 4, 5...", "5"),
        ("about .5 of it", ".5"),
        ("1.5e3", "1500"),
        ("2.5e-2", ".025"),
        ("Item 7b", "7"),
        (r"\boxed{18} is it, in 3 steps", "18"),
        (r"first \boxed{3}, then $\boxed{1{,}000}$ of 5", "1000"),
        ("#### 18\n\nQuestion: What is 3+4?\nAnswer: #### 7", "18"),
        ("18\nQ: next? A: 9", "18"),
        ("Question: 5 what? Answer: 12", "12"),
        ("<think>maybe 3</think> 4", "4"),
        ("<think>maybe 3", None),
        ("no idea", None),
        ("", None),
        ("9" * 2000, None),
    ],
)
def test_numbers_are_read_flexibly(text: str, expected: str | None) -> None:
    found = numbers.read(text)
    assert found == (None if expected is None else Decimal(expected))


def test_the_mark_comes_before_the_last_number_and_its_last_one_counts() -> None:
    shots = "#### 3\n\nAnd now: 2 + 2 = 4\n#### 4\nThat took 7 steps."
    assert numbers.read(shots, "####") == 4
    assert numbers.read(shots) == 7
    assert numbers.marked("#### $1,234.50 dollars", "####") == Decimal("1234.5")
    assert numbers.marked("#### about 5", "####") is None
    assert numbers.marked("5", "####") is None


@given(
    st.decimals(
        allow_nan=False, allow_infinity=False, places=3, min_value=-(10**9), max_value=10**9
    )
)
def test_a_number_in_a_sentence_is_that_number(value: Decimal) -> None:
    for written in (f"{value:f}", f"{value:,f}", f"$ {value:f}".replace("$ -", "-$")):
        assert numbers.read(f"The result is {written}.") == value
        assert numbers.value(written) == value


@given(st.text())
def test_no_text_breaks_a_reader(text: str) -> None:
    numbers.read(text, "####")
    choices.read(text, "ABCD")
    json_values.read(text)


def test_gsm8k_itself_is_right_strictly_and_in_other_words(test_data: Path) -> None:
    """All of the test set: the worked answers, and the same numbers without the mark."""
    with gzip.open(test_data / "gsm8k/test.jsonl.gz", "rt", encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    golds = [row["answer"].rpartition("#### ")[2] for row in rows]
    assert (len(rows), sum("," in gold for gold in golds)) == (1319, 14)
    assert max(Decimal(gold.replace(",", "")) for gold in golds) == 2_880_000
    scorer = Number(mark="####")
    whole = scored(scorer, *((row["answer"], row["answer"]) for row in rows))
    assert whole.metrics["accuracy"].value == whole.metrics["strict"].value == 1
    assert whole.unparsable == 0
    worded = [f"Step 1: 2 * 3 = 6. So it is ${gold}.00 in all." for gold in golds]
    other = scored(scorer, *zip(worded, (row["answer"] for row in rows), strict=True))
    assert other.metrics["accuracy"].value == 1
    assert other.metrics["strict"].value == 0
    recited = [f"#### 5\n\nQuestion: {row['question']}" for row in rows]
    wrong = scored(scorer, *zip(recited, (row["answer"] for row in rows), strict=True))
    assert wrong.metrics["accuracy"].value == golds.count("5") / 1319


def test_tolerances_are_of_values_not_of_spellings() -> None:
    assert right(Number(), "18.0", "18")
    assert not right(Number(), "18.001", "18")
    assert right(Number(tolerance=0.001), "18.001", "18")
    assert not right(Number(tolerance=0.001), "18.0011", "18")
    assert right(Number(relative_tolerance=0.01), "99", "100")
    assert not right(Number(relative_tolerance=0.01), "98.9", "100")
    assert right(Number(), "2", ["1", "2"])
    assert not right(Number(tolerance=1), "1e999999999", "3")
    assert not right(Number(relative_tolerance=0.5), "3", "1e999999999")


def test_the_number_scorers_counts_and_its_faulty_references() -> None:
    found = scored(Number(), ("7", "7"), ("none", "7"), ("", "7"), ("8", "7"))
    assert [row["score"] for row in found.requests] == [1, 0, 0, 0]
    assert found.unparsable == 1
    assert found.metrics["accuracy"].value == 0.25
    with pytest.raises(UserError, match=r"request 0: reference '7 apples' is not a number"):
        scored(Number(), ("7", "7 apples"))


# Letters


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Answer: C", "C"),
        ("ANSWER : c.", "C"),
        ("**Answer:** C", "C"),
        ("Answer: (B) because A is wrong", "B"),
        ("Answer: $\\boxed{D}$", "D"),
        ("Answer: A\nNo. Answer: B", "B"),
        ("C", "C"),
        (" (C)\n", "C"),
        ("C. 12", "C"),
        ("C) 12", "C"),
        ("The answer is B.", "B"),
        ("Let me see.\n\nB", "B"),
        ("<think>Answer: A</think>Answer: B", "B"),
        ("<think>Answer: A", None),
        ("A. 1\nB. 2\nC. 3", None),
        ("Answer: Because of it", None),
        ("The answer is a matter of taste", None),
        ("A cat sits here.", None),
        ("Answer: E", None),
        ("", None),
    ],
)
def test_letters_are_read_by_mark_or_line(text: str, expected: str | None) -> None:
    assert choices.read(text, "ABCD") == expected


def test_the_choice_scorer_counts_letters_and_refuses_others() -> None:
    found = scored(Choice(), ("Answer: D", "D"), ("D", "A"), ("?", "B"), ("", "C"))
    assert found.metrics["accuracy"].value == 0.25
    assert found.unparsable == 1
    assert found.details["chosen"] == {"A": 0, "B": 0, "C": 0, "D": 2}
    assert right(Choice(letters="ABCDEFGHIJ"), "Answer: J", "J")
    with pytest.raises(UserError, match="reference 'E' is not one of the letters ABCD"):
        scored(Choice(), ("E", "E"))


def test_shares_are_scikit_learns() -> None:
    """Letters and numbers, some of them missing: an answer without one is a class of its own."""
    rng = random.Random(4)
    golds = [rng.choice("ABCD") for _ in range(300)]
    read = [rng.choice([gold, *"ABCD", "?"]) for gold in golds]
    texts = ["no idea" if one == "?" else f"So it is.\nAnswer: {one}" for one in read]
    found = scored(Choice(), *zip(texts, golds, strict=True))
    assert found.metrics["accuracy"].value == pytest.approx(accuracy_score(golds, read))
    assert found.unparsable == read.count("?")
    digits = [str("ABCD".index(gold)) for gold in golds]
    said = ["none" if one == "?" else f"I count {'ABCD'.index(one)}." for one in read]
    share = scored(Number(), *zip(said, digits, strict=True)).metrics["accuracy"].value
    assert share == pytest.approx(accuracy_score(golds, read))


# Exact match, containment, patterns


def test_exact_match_compares_the_whole_text_unless_told() -> None:
    assert right(Exact(), "Paris", "Paris")
    assert not right(Exact(), " Paris", "Paris")
    assert not right(Exact(), "paris", "Paris")
    assert right(Exact(normalise=("strip",)), " Paris\n", "Paris")
    assert right(Exact(normalise=("case",)), "PARIS", "Paris")
    assert right(Exact(), "Lutetia", ["Paris", "Lutetia"])
    assert scored(Exact(), ("", "Paris")).unparsable is None
    squad = Exact(normalise=("case", "punctuation", "articles", "spaces"))
    assert right(squad, "The  cat's $5 hat.", "cats 5 hat")
    assert right(Exact(normalise=("width",)), "１２", "12")


def test_an_empty_reference_makes_no_empty_answer_right() -> None:
    for scorer in (Exact(normalise=("punctuation",)), Contains(normalise=("punctuation",))):
        with pytest.raises(UserError, match=r"request 0: reference '\?' is empty"):
            scored(scorer, ("", "?"))
    with pytest.raises(UserError, match="reference '' is empty"):
        scored(Exact(), ("", ""))


def test_containment_of_words_or_letters() -> None:
    assert right(Contains(), "It is Rome, I think", "Rome")
    assert right(Contains(), "Romeo", "Rome")
    assert not right(Contains(whole_words=True), "Romeo", "Rome")
    assert not right(Contains(whole_words=True), "17", "7")
    assert right(Contains(whole_words=True), "7!", "7")
    assert right(Contains(), "or Bern", ["Rome", "Bern"])
    assert right(Contains(normalise=("case",)), "ROME", "Rome")


def test_a_pattern_finds_the_answer() -> None:
    scorer = Regex(pattern=r"city: (\w+)", normalise=("case",))
    found = scored(scorer, ("city: Rome, city: PARIS", "Paris"), ("Paris", "Paris"), ("", "Paris"))
    assert [row["score"] for row in found.requests] == [1, 0, 0]
    assert [row["answer"] for row in found.requests] == ["PARIS", None, None]
    assert found.unparsable == 1
    assert right(Regex(pattern=r"\w+", take="first"), "Rome or Paris", "Rome")
    assert not right(Regex(pattern=r"(x)?Rome"), "Rome", "Rome")


def test_references_may_be_patterns() -> None:
    assert right(Regex(), "in 1989, I think", r"\b19\d\d\b")
    assert not right(Regex(), "in 2019", r"^19\d\d$")
    with pytest.raises(UserError, match=r"request 0: reference '\(' is not a regular expression"):
        scored(Regex(), ("x", "("))


def test_endless_patterns_leave_answers_unscored_then_are_refused() -> None:
    scorer = Regex(pattern=ENDLESS, time_limit_s=0.05)
    found = scored(scorer, *[(HARD, "a")] * MOST_ENDLESS, ("ba", "a"))
    assert [row["score"] for row in found.requests] == [None] * MOST_ENDLESS + [1]
    assert found.unscored == {NO_VERDICT: MOST_ENDLESS}
    assert found.metrics["matched"].value == 1
    with pytest.raises(UserError, match=r"has taken more than 0\.05 s on 6 answers"):
        scored(scorer, *[(HARD, "a")] * (MOST_ENDLESS + 1))


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("(", "not a regular expression"),
        ("(?:a{9999}){9999}", "counted repeats"),
        ("(?:(?:a{99}){99}){999}", "counted repeats"),
        ("a" * 10_001, "longer than"),
        ("(?P<x>a)(?P<x", "not a regular expression"),
    ],
)
def test_what_is_no_usable_pattern_is_refused(pattern: str, reason: str) -> None:
    assert reason in (patterns.why_invalid(pattern) or "")
    with pytest.raises(ValidationError, match=reason):
        Regex(pattern=pattern)


# JSON

KNOWN = '{"name": "Ann", "age": 30, "address": {"city": "Rome", "zip": null}, "tags": ["a", "b"]}'


@pytest.mark.parametrize(
    "text",
    [
        KNOWN,
        f"Here it is:\n```json\n{KNOWN}\n```\nDone.",
        f"```\n{{}}\n```\n```json\r\n{KNOWN}\n```",
        f"```json\n{KNOWN}",
        f"Sure! {KNOWN} Is [that] all?",
        f"<think>{{}}</think>{KNOWN}",
        KNOWN.replace("30", "30.0"),
        '{"tags": ["a", "b"], "address": {"zip": null, "city": "Rome"}, "age": 3e1, "name": "Ann", "x": 1}',
    ],
)
def test_json_is_found_and_compared_by_value(text: str) -> None:
    found = scored(Json(), (text, KNOWN))
    assert found.requests[0]["score"] == 1
    assert found.metrics["fields_right"].value == 1


@pytest.mark.parametrize(
    ("text", "share"),
    [
        (KNOWN.replace("30", '"30"'), 4 / 5),
        (KNOWN.replace("30", "true"), 4 / 5),
        (KNOWN.replace("null", "0"), 4 / 5),
        (KNOWN.replace('["a", "b"]', '["b", "a"]'), 4 / 5),
        ('{"name": "Ann"}', 1 / 5),
        ("[]", 0),
    ],
)
def test_json_fields_are_right_one_by_one(text: str, share: float) -> None:
    found = scored(Json(), (text, KNOWN))
    assert found.requests[0]["score"] == 0
    assert found.unparsable == 0
    assert found.metrics["fields_right"].value == pytest.approx(share)


@pytest.mark.parametrize(
    "text", ["none", "{'name': 'Ann'}", "{", "[" * 100_000, "NaN", '{"a": NaN}']
)
def test_what_is_not_json_is_counted(text: str) -> None:
    found = scored(Json(), (text, KNOWN))
    assert found.unparsable == 1
    assert found.requests[0]["fields_right"] == 0


def test_json_fields_that_are_named() -> None:
    scorer = Json(fields=("address.city", "tags.1"))
    assert right(scorer, '{"address": {"city": "Rome"}, "tags": [0, "b"]}', KNOWN)
    assert not right(scorer, '{"address": {"city": "Bern"}, "tags": [0, "b"]}', KNOWN)
    with pytest.raises(UserError, match=r"no field 'address.town' \(did you mean 'address.city'"):
        scored(Json(fields=("address.town",)), ("{}", KNOWN))
    for wrong in ("Ann", "{}", "3", "{'a': 1}"):
        with pytest.raises(UserError, match="is not a JSON object or list"):
            scored(Json(), ("{}", wrong))
    assert right(Json(), "[1, 2]", ["[2]", "[1, 2.0]"])
    assert json_values.read("no") is NO_VALUE
