"""Answers as a model judges them: rated from 1 to 10, or compared with others in both orders.

`judged`, the primary metric, is the mean of the answers' scores: a rating of 1 is 0 and of 10 is 1;
a win is 1, a tie 0.5, and a win needs the same verdict in both orders. `rating` is the mean rating;
`length_adjusted_win_rate` what the rate would be if both answers were equally long. The judge is
checked with pairs whose better answer is known; below `at_least` its verdicts are withheld. An
answer without a verdict is unscored.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import Field, model_validator

from frontier.blocks import Decides, Text
from frontier.judging import agreement, verdicts
from frontier.judging.agreement import Judged
from frontier.judging.asking import Inquiry
from frontier.judging.templates import (
    OWN,
    PAIRS,
    Form,
    Template,
    from_alpaca_eval,
    from_mt_bench,
    own,
)
from frontier.scorers import PROPORTION, Columns, MeanScorer, Metric, Score, ScoredItem
from frontier.stats.clustered import clustered_mean
from frontier.stats.intervals import Estimate
from frontier.stats.length_control import length_controlled
from frontier.stats.preferences import win_rate

UNJUDGED, UNREAD = "the judge gave no answer", "the judge's verdict is unparsable"
RANGE = verdicts.HIGHEST - verdicts.LOWEST


class Judge(MeanScorer):
    """Keys of the `judge` scorer."""

    PRIMARY = "judged"
    REFERENCES = "several"
    REPEATS = True
    TURNS = True

    judge: Annotated[str, Field(min_length=1), Decides("score")]
    """The variant that judges, as results/ names it."""
    device: Annotated[str, Field(min_length=1), Decides("score")]
    """The device on which it judges: an endpoint, or one with a local model."""
    form: Annotated[Form, Decides("score")] = "rating"
    """`rating`: from 1 to 10; `pair`: [[A]], [[B]] or [[C]]; `arena`: five verdicts from [[A>>B]]
    to [[B>>A]]; `identifier`: AlpacaEval's m or M."""
    against: Annotated[tuple[str, ...], Decides("score")] = ()
    """Variants with whose answers on the same device each one is compared."""
    baseline: Annotated[str | None, Decides("score")] = None
    """The field of a row with the answer with which each one is compared."""
    question: Annotated[str | None, Decides("score")] = None
    """The field that the judge sees as the question; by default the whole prompt."""
    template: Annotated[Path | None, Decides("score")] = None
    """A file of templates in the format of MT-Bench's judge_prompts.jsonl, or AlpacaEval's prompt;
    by default a template of ours for the form."""
    template_name: Annotated[str | None, Decides("score")] = None
    """The template's name in judge_prompts.jsonl."""
    system: Annotated[Text | None, Decides("score")] = None
    """Text of the system message, instead of the template's."""
    max_new_tokens: Annotated[int, Field(gt=0, le=10**6), Decides("score")] = 1024
    """Limit of the judge's tokens for each request."""
    at_least: Annotated[float, Field(ge=0, le=1), Decides("score")] = 0.75
    """The share of pairs with a known better answer in which the judge must name it."""

    @model_validator(mode="after")
    def _one_comparison(self) -> Judge:
        """Raises ValueError unless what is compared suits the form."""
        given = bool(self.against) + bool(self.baseline)
        if self.form == "rating" and given:
            raise ValueError("against and baseline are for pairs; the form is rating")
        if self.form != "rating" and given != 1:
            raise ValueError(f"the form {self.form} needs either against or baseline")
        if self.template_name and not self.template:
            raise ValueError("template_name needs template")
        if self.form not in OWN and not self.template:
            raise ValueError(f"the form {self.form} needs template")
        return self

    def reads(self) -> tuple[str, ...]:
        """The question and the baseline."""
        return tuple(name for name in (self.question, self.baseline) if name)

    def asks(self) -> Template:
        """The template. Raises UserError for a file that has none, ValueError for another form."""
        if self.template is None:
            return own(self.form)
        if self.template_name:
            found = from_mt_bench(self.template, self.template_name)
        else:
            found = from_alpaca_eval(self.template)
        if found.form != self.form:
            raise ValueError(f"{self.template}: a template of the form {found.form}")
        if found.turns > 1:
            raise ValueError(f"{self.template}: shows two turns; a task has one")
        return found

    def score(self, items: Sequence[ScoredItem]) -> Score:
        """Nothing but unscored answers, without a judge's."""
        return self.score_judged(items, (), {})

    def score_judged(
        self, items: Sequence[ScoredItem], asked: Sequence[Inquiry], said: Mapping[str, str]
    ) -> Score:
        """The metrics of a cell's items by the judge's texts; `said` has those by request."""
        found, rated = self._judged(asked, said), self.form == "rating"
        checked = agreement.check([one.preference for one, known in found if known.check])
        reason = agreement.trusted(checked, self.at_least) if said else UNJUDGED
        own: dict[str, list[Judged]] = defaultdict(list)
        for one, about in found:
            if not about.check:
                own[about.item].append(one)
        rows = [self._row(own.get(item.id, []), about_reason=reason) for item in items]
        kept = [
            (row, item) for row, item in zip(rows, items, strict=True) if row["score"] is not None
        ]
        values = [float(str(row["score"])) for row, _ in kept]
        questions = [item.question or item.id for _, item in kept]
        metrics = {self.PRIMARY: Metric.of(win_rate(values, questions).estimate, PROPORTION)}
        if rated:
            ratings = [verdicts.LOWEST + RANGE * value for value in values]
            bounds = verdicts.LOWEST, verdicts.HIGHEST
            mean = clustered_mean(ratings, questions, bounds=bounds).estimate
            metrics["rating"] = Metric.of(mean, "rating")
        else:
            metrics |= self._length_adjusted(
                [] if reason else [one for one, about in found if not about.check]
            )
        details: dict[str, Any] = {
            "judge": self.judge,
            "device": self.device,
            "check": {**asdict(checked), "pairs": sum(known.check for known in asked)},
            "withheld": reason,
        }
        if not rated:
            seen = agreement.habits([one for one, about in found if not about.check])
            details["habits"] = asdict(seen)
        return Score(metrics=metrics, details=details, requests=rows)

    def _judged(
        self, asked: Sequence[Inquiry], said: Mapping[str, str]
    ) -> list[tuple[Judged, Inquiry]]:
        """The preference of each request or pair; a rating's is a share of the whole scale."""
        found = []
        for about in asked:
            first, second = (
                said.get(name) if name else None for name in (about.first, about.second)
            )
            if self.form == "rating":
                ratings = [
                    verdicts.rating(text) if text is not None else None for text in (first, second)
                ]
                if about.check:
                    known = None not in ratings
                    better = float(known and ratings[0] > ratings[1])  # type: ignore[operator]
                    one = Judged(better, better, about.characters, about.other_characters)
                else:
                    share = None if ratings[0] is None else (ratings[0] - verdicts.LOWEST) / RANGE
                    one = Judged(share, share, about.characters, 0)
            else:
                read = PAIRS[self.form]
                given = [read(text) if text is not None else None for text in (first, second)]
                preferences = [None if verdict is None else verdict.preference for verdict in given]
                swapped = None if preferences[1] is None else 1 - preferences[1]
                lengths = about.characters, about.other_characters
                one = Judged(preferences[0], swapped, *lengths, equal=about.equal)
            found.append((one, about))
        return found

    def _row(self, judged: Sequence[Judged], about_reason: str | None) -> Columns:
        """A request's score: the mean of its preferences; unscored unless all have one."""
        preferences = [one.preference for one in judged]
        known = [one for one in preferences if one is not None]
        if about_reason or not preferences or len(known) < len(preferences):
            return {"score": None, "unscored": about_reason or UNREAD}
        return {"score": float(np.mean(known)), "unscored": None}

    def _length_adjusted(self, pairs: Sequence[Judged]) -> dict[str, Metric]:
        """The win rate at equal lengths, of the pairs with a preference."""
        known = [(one, one.preference) for one in pairs if one.preference is not None]
        if not known:
            return {}
        found = length_controlled(
            [preference for _, preference in known],
            [one.other_characters - one.characters for one, _ in known],
        )
        estimate: Estimate = found.estimate
        return {found.name: Metric.of(estimate, PROPORTION)}
