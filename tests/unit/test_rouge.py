"""ROUGE against rouge-score itself, published numbers and the definitions of copying."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from rouge_score.rouge_scorer import RougeScorer

from frontier.answers.sentences import one_per_line
from frontier.answers.words import copying, unicode_words
from frontier.errors import UserError
from frontier.scorers import Score, ScoredItem
from frontier.scorers.rouge import TYPES, Rouge

DOCUMENT = "One two three four five six seven. Eight nine ten."


def scored(scorer: Rouge, *pairs: tuple[str, str], document: str = DOCUMENT) -> Score:
    items = [
        ScoredItem(str(place), text, known, {"document": document})
        for place, (text, known) in enumerate(pairs)
    ]
    return scorer.score(items)


def value(scorer: Rouge, metric: str, text: str, known: str) -> float:
    found = scored(scorer, (text, known)).metrics[metric].value
    assert found is not None
    return found


def test_worked_examples_of_the_definition() -> None:
    plain = Rouge(stemmer=False)
    assert value(plain, "rouge1", "testing", "testing one two") == pytest.approx(50)
    assert value(plain, "rouge_l", "testing two", "testing one two") == pytest.approx(80)
    two = "w1 w2 w6 w7 w8\nw1 w3 w8 w9 w5"
    assert value(plain, "rouge_lsum", two, "w1 w2 w3 w4 w5") == pytest.approx(53.333, abs=1e-3)
    assert value(plain, "rouge1", "/", "testing") == 0
    assert value(plain, "rouge1", "", "testing") == 0


@pytest.mark.parametrize(
    ("stemmer", "published"), [(True, (16.19, 1.71, 11.74)), (False, (15.37, 1.63, 11.31))]
)
def test_first_lines_of_xsum_score_as_known(
    test_data: Path, stemmer: bool, published: tuple[float, ...]
) -> None:
    """A thousand articles; also the same as rouge-score, document by document."""
    with gzip.open(test_data / "xsum/xsum_test_1000.jsonl.gz", "rt", encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    items = [
        ScoredItem(str(row["id"]), row["document"].split("\n")[0], row["summary"], row)
        for row in rows
    ]
    found = Rouge(stemmer=stemmer, document="document").score(items)
    values = [found.metrics[name].value or 0 for name in ("rouge1", "rouge2", "rouge_l")]
    assert [round(one, 2) for one in values] == list(published)
    for name in TYPES:
        metric = found.metrics[name]
        assert metric.value is not None
        assert metric.low is not None
        assert metric.high is not None
        assert metric.value - 2 < metric.low < metric.value < metric.high < metric.value + 2
    theirs = RougeScorer([*TYPES.values()], use_stemmer=stemmer)
    for item, row in zip(items[:50], found.requests, strict=False):
        expected = theirs.score(item.reference, item.prediction)
        assert [row[name] for name in TYPES] == [expected[kind].fmeasure for kind in TYPES.values()]
    # The first sentence is copied from the document as it is.
    assert found.metrics["novel_bigrams"].value == 0
    assert found.metrics["copied"].value == pytest.approx(1, abs=0.01)
    assert f"stem:{'yes' if stemmer else 'no'}" in found.details["signature"]


def test_the_best_of_several_references_counts() -> None:
    item = ScoredItem("0", "a cat sat", "dogs run", {}, also_accepted=("a cat sat down",))
    found = Rouge().score([item])
    assert found.metrics["rouge1"].value == pytest.approx(100 * 6 / 7)
    assert found.details["references"] == 2


def test_answers_end_where_they_are_told_to() -> None:
    scorer = Rouge(cut_at=("###", "\n\n"))
    for text in (
        "A cat sat.",
        "\n\nA cat sat.\n\nMore.",
        "### A cat sat.### x",
        "<think>x</think>A cat sat.",
    ):
        assert value(scorer, "rouge1", text, "A cat sat.") == pytest.approx(100)
    assert value(Rouge(), "rouge1", "A cat sat.\n\nMore of it.", "A cat sat.") < 70


def test_sentences_become_lines() -> None:
    text = 'Mr. Smith of the U.S. Army left. "Why?" he asked.  J. K. said "No." Then 3 came! End'
    assert one_per_line(text).split("\n") == [
        "Mr. Smith of the U.S. Army left.",
        '"Why?" he asked.',
        'J. K. said "No."',
        "Then 3 came!",
        "End",
    ]
    known = "Ann left.\nBob came."
    whole = value(Rouge(split_sentences=True), "rouge_lsum", "Bob came. Ann left.", known)
    assert whole == pytest.approx(100)
    assert value(Rouge(split_sentences=True), "rouge_l", "Bob came. Ann left.", known) < whole


def test_text_that_the_english_tokenizer_drops_is_refused_not_scored_0() -> None:
    with pytest.raises(UserError, match=r"request 0: reference '我不知道' has letters.*unicode"):
        scored(Rouge(), ("我不知道", "我不知道"))
    assert value(Rouge(tokenizer="unicode"), "rouge2", "我不知道", "我不知道") == pytest.approx(100)
    assert value(Rouge(tokenizer="unicode"), "rouge1", "Où ça", "où ÇA") == pytest.approx(100)
    with pytest.raises(UserError, match="has no word"):
        scored(Rouge(), ("x", "..."))
    found = scored(Rouge(), ("cafe in the town square", "a café in the old town"))
    assert 0 < found.details["unread_letters"] < 0.1


def test_copied_words_stand_in_runs_and_novel_bigrams_nowhere() -> None:
    found = copying("two three four five six, new words", DOCUMENT)
    assert (found.words, found.document_words) == (7, 10)
    assert found.copied_words == 5
    assert (found.bigrams, found.novel_bigrams) == (6, 2)
    assert copying("two three four five", DOCUMENT).copied_words == 0
    assert copying("", DOCUMENT).bigrams == 0
    assert unicode_words("Ça va, 你好!") == ["ça", "va", "你", "好"]
    metrics = scored(
        Rouge(document="document"), ("two three four five six", "x"), ("", "x")
    ).metrics
    assert metrics["copied"].value == 1
    assert metrics["novel_bigrams"].value == 0
    assert metrics["compression"].value == 2
    assert metrics["words"].value == 2.5
    with pytest.raises(UserError, match=r"no field 'documents' \(did you mean 'document'"):
        scored(Rouge(document="documents"), ("a", "a"))
