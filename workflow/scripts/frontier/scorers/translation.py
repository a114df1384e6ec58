"""Translation by corpus chrF2 and BLEU, both sacreBLEU's, with bootstrap intervals over requests.

chrF2 works on characters, so one number compares both directions; BLEU needs words, which Chinese
does not mark: it is tokenized by character into Chinese and as mteval-v13a into English.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field
from sacrebleu.metrics import BLEU, CHRF

from frontier.scorers import POINTS, Answer, Metric, Score
from frontier.statistics import Estimate, Floats, Indices, bootstrap

PRIMARY = "chrf2"
TOKENIZER = {"zh": "zh", "en": "13a"}


class Options(BaseModel):
    """The language translated into, which decides BLEU's tokenizer."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    target: Literal["zh", "en"] = Field(description="The language translated into.")


def line(text: str) -> str:
    """A generation or reference as one line: sacreBLEU's files hold one segment a line."""
    return " ".join(text.split())


def score(answers: Sequence[Answer], options: Options) -> Score:
    """Corpus chrF2 and BLEU in points; each request's score is its sentence chrF2 / 100."""
    hypotheses = [line(answer.prediction) for answer in answers]
    references = [line(answer.reference) for answer in answers]
    metrics, signatures, sentences = {}, {}, {}
    for name, metric in (("chrf2", CHRF()), ("bleu", BLEU(tokenize=TOKENIZER[options.target]))):
        statistics = _statistics(metric, hypotheses, references)
        metrics[name] = Metric.of(_corpus(metric, statistics), POINTS)
        signatures[name] = str(metric.get_signature()) if answers else None
        sentences[name] = statistics
    chrf = CHRF()
    return Score(
        metrics=metrics,
        details={
            "signatures": signatures,
            "target": options.target,
            "empty": sum(not hypothesis for hypothesis in hypotheses),
        },
        requests=[{"score": _points(chrf, row) / 100} for row in sentences["chrf2"]],
    )


def _statistics(metric: Any, hypotheses: list[str], references: list[str]) -> Indices:
    """Each segment's sufficient statistics, n-gram counts of shape (requests, counts).

    sacreBLEU offers them for chrF only by this private method, which its own significance tests
    use; a test compares every score made from them with the public `corpus_score`.
    """
    rows = metric._extract_corpus_statistics(hypotheses, [references]) if hypotheses else []
    return np.array(rows, dtype=np.int64)


def _points(metric: Any, statistics: Indices) -> float:
    """The score of one segment's statistics or of the sum of many's."""
    return float(metric._compute_score_from_stats(statistics.tolist()).score)


def _corpus(metric: Any, statistics: Indices) -> Estimate:
    """The corpus score with its interval: resampled statistics are added up, no text read again."""

    def statistic(indices: Indices) -> Floats:
        sums = (statistics[resample].sum(axis=0) for resample in indices)
        return np.array([_points(metric, total) for total in sums])

    return bootstrap(statistic, len(statistics))
