"""Short mathematical answers, as in DeepMind's mathematics dataset, by three rules.

`exact_match` is the paper's metric: the prediction equals the reference except for surrounding
spaces. `strict`: the whole prediction is the answer, in the references' notation, compared by value
and form according to the answer's type. `equivalent`, the primary metric, finds the answer in the
text (a box, after a mark such as "Answer:", the last line that is an answer), reads LaTeX,
markdown, Unicode and number words, and compares it in the same way; it must be finished.
`format_gap` is `equivalent` minus `strict`: right answers in another format. A text with two
different candidates is wrong; `ambiguous_rate` is its share of all requests.

A request on which sympy reaches no verdict within the time limit is unscored: neither right nor
wrong, excluded from the proportion, and counted separately. Expressions too large to expand are
wrong.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

from frontier.answers.equivalence.algebra import Worker
from frontier.answers.equivalence.equivalent import equivalent
from frontier.answers.equivalence.problems import Problem, answer_type
from frontier.answers.equivalence.strict import strict
from frontier.blocks import Decides
from frontier.scorers import PROPORTION, Metric, Score, ScoredItem, Scorer
from frontier.stats.intervals import Estimate, wilson
from frontier.stats.significance import paired_difference

NO_VERDICT = "sympy reached no verdict within the time limit"


class Mathematics(Scorer):
    """Equivalent, strict and exact answers as proportions, and the gap between the first two."""

    PRIMARY = "equivalent"

    time_limit_s: Annotated[float, Field(gt=0, le=600), Decides("score")] = 5.0
    """Seconds for one comparison of two expressions."""

    def score(self, items: Sequence[ScoredItem]) -> Score:
        """All metrics with intervals; uses the fields "question" and "module" if present."""
        problems = [
            Problem(item.reference, item.fields.get("question", ""), item.fields.get("module", ""))
            for item in items
        ]
        given = [(item.prediction, problem) for item, problem in zip(items, problems, strict=True)]
        with Worker(self.time_limit_s) as worker:
            strictly = [strict(*pair, worker.equal) for pair in given]
            verdicts = [equivalent(*pair, worker.equal) for pair in given]
        right = [verdict.right for verdict in verdicts]
        exact = [item.prediction.strip() == item.reference.strip() for item in items]
        types = [answer_type(problem) for problem in problems]
        ambiguous = sum(verdict.ambiguous for verdict in verdicts)
        estimates = {
            "equivalent": _proportion(right),
            "strict": _proportion(strictly),
            "exact_match": wilson(sum(exact), len(exact)),
            "format_gap": _gap(strictly, right),
            "ambiguous_rate": wilson(ambiguous, len(verdicts)),
        }
        found = zip(verdicts, strictly, exact, types, problems, strict=True)
        return Score(
            metrics={name: Metric.of(one, PROPORTION) for name, one in estimates.items()},
            details={
                "unscored": right.count(None),
                "ambiguous": ambiguous,
                "without_answer": sum(
                    verdict.answer is None and not verdict.ambiguous for verdict in verdicts
                ),
                "answer_types": _by_type(types, right),
            },
            requests=[
                {
                    "score": None if verdict.right is None else float(verdict.right),
                    "unscored": NO_VERDICT if verdict.right is None else None,
                    "strict": whole,
                    "exact_match": same,
                    "answer": verdict.answer,
                    "ambiguous": verdict.ambiguous,
                    "answer_type": kind,
                    "module": problem.module or None,
                }
                for verdict, whole, same, kind, problem in found
            ],
            unparsable=sum(
                verdict.answer is None and verdict.right is not None and bool(text.strip())
                for verdict, (text, _) in zip(verdicts, given, strict=True)
            ),
        )


def _by_type(types: Sequence[str], right: Sequence[bool | None]) -> dict[str, dict[str, int]]:
    """The number of requests per type of answer, and of right ones among them."""
    correct = Counter(kind for kind, one in zip(types, right, strict=True) if one)
    return {
        kind: {"requests": count, "equivalent": correct[kind]}
        for kind, count in sorted(Counter(types).items())
    }


def _proportion(verdicts: Sequence[bool | None]) -> Estimate:
    """The share of right answers among those with a verdict."""
    return wilson(verdicts.count(True), len(verdicts) - verdicts.count(None))


def _gap(strictly: Sequence[bool | None], right: Sequence[bool | None]) -> Estimate:
    """`equivalent` minus `strict` over the requests with both verdicts."""
    pairs = [
        (before, after)
        for before, after in zip(strictly, right, strict=True)
        if before is not None and after is not None
    ]
    return paired_difference(pairs.count((True, False)), pairs.count((False, True)), len(pairs))
