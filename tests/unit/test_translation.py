"""Translation metrics against sacreBLEU's own functions and its command-line program."""

from __future__ import annotations

import gzip
import json
import math
import random
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from sacrebleu import corpus_bleu, corpus_chrf, sentence_chrf
from sacrebleu.metrics import CHRF
from sacrebleu.significance import PairedTest
from scipy import stats

from frontier.scorers import ScoredItem
from frontier.scorers.common import languages
from frontier.scorers.translation import Translation, chrf2, line

CHINESE = [
    "我不知道。",
    "你在这里做什么？",
    "他昨天买了三本书。",
    "谢谢你，再见！",
    "我们明天去北京。",
]
ENGLISH = Translation(target="en")
NEARLY = ["我不知道！", "你在做什么？", "他昨天买了两本书。", "谢谢，再见！", "我们明天会去北京。"]


def items(predictions: list[str], references: list[str]) -> list[ScoredItem]:
    pairs = enumerate(zip(predictions, references, strict=True))
    return [ScoredItem(str(i), prediction, reference, {}) for i, (prediction, reference) in pairs]


def counts(predictions: list[str], references: list[str]) -> np.ndarray:
    """The counts that `score` stores, as a comparison reads them."""
    found = ENGLISH.score(items(predictions, references))
    stored = [row["counts"] for row in found.requests]
    return np.array(stored, dtype=float).reshape(-1, Translation.WIDTH)


@pytest.fixture(scope="module")
def subtitles(test_data: Path) -> dict[str, list[str]]:
    """300 real lines of each language, raw and noisy as they are."""
    folder = test_data / "opensubtitles"
    texts = {}
    for language, suffix in (("en", "en"), ("zh", "zh_CN")):
        path = folder / f"OpenSubtitles.en-zh_CN.{suffix}.gz"
        with gzip.open(path, "rt", encoding="utf-8", newline="\n") as file:
            texts[language] = [next(file).rstrip("\n") for _ in range(300)]
    return texts


def garbled(texts: list[str], seed: int = 3) -> list[str]:
    """Translations with errors: characters lost, some lines empty, some another's."""
    rng = random.Random(seed)
    wrong = ["".join(c for c in text if rng.random() > 0.15) for text in texts]
    return [rng.choice([text, text, text, "", rng.choice(wrong)]) for text in wrong]


@pytest.mark.parametrize("target", ["zh", "en"])
def test_corpus_scores_on_real_lines_are_sacrebleus(
    subtitles: dict[str, list[str]], target: str
) -> None:
    references = subtitles[target]
    predictions = garbled(references)
    found = Translation(target=target).score(items(predictions, references))
    # Compared with the texts as they are: making one line of them must not move a score.
    chrf = corpus_chrf(predictions, [references])
    bleu = corpus_bleu(predictions, [references], tokenize=languages.tokenizer(target))
    assert found.metrics["chrf2"].value == pytest.approx(chrf.score)
    assert found.metrics["bleu"].value == pytest.approx(bleu.score)
    for prediction, reference, row in zip(predictions, references, found.requests, strict=True):
        expected = sentence_chrf(prediction, [reference]).score / 100
        assert row["score"] == pytest.approx(expected)
    for metric in found.metrics.values():
        assert metric.low is not None
        assert metric.high is not None
        assert metric.value is not None
        assert 0 < metric.low < metric.value < metric.high < 100


@pytest.mark.parametrize("target", ["zh", "en"])
def test_scores_and_signatures_are_those_of_the_command_line(
    subtitles: dict[str, list[str]], target: str, tmp_path: Path
) -> None:
    references = subtitles[target]
    predictions = garbled(references, seed=4)
    (tmp_path / "references").write_text("".join(f"{line(t)}\n" for t in references), "utf-8")
    (tmp_path / "predictions").write_text("".join(f"{line(t)}\n" for t in predictions), "utf-8")
    command = [sys.executable, "-m", "sacrebleu", str(tmp_path / "references")]
    command += ["-i", str(tmp_path / "predictions"), "-m", "chrf", "bleu", "-w", "8"]
    command += ["--tokenize", languages.tokenizer(target), "--format", "json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    reported = {entry["name"]: entry for entry in json.loads(done.stdout)}
    found = Translation(target=target).score(items(predictions, references))
    for name, expected in (("chrf2", reported["chrF2"]), ("bleu", reported["BLEU"])):
        assert found.metrics[name].value == pytest.approx(expected["score"], abs=1e-6)
        assert found.details["signatures"][name] == expected["signature"]


def test_intervals_are_those_of_leaving_texts_out() -> None:
    """The shortcut by added-up statistics against sacreBLEU reading all texts but one, and scipy."""
    predictions, references = NEARLY * 4, CHINESE * 4
    predictions[7] = "完全不同的一句话"
    found = Translation(target="zh").score(items(predictions, references)).metrics["chrf2"]
    whole = corpus_chrf(predictions, [references]).score
    without = [
        corpus_chrf(predictions[:i] + predictions[i + 1 :], [references[:i] + references[i + 1 :]])
        for i in range(20)
    ]
    pseudo = [20 * whole - 19 * each.score for each in without]
    skewness = stats.skew(pseudo, bias=False)
    error = stats.sem(pseudo) * (1 + 1.08 * skewness**2 / 20)
    half = stats.t(19).ppf(0.975) * error * 100 / (whole * (100 - whole))
    middle = math.log(whole / (100 - whole))
    for end, side in ((found.low, -1), (found.high, 1)):
        assert end == pytest.approx(100 / (1 + math.exp(-middle - side * half)), rel=1e-6)


def test_private_statistics_add_up_to_the_public_score() -> None:
    """`_extract_corpus_statistics` and `_compute_score_from_stats` are sacreBLEU's own business."""
    chrf = CHRF()
    rows = chrf._extract_corpus_statistics(NEARLY, [CHINESE])
    total = [sum(column) for column in zip(*rows, strict=True)]
    again = chrf._compute_score_from_stats(total).score
    assert again == pytest.approx(corpus_chrf(NEARLY, [CHINESE]).score)


def test_chinese_words_are_counted_into_chinese_alone() -> None:
    into_chinese = Translation(target="zh").score(items(NEARLY, CHINESE))
    as_english = Translation(target="en").score(items(NEARLY, CHINESE))
    assert into_chinese.metrics["bleu"].value > 30
    assert as_english.metrics["bleu"].value < 5
    assert into_chinese.metrics["chrf2"] == as_english.metrics["chrf2"]
    assert "tok:zh" in into_chinese.details["signatures"]["bleu"]
    assert "tok:13a" in as_english.details["signatures"]["bleu"]


def test_perfect_empty_and_no_translations() -> None:
    perfect = Translation(target="zh").score(items(CHINESE, CHINESE))
    assert perfect.metrics["chrf2"].value == pytest.approx(100)
    assert [row["score"] for row in perfect.requests] == pytest.approx([1.0] * 5)
    empty = Translation(target="zh").score(items([""] * 5, CHINESE))
    assert empty.metrics["chrf2"].value == empty.metrics["bleu"].value == 0
    assert empty.details["empty"] == 5
    nothing = Translation(target="zh").score([])
    assert nothing.metrics["chrf2"].value is None
    assert nothing.requests == []


@given(st.lists(st.tuples(st.text(max_size=20), st.text(max_size=20)), max_size=4))
def test_any_text_is_scored(pairs: list[tuple[str, str]]) -> None:
    found = Translation(target="zh").score([ScoredItem("x", a, b, {}) for a, b in pairs])
    assert all(0 <= row["score"] <= 1 + 1e-9 for row in found.requests)
    assert all("\n" not in line(a) for a, _ in pairs)


def test_an_unknown_language_is_refused() -> None:
    with pytest.raises(ValidationError, match=r"'cn' is no language.*did you mean 'zh'"):
        Translation.model_validate({"target": "cn"})
    for wrong in ("", "english", "q1", "xx", "zh1"):
        with pytest.raises(ValidationError, match="is no language of ISO 639"):
            Translation.model_validate({"target": wrong})


@pytest.mark.parametrize(
    ("target", "tokenizer"),
    [
        ("de", "13a"),
        ("pt-BR", "13a"),
        ("zh_TW", "zh"),
        ("cmn", "zh"),
        ("th", "char"),
        ("deu", "13a"),
    ],
)
def test_every_language_has_its_tokenizer(target: str, tokenizer: str) -> None:
    predictions, references = ["Er sieht das Haus.", "ฉันไม่รู้"], ["Er sah ein Haus.", "ผมไม่รู้"]
    found = Translation(target=target).score(items(predictions, references))
    expected = corpus_bleu(predictions, [references], tokenize=tokenizer)
    assert found.metrics["bleu"].value == pytest.approx(expected.score)
    assert f"tok:{tokenizer}" in found.details["signatures"]["bleu"]


@pytest.mark.parametrize(("target", "extra"), [("ja", "ja"), ("kor", "ko")])
def test_a_tokenizer_that_is_not_installed_is_named(target: str, extra: str) -> None:
    _, module = languages.EXTRAS[languages.tokenizer(target)]
    if find_spec(module) is None:
        with pytest.raises(ValidationError, match=rf"pip install 'sacrebleu\[{extra}\]'"):
            Translation.model_validate({"target": target})
    assert Translation(target=target, tokenizer="char").score(items(["x"], ["x"])).requests


def test_several_references_are_sacrebleus() -> None:
    """The best one counts, and rows may have different numbers of them."""
    predictions, first = ["He goes home.", "I see it."], ["He went home.", "I saw it."]
    second = ["He goes home now.", None]
    items_ = [
        ScoredItem("0", predictions[0], first[0], {}, also_accepted=(second[0] or "",)),
        ScoredItem("1", predictions[1], first[1], {}),
    ]
    found = Translation(target="en").score(items_)
    streams: Any = [first, second]
    assert found.metrics["chrf2"].value == pytest.approx(corpus_chrf(predictions, streams).score)
    assert found.metrics["bleu"].value == pytest.approx(corpus_bleu(predictions, streams).score)


def test_stored_counts_give_sacrebleus_scores_of_any_requests() -> None:
    predictions = garbled(NEARLY * 8)
    references = CHINESE * 8
    stored = counts(predictions, references)
    assert stored == pytest.approx(ENGLISH.count(items(predictions, references)))
    for some in (slice(None), slice(3, 17), slice(0, None, 7)):
        expected = corpus_chrf(predictions[some], [references[some]]).score
        assert chrf2(stored[some].sum(axis=0)[np.newaxis])[0] == pytest.approx(expected)


@given(
    st.lists(st.tuples(st.text("ab 中。", max_size=9), st.text("ab 中。", max_size=9)), max_size=9)
)
def test_chrf2_of_added_up_counts_is_sacrebleus(pairs: list[tuple[str, str]]) -> None:
    chrf = CHRF()
    rows = [chrf._extract_corpus_statistics([a], [[b]])[0] for a, b in pairs]
    counts = np.array(rows, dtype=float).reshape(-1, 18)
    for found, (prediction, reference) in zip(chrf2(counts), pairs, strict=True):
        assert found == pytest.approx(sentence_chrf(prediction, [reference]).score)
    if pairs:
        expected = corpus_chrf([a for a, _ in pairs], [[b for _, b in pairs]]).score
        assert chrf2(counts.sum(axis=0, keepdims=True))[0] == pytest.approx(expected)


@pytest.mark.parametrize("share", [0.2, 0.23, 0.26])
def test_a_paired_difference_is_sacrebleus(share: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its difference; its p of approximate randomization, which counts both sides; and twice its
    p of the bootstrap, which takes absolute values before it centres and so counts one side."""
    monkeypatch.setenv("SACREBLEU_SEED", "7")
    words = ["the", "cat", "sat", "on", "a", "mat", "and", "went", "home", "by", "the", "bank"]
    rng = random.Random(1)
    references = [" ".join(rng.choices(words, k=rng.randint(4, 14))) for _ in range(150)]

    def spoilt(share: float, seed: int) -> list[str]:
        noise = random.Random(seed)
        return [
            " ".join(
                noise.choice(words) if noise.random() < share else word for word in text.split()
            )
            for text in references
        ]

    native, other = spoilt(0.2, 3), spoilt(share, 4)
    found = ENGLISH.difference(counts(native, references), counts(other, references))
    theirs = {}
    for kind, samples in (("ar", 5000), ("bs", 5000)):
        systems = [("native", native), ("other", other)]
        _, scores = PairedTest(systems, {"chrf": CHRF()}, [references], kind, samples)()
        before, after = scores["chrF2"]
        assert found.estimate.value == pytest.approx(after.score - before.score)
        theirs[kind] = after.p_value
    assert found.p == pytest.approx(theirs["ar"], rel=0.25, abs=0.01)
    if found.p < 0.1:
        assert found.p == pytest.approx(2 * theirs["bs"], rel=0.25, abs=0.01)
    assert found.estimate.low < found.estimate.value < found.estimate.high


def test_a_change_that_few_answers_make_is_called_rough() -> None:
    references = [f"{text}{number}" for number in range(40) for text in CHINESE]
    for changed, rough in ((3, True), (30, False)):
        other = [text if i >= changed else text[::-1] for i, text in enumerate(references)]
        found = ENGLISH.difference(counts(references, references), counts(other, references))
        assert found.estimate.value < 0
        assert (f"only {changed} answers differ" in found.estimate.method) == rough


def test_the_same_translations_do_not_differ() -> None:
    same = counts(NEARLY * 4, CHINESE * 4)
    found = ENGLISH.difference(same, same)
    assert (found.estimate.value, found.estimate.low, found.p) == (0, None, 1)
    assert "all requests are alike" in found.estimate.method
    nothing = ENGLISH.difference(counts([], []), counts([], []))
    assert (nothing.estimate.value, nothing.p) == (None, None)
