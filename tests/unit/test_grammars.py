"""The demo's grammars: what they say is right, and training never meets a test example."""

from __future__ import annotations

import random
from collections import Counter
from itertools import islice, pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from frontier.datasets.demo import Demo
from frontier.errors import UserError
from frontier.grammars import GRAMMARS, Example, Split, sentiment, translation
from frontier.grammars.sentiment import Sentiment
from frontier.grammars.translation import Translation

SEEDS = st.integers(0, 2**32)


def draw(grammar: str, count: int, split: Split = "test") -> list[Example]:
    return list(islice(GRAMMARS.load(grammar)().examples(split, 0), count))


@pytest.mark.parametrize("grammar", GRAMMARS.names())
def test_no_test_example_is_a_training_example(grammar: str) -> None:
    training = {example.digest for example in draw(grammar, 7000, "train")}
    held_out = {example.digest for example in draw(grammar, 700)}
    assert len(training) == 7000
    assert len(held_out) == 700
    assert not training & held_out


@pytest.mark.parametrize("grammar", GRAMMARS.names())
def test_the_same_examples_every_time_and_none_twice(grammar: str) -> None:
    first, second = draw(grammar, 300), draw(grammar, 300)
    assert first == second
    assert len({example.digest for example in first}) == 300


def test_known_examples_stay_as_they_are() -> None:
    """Samples must not differ between machines: only a change of a grammar changes these."""
    found = {name: draw(name, 50)[-1].digest[:8] for name in GRAMMARS.names()}
    assert found == {
        "arithmetic": "85dd7a2a", "comparison": "4f9d1864", "needle": "ba49bc78", "orders": "21456354",
        "ratings": "6713eda9", "sentiment": "ff898c4f",
        "translation": "b4bd81d5",
    }  # fmt: skip


@pytest.mark.parametrize("grammar", GRAMMARS.names())
@given(seed=SEEDS)
def test_examples_have_the_fields_that_the_grammar_tells(grammar: str, seed: int) -> None:
    world = GRAMMARS.load(grammar)()
    example = world.example(random.Random(seed))
    assert tuple(example.fields) == world.FIELDS
    assert all(text == text.strip() and "\n" not in text for text in example.fields.values())
    assert example.reference == example.reference.strip() != ""


@given(seed=SEEDS)
def test_arithmetic_is_right(seed: int) -> None:
    example = GRAMMARS.load("arithmetic")().example(random.Random(seed))
    first, sign, second = example.fields["question"].split()
    carries = (int(first[-1]) + int(second[-1]) > 9) if sign == "+" else (first[-1] < second[-1])
    assert 10 <= int(first) <= 99
    assert 10 <= int(second) <= 99
    assert int(example.reference) == (
        int(first) + int(second) if sign == "+" else int(first) - int(second)
    )
    assert int(first) >= int(second)
    assert carries == example.stratum.endswith(("carrying", "borrowing"))


VERDICTS = {
    "the plot is clever": "positive",
    "the plot is not clever": "negative",
    "nobody could say that the plot is not clever": "positive",
    "the plot is clever , but the cast is slightly dull": "negative",
    "although the plot is very clever , the cast is not moving": "negative",
    "the plot is slightly cold , although the cast is very warm": "negative",
    "the plot is slightly cold and the cast is warm": "positive",
    "the plot is not very cold and the cast is dull": "negative",
}


def verdict(sentence: str) -> str:
    """The label of a sentence by the rules in the grammar's docstring, read the other way round."""

    def value(part: str) -> int:
        words = part.replace("although", "").split()
        polarity = 1 if words[-1] in sentiment.PRAISE else -1
        strength = sentiment.ADVERBS[words[-2] if words[-2] in sentiment.ADVERBS else ""]
        if "not" in words:
            polarity, strength = -polarity, 1 if strength == 3 else strength
        framed = any(frame in part for frame in sentiment.FRAMES)
        return -polarity * strength if framed else polarity * strength

    if ", but " in sentence or sentence.startswith("although"):
        decisive = value(sentence.split(" , ")[1])
    elif ", although " in sentence:
        decisive = value(sentence.split(" , ")[0])
    else:
        decisive = max(map(value, sentence.split(" and ")), key=abs)
    return "positive" if decisive > 0 else "negative"


@pytest.mark.parametrize("sentence", VERDICTS)
def test_verdicts_written_by_hand(sentence: str) -> None:
    assert verdict(sentence) == VERDICTS[sentence]


@given(seed=SEEDS)
@settings(max_examples=500)
def test_labels_follow_from_the_sentence(seed: int) -> None:
    example = Sentiment().example(random.Random(seed))
    assert example.reference == verdict(example.fields["sentence"])


def test_no_word_gives_the_label_away() -> None:
    """The polarity of the last adjective alone is right clearly less often than the aim of 90 %."""
    examples = draw("sentiment", 2000)
    labels = Counter(example.reference for example in examples)
    assert 0.45 < labels["positive"] / 2000 < 0.55
    for word in (*sentiment.PRAISE, *sentiment.BLAME):
        having = [e.reference for e in examples if word in e.fields["sentence"].split()]
        assert having.count("positive") / len(having) == pytest.approx(0.5, abs=0.3)
    last = [
        (e.fields["sentence"].split()[-1] in sentiment.PRAISE) == (e.reference == "positive")
        for e in examples
    ]
    assert sum(last) / 2000 < 0.75


@given(seed=SEEDS)
@settings(max_examples=300)
def test_translation_agrees_in_both_languages(seed: int) -> None:
    example = Translation().example(random.Random(seed))
    chinese, english = example.fields["chinese"], example.fields["english"]
    assert " " not in chinese
    assert not any("a" <= letter <= "z" for letter in chinese)
    assert english.isascii()
    assert example.reference == english
    # Time precedes the verb in Chinese and ends its clause in English.
    time = next(time for time in translation.TIMES if time in chinese)
    verb = next(verb for verb in translation.VERBS if verb.chinese in chinese)
    assert chinese.index(time) < chinese.index(verb.chinese)
    words = english.split()
    form = next(word for word in words if word in (verb.base, verb.past, verb.third))
    assert english.index(f" {form} ") < english.index(translation.TIMES[time][0])
    # The measure word is the one of the thing.
    thing = max((t for t in translation.THINGS if t in chinese), key=len)
    assert translation.THINGS[thing][0] in chinese
    for article, noun in pairwise(words):
        if article in ("a", "an"):
            assert (article == "an") == (noun[0] in "aeiou")


def test_an_unknown_grammar_gets_the_nearest_name() -> None:
    with pytest.raises(UserError, match=r"'sentimant'.*did you mean 'sentiment'"):
        GRAMMARS.load("sentimant")
    with pytest.raises(ValueError, match=r"did you mean 'arithmetic'"):
        Demo(grammar="aritmetic")


@pytest.mark.parametrize("grammar", GRAMMARS.names())
def test_the_loader_yields_held_out_rows_with_stable_ids(grammar: str, tmp_path: Path) -> None:
    few = list(Demo(grammar=grammar, candidates=200).rows(tmp_path))
    many = list(Demo(grammar=grammar, candidates=400).rows(tmp_path))
    assert many[:200] == few
    assert len({row.id for row in many}) == 400
    assert [row.fields for row in few] == [e.fields for e in draw(grammar, 200)]
