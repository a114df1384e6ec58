"""Generated programs, run in a sandbox against the tests of their data set, as in HumanEval.

`pass_at_1`: the share of answers whose program passes its test, which is a function of a row's
`entry_point`. `pass_at_k`: the chance that one of k answers to a question passes, by the unbiased
estimator, for tasks with several `samples`. A program gets no packages, network, files or processes
(frontier/sandbox); where there is no sandbox, all answers are unscored.
"""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field

from frontier.answers import code
from frontier.blocks import Decides
from frontier.errors import UserError, did_you_mean
from frontier.machine.hardware import cores
from frontier.sandbox.programs import run_all, unavailable
from frontier.sandbox.running import TIMED_OUT, Program, Verdict
from frontier.scorers import PROPORTION, Metric, Score, ScoredItem, Scorer
from frontier.stats.pass_at_k import mean_pass_at_k

NO_CODE = "no code"
UNREAD = (NO_CODE, "SyntaxError", "IndentationError", "TabError")
"""The failures of texts in which no program is found."""


class Code(Scorer):
    """Keys of the `code` scorer."""

    PRIMARY = "pass_at_1"
    REFERENCES = "none"
    REPEATS = True

    form: Annotated[Literal["continuation", "chat"], Decides("score")]
    """`continuation`: the answer continues the prefix. `chat`: it has a block of code, which is the
    whole function or its body."""
    prefix: Annotated[str, Decides("score")] = "prompt"
    """The field with the code before the answer: imports, helpers, the function's first lines."""
    suffix: Annotated[str | None, Decides("score")] = None
    """The field with the code behind a continuation."""
    whole_lines: Annotated[bool, Decides("score")] = False
    """Continuations with a suffix are whole lines, whose last line break may be missing."""
    test: Annotated[str, Decides("score")] = "test"
    """The field with the test: it defines `check`, which gets the function, or calls it by name."""
    entry_point: Annotated[str, Decides("score")] = "entry_point"
    """The field with the function's name."""
    pass_at: Annotated[tuple[Annotated[int, Field(ge=1, le=1000)], ...], Decides("score")] = (1,)
    """Further k of pass@k, for tasks with at least as many `samples` of each answer."""
    time_limit_s: Annotated[float, Field(gt=0, le=600), Decides("score")] = 5.0
    """Seconds for one program, by the clock; one that takes longer is tried once more, alone."""

    def reads(self) -> tuple[str, ...]:
        """The fields of a row that it reads."""
        fields = (self.prefix, self.suffix, self.test, self.entry_point)
        return tuple(name for name in fields if name is not None)

    def samples(self) -> int:
        """The largest k of pass@k."""
        return max((1, *self.pass_at))

    def unavailable(self) -> str | None:
        """The reason why there is no sandbox, which is tried once in each process."""
        return unavailable()

    def score(self, items: Sequence[ScoredItem]) -> Score:
        """The share of programs that pass. Raises UserError for a row without a usable test."""
        programs = [self._program(item) for item in items]
        given = [one for one in programs if one is not None]
        ran = iter(run_all(given, self.time_limit_s, cores()) if given else [])
        verdicts = [Verdict(False, NO_CODE) if one is None else next(ran) for one in programs]
        problems: dict[str, list[float]] = {}
        for item, one in zip(items, verdicts, strict=True):
            if one.passed is not None:
                problems.setdefault(item.question or item.id, []).append(float(one.passed))
        reasons = Counter(one.reason for one in verdicts if one.passed is False)
        return Score(
            metrics={
                f"pass_at_{k}": Metric.of(mean_pass_at_k([*problems.values()], k), PROPORTION)
                for k in sorted({1, *self.pass_at})
            },
            details={
                "failures": dict(sorted(reasons.items())),
                "timed_out": reasons[TIMED_OUT],
                "python": platform.python_version(),
            },
            requests=[
                {
                    "score": None if one.passed is None else float(one.passed),
                    "unscored": one.reason if one.passed is None else None,
                    "failure": one.reason if one.passed is False else None,
                }
                for one in verdicts
            ],
            unparsable=sum(
                one.reason in UNREAD and bool(item.prediction.strip())
                for one, item in zip(verdicts, items, strict=True)
            ),
        )

    def _program(self, item: ScoredItem) -> Program | None:
        """The program of an answer and its test; None for an answer without code."""
        for field in self.reads():
            if field not in item.fields:
                hint = did_you_mean(field, item.fields)
                raise UserError(f"request {item.id}: the row has no field {field!r}{hint}")
        prefix, name = item.fields[self.prefix], item.fields[self.entry_point].strip()
        suffix = item.fields[self.suffix] if self.suffix else ""
        test = item.fields[self.test]
        if not name.isidentifier():
            raise UserError(f"request {item.id}: {self.entry_point} {name!r} names no function")
        if not code.is_python(test):
            raise UserError(f"request {item.id}: {self.test} is not Python")
        if self.form == "continuation":
            if self.whole_lines and suffix:
                suffix = suffix if item.prediction.endswith("\n") else f"\n{suffix}"
            found: str | None = code.continued(prefix, item.prediction, suffix, item.prompt)
        else:
            found = code.answered(prefix, item.prediction, name)
        if found is None:
            return None
        setup, calls = code.before(prefix, name), code.calls_itself(test) is False
        return Program(found, test, name, setup, calls)
