"""Short mathematical answers, as in DeepMind's mathematics dataset: exactly right, or equivalent.

`exact_match` is the paper's metric: the prediction is the reference character for character, but
for spaces around it. `equivalent`, the primary metric, compares meaning and form by the answer's
type, see `frontier.equivalence`. Where sympy reached no verdict within the time limit a request is
unscored: neither right nor wrong, out of the proportion, and its count is shown.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict, Field

from frontier.equivalence.algebra import Worker
from frontier.equivalence.answers import Problem, answer_type, equivalent
from frontier.scorers import PROPORTION, Answer, Metric, Score
from frontier.statistics import wilson

PRIMARY = "equivalent"


class Options(BaseModel):
    """How long one comparison of two expressions may take."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    time_limit_s: float = Field(
        default=5.0, gt=0, le=600, description="Seconds for one comparison of two expressions."
    )


def score(answers: Sequence[Answer], options: Options) -> Score:
    """Exact and equivalent answers as proportions with Wilson intervals.

    Of a request's fields "question" and "module" are used, where they are there.
    """
    problems = [
        Problem(
            answer.reference, answer.fields.get("question", ""), answer.fields.get("module", "")
        )
        for answer in answers
    ]
    with Worker(options.time_limit_s) as worker:
        verdicts = [
            equivalent(answer.prediction, problem, worker.equal)
            for answer, problem in zip(answers, problems, strict=True)
        ]
    exact = [answer.prediction.strip() == answer.reference.strip() for answer in answers]
    types = [answer_type(problem) for problem in problems]
    unscored = verdicts.count(None)
    return Score(
        metrics={
            "equivalent": Metric.of(
                wilson(verdicts.count(True), len(verdicts) - unscored), PROPORTION
            ),
            "exact_match": Metric.of(wilson(sum(exact), len(exact)), PROPORTION),
        },
        details={
            "unscored": unscored,
            "answer_types": {
                kind: {
                    "requests": count,
                    "equivalent": sum(
                        verdict is True
                        for verdict, other in zip(verdicts, types, strict=True)
                        if other == kind
                    ),
                }
                for kind, count in sorted(Counter(types).items())
            },
        },
        requests=[
            {
                "score": None if verdict is None else float(verdict),
                "exact_match": same,
                "answer_type": kind,
                "module": problem.module or None,
            }
            for verdict, same, kind, problem in zip(verdicts, exact, types, problems, strict=True)
        ],
    )
