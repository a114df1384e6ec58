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
from frontier.judging import agreement, games, reading, sets, verdicts
from frontier.judging.agreement import Judged
from frontier.judging.asking import Inquiry
from frontier.judging.reading import Said
from frontier.judging.sets import Kind
from frontier.judging.templates import OWN, Form, Template, own
from frontier.scorers import PROPORTION, Columns, MeanScorer, Metric, Score, ScoredItem
from frontier.scorers.common.groups import MOST_COLUMNS, column
from frontier.stats.clustered import clustered_mean
from frontier.stats.intervals import Estimate
from frontier.stats.length_control import length_controlled
from frontier.stats.preferences import win_rate

UNJUDGED, UNREAD = "the judge gave no answer", "the judge's verdict is unparsable"
UNANSWERED = "there is no answer to judge"


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
    template_names: Annotated[dict[Kind, str], Decides("score")] = Field(default_factory=dict)
    """Names of further templates there: `later`, for later turns; `with_reference` and
    `later_with_reference`, for rows whose `references` are not empty."""
    dataset_template: Annotated[str | None, Field(pattern=r"^[\w.-]+$"), Decides("score")] = None
    """The name of such a file in the task's dataset, instead of `template`."""
    references: Annotated[tuple[str, ...], Decides("score")] = ()
    """The fields with the right answers that a template shows, by turn."""
    by: Annotated[str | None, Decides("score")] = None
    """A field of the rows, such as a category: each of its groups has a mean of its own too."""
    system: Annotated[Text | None, Decides("score")] = None
    """Text of the system message, instead of the template's."""
    max_new_tokens: Annotated[int, Field(gt=0, le=10**6), Decides("score")] = 1024
    """Limit of the judge's tokens for each request."""
    at_least: Annotated[float, Field(ge=0, le=1), Decides("score")] = 0.75
    """The share of pairs with a known better answer in which the judge must name it."""
    check_file: Annotated[Path | None, Decides("score")] = None
    """A table of such pairs, with the columns question, better, worse and, if known, reference; by
    default right answers of the rows, and those of other rows."""

    @model_validator(mode="after")
    def _one_comparison(self) -> Judge:
        """Raises ValueError unless what is compared suits the form."""
        given = bool(self.against) + bool(self.baseline)
        if self.form == "rating" and given:
            raise ValueError("against and baseline are for pairs; the form is rating")
        if self.form != "rating" and given != 1:
            raise ValueError(f"the form {self.form} needs either against or baseline")
        file = self.template or self.dataset_template
        if self.template and self.dataset_template:
            raise ValueError("give either template or dataset_template")
        if self.template_name and not file:
            raise ValueError("template_name needs template")
        if self.template_names and not self.template_name:
            raise ValueError("template_names needs template_name, that of the first turn")
        if sets.FIRST in self.template_names:
            raise ValueError("template_names: the first turn's is template_name")
        if self.form not in OWN and not file:
            raise ValueError(f"the form {self.form} needs template")
        return self

    def reads(self) -> tuple[str, ...]:
        """The question, the baseline, the right answers, and the groups."""
        named = (self.question, self.baseline, *self.references, self.by)
        return tuple(dict.fromkeys(name for name in named if name))

    def checks_itself(self) -> bool:
        """Whether the judge's check is a file of its own, and needs no right answers of rows."""
        return self.check_file is not None

    def check(self) -> Path | None:
        """The file of pairs by which the judge is checked; None if rows have right answers."""
        return self.check_file

    def asks(self) -> Template:
        """The first turn's template, as far as it is known before a dataset is fetched."""
        return own(self.form) if self.template is None else self.templates(1)[sets.FIRST]

    def names(self) -> dict[Kind, str]:
        """The names of its templates; none for a file that has one without a name."""
        first: dict[Kind, str] = {sets.FIRST: self.template_name} if self.template_name else {}
        return first | self.template_names

    def templates(self, turns: int) -> dict[Kind, Template]:
        """The templates for conversations of so many turns; none if the dataset has them.

        Raises UserError for a file that lacks one, or has another form; ValueError if a template
        for later turns is missing, or there are more turns than templates show.
        """
        if turns > sets.MOST_TURNS:
            raise ValueError(f"a judge sees {sets.MOST_TURNS} turns at most; there are {turns}")
        file = self.template or self.dataset_template
        if turns > 1 and file and "later" not in self.template_names:
            raise ValueError("follow_ups need template_names.later: the later turns' template")
        if turns > 1 and self.baseline:
            raise ValueError("baseline: a field has one answer; there are several turns")
        if self.dataset_template:
            return {}
        if self.template is None:
            return sets.ours(self.form, later=turns > 1)
        return sets.named(self.template, self.names(), self.form)

    def score(self, items: Sequence[ScoredItem]) -> Score:
        """Nothing but unscored answers, without a judge's."""
        return self.score_judged(items, (), {})

    def score_judged(
        self, items: Sequence[ScoredItem], asked: Sequence[Inquiry], said: Mapping[str, Said]
    ) -> Score:
        """The metrics of a cell's items by what the judge said about each request."""
        found, rated = reading.judged(self.form, asked, said), self.form == "rating"
        checked = agreement.check([one.preference for one, known in found if known.check])
        reason = agreement.trusted(checked, self.at_least) if said else UNJUDGED
        own: dict[str, list[Judged]] = defaultdict(list)
        for one, about in found:
            if not about.check:
                own[about.item].append(one)
        rows = [self._row(own.get(item.id, []), about_reason=reason) for item in items]
        if self.against:
            ids = [item.id for item in items]
            for row, played in zip(rows, games.of_items(ids, found, bool(reason)), strict=True):
                row[games.COLUMN] = list(played)
        kept = [
            (row, item) for row, item in zip(rows, items, strict=True) if row["score"] is not None
        ]
        values = [float(str(row["score"])) for row, _ in kept]
        questions = [item.question or item.id for _, item in kept]
        metrics = {self.PRIMARY: Metric.of(win_rate(values, questions).estimate, PROPORTION)}
        parts, groups = self._parts([item for _, item in kept], values)
        metrics |= parts
        if not rated:
            metrics |= self._length_adjusted(
                [] if reason else [one for one, about in found if not about.check]
            )
        details: dict[str, Any] = {
            "judge": self.judge,
            "device": self.device,
            "check": {**asdict(checked), "pairs": sum(known.check for known in asked)},
            "withheld": reason,
            **groups,
        }
        if not rated:
            seen = agreement.habits([one for one, about in found if not about.check])
            details["habits"] = asdict(seen)
        return Score(metrics=metrics, details=details, requests=rows)

    def _parts(
        self, items: Sequence[ScoredItem], values: Sequence[float]
    ) -> tuple[dict[str, Metric], dict[str, Any]]:
        """The mean of all ratings, and that of each turn and of each group of the field `by`."""
        name = "rating" if self.form == "rating" else self.PRIMARY
        metrics: dict[str, Metric] = {}
        details: dict[str, Any] = {}
        if self.form == "rating":
            metrics[name] = self._mean(items, values)
        turns = [f"turn_{item.turn}" for item in items]
        if len({*turns}) > 1:
            metrics |= {f"{name}_{at}": one for at, one in self._each(items, values, turns).items()}
        if self.by:
            found = self._each(items, values, [item.fields[self.by] for item in items])
            details[self.by] = {group: asdict(one) for group, one in found.items()}
            if len(found) <= MOST_COLUMNS:
                metrics |= {column(name, group): one for group, one in found.items()}
        return metrics, details

    def _each(
        self, items: Sequence[ScoredItem], values: Sequence[float], groups: Sequence[str]
    ) -> dict[str, Metric]:
        """The mean of each group."""
        found = {}
        for group in sorted({*groups}):
            own = [at for at, one in enumerate(groups) if one == group]
            found[group] = self._mean([items[at] for at in own], [values[at] for at in own])
        return found

    def _mean(self, items: Sequence[ScoredItem], values: Sequence[float]) -> Metric:
        """The mean rating or preference, with its interval over questions."""
        questions = [item.question or item.id for item in items]
        if self.form != "rating":
            return Metric.of(win_rate(values, questions).estimate, PROPORTION)
        ratings = [verdicts.LOWEST + reading.RANGE * value for value in values]
        bounds = verdicts.LOWEST, verdicts.HIGHEST
        return Metric.of(clustered_mean(ratings, questions, bounds=bounds).estimate, "rating")

    def _row(self, judged: Sequence[Judged], about_reason: str | None) -> Columns:
        """A request's score: the mean of its preferences; unscored unless all have one."""
        preferences = [one.preference for one in judged]
        known = [one for one in preferences if one is not None]
        if about_reason or not preferences or len(known) < len(preferences):
            why = UNREAD if preferences else UNANSWERED
            return {"score": None, "unscored": about_reason or why}
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
