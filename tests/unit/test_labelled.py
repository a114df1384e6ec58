"""The label that a text answers with, as a reader would say, in any script and markup."""

from __future__ import annotations

import itertools
import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from frontier.answers.labelled import read
from frontier.answers.labels import Labels, normal

LABELS = Labels(["negative", "positive"])
QUESTION = "{sentence}\nQuestion: Is this sentence positive or negative?\nAnswer:"
NONE, AMBIGUOUS = "none", "ambiguous"


def answer(text: str, labels: Labels = LABELS, prompt: str = "", *fields: str) -> str:
    reading = read(text, labels, prompt, fields)
    assert not (reading.label and reading.ambiguous)
    return reading.label or (AMBIGUOUS if reading.ambiguous else NONE)


READ = {
    "positive": [
        "**positive**", "__Positive__", "_positive_", "`positive`", "<b>positive</b>", "“positive”",
        "«Positive»", "\\boxed{\\text{positive}}", '{"sentiment": "positive"}', "#positive", "| positive |", "|sentiment|positive|",
        "[positive]", "→positive", "positive 😊", "😀positive😀", "¡positive!", "positive。",
        "ｐｏｓｉｔｉｖｅ", "（positive）", "pos\u200bitive", "答案是positive。", "positive的评论",
        "positive입니다", "Оценка:positive", "это positiveотзыв", "<span class='negative'>positive</span>",
        "Positive. While the film has negative aspects, it works.", "Positive: the acting is good.",
        "The sentiment of this sentence is positive.", "The sentence is positive.",
        "positive, not negative", "more positive than negative", "not negative, positive",
        "It is positive rather than negative.", "not negative but positive",
        "Positive or negative? Positive.", "Sentiment (positive/negative): positive",
        "not only good, it is positive", "no doubt positive", "undoubtedly positive",
        "I don't hate it, so positive", "nothing but positive", "No. Positive.",
        "without plot it is still positive", "never boring, positive", "positive positive positive",
        "There are negative aspects. The answer is: **positive**",
        "<think>\nIt seems negative.\n</think>\n\npositive", "It is negative. Hm.</think> positive",
        "positive? No, that is wrong. Positive!", "<answer>positive</answer>",
    ],
    AMBIGUOUS: [
        "not positive", "isn't positive", "isn’t positive", "isnt positive", "not very positive",
        "It is not a positive review", "does not seem to be positive", "cannot be called positive",
        "never positive", "hardly positive", "far from positive", "anything but positive",
        "no longer positive", "non-positive", "less than positive", "I don't think it's positive",
        "Positive or negative?", "Is it positive?", "positive or negative", "positive/negative",
        "positive|negative", "positive, negative", "both positive and negative", "positive or",
        "or negative", "neither positive nor negative", "not positive or negative",
        "'negative'; positive", "positive negative", "negative. positive", "positive\nnegative",
        "Positive. The review is negative.", "The answer is positive. The answer is negative.",
        "positive\n\nReview: dull\nSentiment: negative", "positive, but then again not positive",
        "1. Positive 2. Negative", "positive isn't right", "It is false that it is positive",
        "The opposite of positive", "**not** positive", "Positive is wrong.", "没有positive", "nicht positive", "pas positive", "не positive",
    ],
    NONE: ["<think>It is positive", "", "neutral", "positively", "nonnegative", "positivity", "is_positive", "positive1",
           "positivé", "pоsitive", "it is good", "¿?"],
}  # fmt: skip


@pytest.mark.parametrize(("label", "text"), [(k, t) for k, ts in READ.items() for t in ts])
def test_a_reader_would_say_so(label: str, text: str) -> None:
    assert answer(text) == label


@pytest.mark.parametrize(
    ("labels", "text", "label"),
    [
        (["正面", "负面"], "我认为这是正面的", "正面"),
        (["正面", "负面"], "非常正面，无疑", "正面"),
        (["正面", "负面"], "正面，不是负面", "正面"),
        (["正面", "负面"], "情感：负面。", "负面"),
        (["正面", "负面"], "并不是很正面", AMBIGUOUS),
        (["正面", "负面"], "既不正面也不负面", AMBIGUOUS),
        (["正面", "负面"], "正面还是负面？", AMBIGUOUS),
        (["ポジティブ", "ネガティブ"], "これはポジティブです", "ポジティブ"),
        (["ポジティブ", "ネガティブ"], "ポジティブではありません", AMBIGUOUS),
        (["긍정", "부정"], "긍정입니다", "긍정"),
        (["긍정", "부정"], "긍정이 아닙니다", AMBIGUOUS),
        (["บวก", "ลบ"], "ข้อความนี้เป็นบวก", "บวก"),
        (["إيجابي", "سلبي"], "الجواب: إيجابيّ", "إيجابي"),
        (["إيجابي", "سلبي"], "ليس إيجابي", AMBIGUOUS),
        (["सकारात्मक", "नकारात्मक"], "सकारात्मक।", "सकारात्मक"),
        (["सकारात्मक", "नकारात्मक"], "सकारात्मक नहीं है", AMBIGUOUS),
        (["θετικός", "αρνητικός"], "ΘΕΤΙΚΌΣ", "θετικός"),
        (["положительный", "отрицательный"], "Положительный!", "положительный"),
        (["positiv", "negativ"], "nicht positiv, sondern negativ", "negativ"),
        (["STRASSE", "Weg"], "Straße", "STRASSE"),
        (["positive", "very positive"], "Very  positive", "very positive"),
        (["positive", "very positive"], "positive", "positive"),
        (["very good", "good"], "VERY_GOOD", "very good"),
        (["entailment", "not_entailment"], "not entailment", "not_entailment"),
        (["entailment", "not_entailment"], "Entailment.", "entailment"),
        (["toxic", "non-toxic"], "It is non-toxic.", "non-toxic"),
        (["World", "Sports", "Sci/Tech"], "sci/tech", "Sci/Tech"),
        (["World", "Sports", "Sci/Tech"], "World, Sports or Sci/Tech", AMBIGUOUS),
        (["yes", "no"], "No, it is not.", "no"),
        (["yes", "no"], "not yes", AMBIGUOUS),
        (["yes", "no"], "yes and no", AMBIGUOUS),
        (["1", "0"], "1.", "1"),
        (["1", "0"], "10", NONE),
        (["1", "5"], "1.5", NONE),
        (["1", "0"], "-1", NONE),
        (["1", "-1"], "-1", "-1"),
        (["label_1", "label_2"], "label_10", NONE),
        (["label_1", "1"], "Label 1", "label_1"),
        (["5 stars", "1 star"], "I give it 5 stars!", "5 stars"),
        (["A", "B"], "The answer is B, a good choice", "B"),
        (["A", "B"], "(A) Paris", "A"),
        (["A", "B"], "I choose A", "A"),
        (["c++ (bad)", "very"], "C++ (bad)", "c++ (bad)"),
        (["👍", "👎"], "👍\ufe0f", "👍"),
    ],
)
def test_labels_of_any_kind(labels: list[str], text: str, label: str) -> None:
    """Labels may be in any script, of several words, with digits, contained in one another."""
    assert answer(text, Labels(labels)) == label


MARKUP = st.text("*_`\"'“”«»()[]{}<>#~^ \n.!|…—–。！，、，.：＊🙂")


@given(MARKUP, st.sampled_from(["negative", "positive"]), MARKUP, st.booleans())
def test_punctuation_and_markup_change_nothing(
    before: str, label: str, after: str, wide: bool
) -> None:
    text = label.title()
    if wide:
        text = "".join(chr(ord(letter) + 0xFEE0) for letter in text)
    assert answer(before + text + after) == label


@given(st.text())
def test_a_text_without_a_label_has_no_answer(text: str) -> None:
    assume(not re.search("positive|negative", normal(text)))
    assert answer(text) == NONE


@given(st.lists(st.sampled_from(["positive", "Negative", " ", ",", "not", "or", ".", "?", "\n", "is",
                                 "the", "answer", ":", "a", "**", "</b>", "和", "不"]), max_size=12))  # fmt: skip
def test_any_wording_has_one_reading(parts: list[str]) -> None:
    """It never fails; an answer is a label that the text names, and nobody denies it there."""
    text = " ".join(parts)
    found = answer(text)
    if found in ("positive", "negative"):
        assert found in text.casefold()
    elif found == NONE:
        assert not {"positive", "Negative"} & set(parts)
    assert answer(f"{text}\n") == found


LINKS = [
    " ",
    ", ",
    "/",
    " or ",
    " and ",
    "\n",
    ". ",
    "; ",
    " | ",
    " - ",
    " but also ",
    " versus ",
    "，",
]


@given(
    st.permutations(["positive", "negative"]),
    st.sampled_from(LINKS),
    st.sampled_from(["", "both ", "It is ", "Review: ", "**"]),
    st.sampled_from(["", ".", "!", "**"]),
)
def test_both_labels_without_an_answer_mark_are_ambiguous(
    labels: list[str], link: str, before: str, after: str
) -> None:
    assume(not (before and link in ("\n", ". ")))  # then the second is a sentence of its own
    assert answer(f"{before}{link.join(labels)}{after}") == AMBIGUOUS


@given(
    st.sampled_from(
        ["Answer: ", "The answer is ", "Sentiment: **", "the sentiment is clearly ", "答案是"]
    ),
    st.permutations(["positive", "negative"]),
    st.sampled_from(["It has {} sides. ", "Some would say {}.\n", ""]),
    st.sampled_from(["", ".", "\nThere were {} sides too.", " (not {})", ", not {}"]),
)
def test_an_answer_mark_decides(mark: str, labels: list[str], before: str, after: str) -> None:
    label, other = labels
    assert answer(before.format(other) + mark + label + after.format(other)) == label


WORDS = st.sampled_from(
    [
        "a",
        "the",
        "film",
        "is",
        "not",
        "positive",
        "negative",
        "or",
        "and",
        "very",
        "good",
        "answer",
        "this",
    ]
)


@given(st.lists(WORDS, min_size=2, max_size=8), st.data())
def test_what_repeats_the_question_is_no_answer(words: list[str], data: st.DataObject) -> None:
    """The prompt, from any of its lines to any of its words; and an answer behind it is one."""
    sentence = " ".join(words)
    prompt = QUESTION.format(sentence=sentence)
    begin = data.draw(st.sampled_from([0, len(sentence) + 1, prompt.index("Is this")]))
    parts = prompt[begin:].split(" ")
    echo = " ".join(parts[: data.draw(st.integers(1, len(parts)))])
    if not re.fullmatch(r"(?:(?:a|the)?\W)*(?:positive|negative)(?:\W(?:a|the)?)*", echo):
        assert answer(echo, LABELS, prompt, sentence) not in ("positive", "negative")
    for label in ("positive", "negative"):
        assert answer(f"{prompt} {label}", LABELS, prompt, sentence) == label
        assert answer(label, LABELS, prompt, sentence) == label


@pytest.mark.parametrize(
    ("prompt", "text", "label"),
    [
        ("The sentiment is negative.\nReview: fine\n", "The sentiment is negative.", "negative"),
        ("Sentiment: negative\nReview: fine\nSentiment:", "Sentiment: negative", "negative"),
        ("Decide whether the sentence is positive or negative.", "The sentence is positive", "positive"),
        ("The review is positive if it praises.", "The review is positive.", "positive"),
        ("Positive or negative?", "Positive", "positive"),
        ("Decide whether the sentence is positive or negative.", "Decide whether the sentence is positive", NONE),
        ("这句话是正面还是负面？", "这句话是正面", NONE),
    ],
)  # fmt: skip
def test_an_answer_may_use_the_questions_words(prompt: str, text: str, label: str) -> None:
    """The words of its examples, and any words in another order."""
    labels = Labels(["正面", "负面"]) if "正面" in prompt else LABELS
    assert answer(text, labels, prompt) == label


def test_the_longest_label_is_found_from_the_left() -> None:
    """None overlaps another, and all are there."""
    labels = Labels(["good", "very good", "very", "not good"])
    text = "very good, very, good; not good verygood"
    found = [one.label for one in labels.find(text)]
    assert found == ["very good", "very", "good", "not good"]
    spans = [(one.start, one.stop) for one in labels.find(text)]
    assert all(a[1] <= b[0] for a, b in itertools.pairwise(spans))
