"""Corpora of translations, invented or from sentences of your own, of known chrF2 and BLEU."""

from __future__ import annotations

import gzip
import random
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow" / "scripts"))

from populations import Condition, Draw, Values, untested
from sacrebleu.metrics import BLEU, CHRF

from frontier.scorers import translation
from frontier.stats.jackknife import Tested, jackknife


def garbled(text: str, rng: random.Random, share: float, others: Sequence[str]) -> str:
    """A translation with errors: words lost, replaced, a line of something else, or none."""
    if rng.random() < 0.03:
        return ""
    if rng.random() < 0.3 * share:
        return rng.choice(others)
    units = text.split() if " " in text else list(text)
    strange = rng.choice(others).split() or ["?"]
    built = [
        rng.choice(strange) if rng.random() < share / 2 else unit
        for unit in units
        if rng.random() > share / 2
    ]
    return (" " if " " in text else "").join(built)


def invented(rng: random.Random, lines: int) -> list[str]:
    """Sentences of 1 to 30 made-up words, short ones more often, as in subtitles."""
    words = ["".join(rng.choices("etaoinshrdlu", k=rng.randint(1, 9))) for _ in range(800)]
    weights = [1 / (rank + 1) for rank in range(len(words))]
    return [" ".join(rng.choices(words, weights, k=min(30, 1 + int(rng.expovariate(1 / 6)))))
            for _ in range(lines)]  # fmt: skip


def references(path: Path | None, lines: int = 4000) -> list[str]:
    """Lines of a text file, which may be gzipped, in an order of chance; without one, invented."""
    rng = random.Random(1)
    if path is None:
        return invented(rng, lines)
    content = path.read_bytes()
    lines_of = (gzip.decompress(content) if path.suffix == ".gz" else content).decode().splitlines()
    texts = [text for each in lines_of if (text := translation.line(each))]
    return rng.sample(texts, min(lines, len(texts)))


def corpora(texts: Sequence[str]) -> Iterator[Condition]:
    """chrF2, BLEU and the paired difference of chrF2, sentences drawn from a large population."""
    tokenizer = "13a" if any(" " in text for text in texts) else "zh"
    chrf, bleu = CHRF(), BLEU(tokenize=tokenizer)
    spoilt = []
    for seed, share in ((2, 0.3), (3, 0.3), (4, 0.36)):
        rng = random.Random(seed)
        spoilt.append([garbled(text, rng, share, texts) for text in texts])
    rows = [np.array(chrf._extract_corpus_statistics(each, [texts]), float) for each in spoilt]
    words = np.array(bleu._extract_corpus_statistics(spoilt[0], [texts]), float)

    def sampled(statistic: Any, population: Values, **how: Any) -> Draw:
        def draw(rng: np.random.Generator, n: int) -> Tested:
            found = jackknife(statistic, population[rng.integers(0, len(population), n)], **how)
            return untested(found.estimate) if how else found

        return draw

    def of(statistic: Any, population: Values) -> float:
        return float(statistic(population.sum(axis=0, keepdims=True))[0])

    metrics: dict[str, tuple[Any, Values]] = {"chrF2": (translation.chrf2, rows[0])}
    metrics["BLEU"] = (lambda sums: translation._each(bleu, sums), words)
    for name, (statistic, population) in metrics.items():
        draw = sampled(statistic, population, scale=translation.PERCENT)
        truth = of(statistic, population)
        yield Condition(name, f"corpus of {truth:.0f} points", truth, draw)

    swapped = np.random.default_rng(5).random(len(texts)) < 0.5
    alike = np.where(swapped[:, np.newaxis], np.hstack(rows[:2]), np.hstack(rows[1::-1]))

    def partly(share: float) -> Values:
        changed = np.random.default_rng(6).random((len(texts), 1)) < share
        return np.hstack([rows[0], np.where(changed, rows[2], rows[0])])

    for name, population in (
        ("equally good", np.vstack([alike, np.hstack([alike[:, 18:], alike[:, :18]])])),
        ("a worse one", np.hstack([rows[0], rows[2]])),
        ("15 % of answers worse", partly(0.15)),
        ("5 % of answers worse", partly(0.05)),
    ):
        truth = of(translation.gain, population)
        draw = sampled(translation.gain, population)
        yield Condition("chrF2 change", name, truth, draw, name == "equally good")
