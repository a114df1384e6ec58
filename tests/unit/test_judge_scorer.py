"""The judge scorer in small worlds whose truth is known, so that a judge's errors can be counted."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from frontier.judging.asking import Inquiry, Item, Requests, known_pairs
from frontier.scorers import ScoredItem
from frontier.scorers.judge import UNJUDGED, UNREAD, Judge

Says = Callable[[str], str]
SUMS = {f"q{n}": (f"{n} + {n}", str(2 * n)) for n in range(1, 13)}


def keys(**options: object) -> Judge:
    given = {"judge": "m", "device": "cpu", "form": "pair", "against": ["other"], **options}
    return Judge.model_validate_json(json.dumps(given))


def asked_of(
    scorer: Judge, answers: dict[str, str], others: dict[str, str]
) -> tuple[list[ScoredItem], Requests]:
    """The items, and the requests about them with the judge's check."""
    items = [
        Item(
            name, question, answers.get(name), right,
            {} if scorer.form == "rating" else {"other": others[name]},
        )
        for name, (question, right) in SUMS.items()
    ]  # fmt: skip
    requests = Requests(scorer.asks())
    requests.add(items)
    requests.check(known_pairs(items))
    given = [
        ScoredItem(name, answers.get(name, ""), right, {}) for name, (_, right) in SUMS.items()
    ]
    return given, requests


def honest(text: str) -> str:
    """The verdict of a judge that can add."""
    question = text.split("<question>\n")[1].split("\n</question>")[0]
    right = sum(map(int, question.split(" + ")))
    answers = [part.split("\n</answer")[0].split(">\n", 1)[1] for part in text.split("<answer")[1:]]
    good = [answer == str(right) for answer in answers]
    if len(good) == 1:
        return "[[10]]" if good[0] else "[[1]]"
    return "[[C]]" if good[0] == good[1] else "[[A]]" if good[0] else "[[B]]"


def first(text: str) -> str:
    """The verdict of a judge that prefers what it sees first."""
    return "[[A]]"


def judged(scorer: Judge, answers: dict[str, str], others: dict[str, str], says: Says):  # type: ignore[no-untyped-def]  # noqa: ANN201
    given, requests = asked_of(scorer, answers, others)
    said = {name: says(text) for name, text in requests.texts.items()}
    return scorer.score_judged(given, requests.asked, said), requests


RIGHT = {name: right for name, (_, right) in SUMS.items()}
WRONG = dict.fromkeys(SUMS, "no idea")
HALF = {name: (right if place % 2 else "0") for place, (name, right) in enumerate(RIGHT.items())}


def test_an_honest_judge_finds_the_truth() -> None:
    found, requests = judged(keys(), RIGHT, HALF, honest)
    assert found.metrics["judged"].value == pytest.approx((6 * 1 + 6 * 0.5) / 12)
    assert found.details["check"]["value"] == 1
    assert found.details["withheld"] is None
    assert found.details["habits"]["consistent"]["value"] == 1
    assert found.details["habits"]["equal"] == 6
    # Equal answers are not asked about: six pairs in both orders, and those of the check.
    pairs = [one for one in requests.asked if not one.check]
    assert sum(one.equal for one in pairs) == 6
    assert all(one.first is one.second is None for one in pairs if one.equal)


def test_a_judge_that_prefers_the_first_is_found_out() -> None:
    found, _ = judged(keys(), RIGHT, WRONG, first)
    assert found.details["check"]["value"] == 0
    assert "named the better answer in 0%" in found.details["withheld"]
    assert found.metrics["judged"].value is None
    assert {row["score"] for row in found.requests} == {None}
    assert found.details["habits"]["first_placed"]["value"] == 1
    assert found.details["habits"]["consistent"]["value"] == 0
    trusting, _ = judged(keys(at_least=0.0), RIGHT, WRONG, first)
    assert trusting.metrics["judged"].value == 0.5  # both orders disagree: nothing but ties


def test_ratings_are_a_share_of_the_scale() -> None:
    found, _ = judged(keys(form="rating", against=[]), HALF, {}, honest)
    assert found.metrics["rating"].value == pytest.approx(5.5)
    assert found.metrics["judged"].value == pytest.approx(0.5)
    assert found.metrics["rating"].low is not None
    assert found.details["check"]["value"] == 1


def test_nonsense_is_unscored_and_counted() -> None:
    def sometimes(text: str) -> str:
        return "I cannot say" if "\n3 + 3\n" in text else honest(text)

    found, _ = judged(keys(), RIGHT, WRONG, sometimes)
    assert found.unscored == {UNREAD: 1}
    assert found.metrics["judged"].value == 1
    assert found.details["habits"]["unparsable"] == 2


def test_without_a_judge_nothing_is_scored() -> None:
    items, requests = asked_of(keys(), RIGHT, WRONG)
    for found in (keys().score(items), keys().score_judged(items, requests.asked, {})):
        assert found.unscored == {UNJUDGED: 12}
        assert found.metrics["judged"].value is None


def test_requests_name_no_variant_and_are_shared() -> None:
    """The same answers of another variant need no request of their own."""
    _, one = asked_of(keys(), RIGHT, HALF)
    _, two = asked_of(keys(judge="m"), dict(RIGHT), dict(HALF))
    assert one.texts == two.texts
    assert not any("other" in text.split("<question>")[1] for text in one.texts.values())
    swapped = Requests(keys().asks())
    swapped.add([Item("q1", "1 + 1", HALF["q1"], "2", {"other": RIGHT["q1"]})])
    assert swapped.texts.keys() <= one.texts.keys()


def test_failed_answers_are_not_judged() -> None:
    some = {name: one for name, one in RIGHT.items() if name != "q5"}
    found, requests = judged(keys(), some, WRONG, honest)
    assert "q5" not in {one.item for one in requests.asked}
    assert found.requests[4]["score"] is None


def test_what_is_asked_is_written_and_read() -> None:
    _, requests = asked_of(keys(), RIGHT, HALF)
    lines = [json.loads(json.dumps(one.line())) for one in requests.asked]
    assert [Inquiry.of_line(line) for line in lines] == requests.asked


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"form": "rating"}, "against and baseline are for pairs"),
        ({"against": []}, "needs either against or baseline"),
        ({"baseline": "output"}, "needs either against or baseline"),
        ({"template_name": "x"}, "template_name needs template"),
        ({"form": "identifier"}, "needs template"),
        ({"form": "duel"}, "rating"),
    ],
)
def test_keys_that_do_not_fit(options: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        keys(**options)
