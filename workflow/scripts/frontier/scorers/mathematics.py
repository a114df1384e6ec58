"""Short mathematical answers, as in DeepMind's mathematics dataset, by three rules.

`exact_match` is the paper's metric: the prediction is the reference character for character, but
for spaces around it. `strict`: all of the prediction is the answer, in the references' notation,
compared in meaning and form by the answer's type. `equivalent`, the primary metric, looks for the
answer in the text (a box, what follows a mark such as "Answer:", the last line that is an answer),
reads LaTeX, markdown, Unicode and number words, and compares it in the same way, and it must be
finished. What `equivalent` has over `strict` is `format_gap`: right answers in another dress.
A text with two different candidates is wrong, `ambiguous_rate` of all requests.

Where sympy reached no verdict within the time limit a request is unscored: neither right nor wrong,
out of the proportion, and its count is shown. What is too large to be expanded is wrong.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict, Field

from frontier.answers.equivalence.algebra import Worker
from frontier.answers.equivalence.equivalent import equivalent
from frontier.answers.equivalence.problems import Problem, answer_type
from frontier.answers.equivalence.strict import strict
from frontier.scorers import PROPORTION, Answer, Metric, Score
from frontier.stats.intervals import Estimate, wilson
from frontier.stats.significance import paired_difference

PRIMARY = "equivalent"


class Options(BaseModel):
    """How long one comparison of two expressions may take."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    time_limit_s: float = Field(
        default=5.0, gt=0, le=600, description="Seconds for one comparison of two expressions."
    )


def score(answers: Sequence[Answer], options: Options) -> Score:
    """Equivalent, strict and exact answers as proportions with Wilson intervals, and the gap.

    Of a request's fields "question" and "module" are used, where they are there.
    """
    problems = [
        Problem(
            answer.reference, answer.fields.get("question", ""), answer.fields.get("module", "")
        )
        for answer in answers
    ]
    with Worker(options.time_limit_s) as worker:
        given = [
            (answer.prediction, problem) for answer, problem in zip(answers, problems, strict=True)
        ]
        strictly = [strict(*pair, worker.equal) for pair in given]
        verdicts = [equivalent(*pair, worker.equal) for pair in given]
    right = [verdict.right for verdict in verdicts]
    exact = [answer.prediction.strip() == answer.reference.strip() for answer in answers]
    types = [answer_type(problem) for problem in problems]
    ambiguous = sum(verdict.ambiguous for verdict in verdicts)
    estimates = {
        "equivalent": _proportion(right),
        "strict": _proportion(strictly),
        "exact_match": wilson(sum(exact), len(exact)),
        "format_gap": _gap(strictly, right),
        "ambiguous_rate": wilson(ambiguous, len(verdicts)),
    }
    return Score(
        metrics={name: Metric.of(estimate, PROPORTION) for name, estimate in estimates.items()},
        details={
            "unscored": right.count(None),
            "ambiguous": ambiguous,
            "without_answer": sum(
                verdict.answer is None and not verdict.ambiguous for verdict in verdicts
            ),
            "answer_types": {
                kind: {
                    "requests": count,
                    "equivalent": sum(
                        one is True
                        for one, other in zip(right, types, strict=True)
                        if other == kind
                    ),
                }
                for kind, count in sorted(Counter(types).items())
            },
        },
        requests=[
            {
                "score": None if verdict.right is None else float(verdict.right),
                "strict": whole,
                "exact_match": same,
                "answer": verdict.answer,
                "ambiguous": verdict.ambiguous,
                "answer_type": kind,
                "module": problem.module or None,
            }
            for verdict, whole, same, kind, problem in zip(
                verdicts, strictly, exact, types, problems, strict=True
            )
        ],
    )


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
