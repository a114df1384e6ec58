"""Translation by corpus chrF2 and BLEU, both sacreBLEU's, with jackknife intervals over requests.

chrF2 works on characters, so it is comparable in both directions; BLEU needs words: Chinese and
other languages without spaces between them are tokenized by character, Japanese and Korean by
MeCab, and all others as in mteval-v13a.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from typing import Annotated, Any, Self

import numpy as np
from pydantic import AfterValidator, model_validator
from sacrebleu.metrics import BLEU, CHRF

from frontier.blocks import Decides
from frontier.scorers import POINTS, CorpusScorer, Difference, Metric, Score, ScoredItem, rough
from frontier.scorers.common import languages
from frontier.scorers.common.languages import Tokenizer
from frontier.stats.jackknife import jackknife, logit_up_to
from frontier.stats.serial import Floats

PERCENT = logit_up_to(100)


class Translation(CorpusScorer):
    """Corpus chrF2 and BLEU in points; a request's score is its sentence chrF2 / 100."""

    PRIMARY = "chrf2"
    REFERENCES = "several"
    WIDTH = 18  # of the hypothesis, the reference and both, for 1- to 6-grams

    target: Annotated[str, AfterValidator(languages.check), Decides("score")]
    """The language translated into, as a code of ISO 639: en, zh, de, pt-BR."""
    tokenizer: Annotated[Tokenizer | None, Decides("score")] = None
    """BLEU's, by sacreBLEU's names; by default the one for the language. chrF2 needs none."""

    @model_validator(mode="after")
    def _installed(self) -> Self:
        extra, module = languages.EXTRAS.get(self.bleu_tokenizer, ("", ""))
        if module and find_spec(module) is None:
            raise ValueError(
                f"BLEU's tokenizer {self.bleu_tokenizer} is not installed: pip install "
                f"'sacrebleu[{extra}]', or give tokenizer: char"
            )
        return self

    @property
    def bleu_tokenizer(self) -> Tokenizer:
        """The tokenizer in use."""
        return self.tokenizer or languages.tokenizer(self.target)

    def score(self, items: Sequence[ScoredItem]) -> Score:
        """Both metrics with intervals."""
        chrf, bleu = CHRF(), BLEU(tokenize=self.bleu_tokenizer)
        chrf_counts, bleu_counts = _counts(chrf, items), _counts(bleu, items)
        estimates = {
            "chrf2": jackknife(chrf2, chrf_counts, scale=PERCENT).estimate,
            "bleu": jackknife(lambda sums: _each(bleu, sums), bleu_counts, scale=PERCENT).estimate,
        }
        scores, rows = self.each(chrf_counts).tolist(), chrf_counts.astype(int).tolist()
        return Score(
            metrics={name: Metric.of(one, POINTS) for name, one in estimates.items()},
            details={
                "signatures": {
                    name: str(metric.get_signature()) if items else None
                    for name, metric in (("chrf2", chrf), ("bleu", bleu))
                },
                "target": self.target,
                "empty": sum(not line(item.prediction) for item in items),
            },
            requests=[
                {"score": points, "counts": row} for points, row in zip(scores, rows, strict=True)
            ],
        )

    def count(self, items: Sequence[ScoredItem]) -> Floats:
        """chrF2's counts, which do not depend on the language."""
        return _counts(CHRF(), items)

    def each(self, counts: Floats) -> Floats:
        """Each request's sentence chrF2 as a share of its 100 points."""
        return chrf2(counts) / 100

    def difference(self, native: Floats, other: Floats) -> Difference:
        """Corpus chrF2 of `other` minus that of `native`, in points."""
        estimate, p = jackknife(gain, np.hstack([native, other]))
        changed = int((native != other).any(axis=1).sum())
        return Difference(rough(estimate, changed), p, "paired jackknife t")


def line(text: str) -> str:
    """A generation or reference as one line: sacreBLEU's files have one segment per line."""
    return " ".join(text.split())


def gain(counts: Floats) -> Floats:
    """The change of chrF2 in points for each row: one side's counts, then the other's."""
    before, after = np.hsplit(counts, 2)
    return chrf2(after) - chrf2(before)


def chrf2(counts: Floats) -> Floats:
    """chrF2 in points for each row of (hypothesis, reference, match) counts of 1- to 6-grams.

    As sacreBLEU computes it: precision and recall are averaged over the orders that both sides
    have, then F weights recall twice as much. Source: M. Popović, "chrF: character n-gram
    F-score for automatic MT evaluation" (WMT 2015). Here for many corpora at once.
    """
    hypothesis, reference, match = (counts[:, place::3] for place in range(3))
    both = (hypothesis > 0) & (reference > 0)
    orders = np.maximum(both.sum(axis=1), 1)
    precision, recall = (
        np.divide(match, side, out=np.zeros(match.shape), where=both).sum(axis=1) / orders
        for side in (hypothesis, reference)
    )
    weighed = 4 * precision + recall
    points: Floats = np.zeros(len(counts))
    np.divide(500 * precision * recall, weighed, out=points, where=weighed > 0)
    return points


def _counts(metric: Any, items: Sequence[ScoredItem]) -> Floats:
    """Each segment's sufficient statistics, n-gram counts of shape (requests, counts).

    sacreBLEU provides them for chrF only by this private method, which its own significance tests
    use; a test compares every score computed from them with the public `corpus_score`.
    """
    if not items:
        return np.zeros((0, 0))
    hypotheses = [line(item.prediction) for item in items]
    most = max(len(item.references) for item in items)
    streams = [
        [line(item.references[place]) if place < len(item.references) else None for item in items]
        for place in range(most)
    ]
    rows = metric._extract_corpus_statistics(hypotheses, streams)
    return np.array(rows, dtype=np.float64)


def _each(metric: Any, sums: Floats) -> Floats:
    """sacreBLEU's score for each row of summed statistics."""
    rows = sums.astype(np.int64).tolist()
    return np.array([metric._compute_score_from_stats(row).score for row in rows])
