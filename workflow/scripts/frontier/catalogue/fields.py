"""The fields of a task's rows: those that its prompt and its scorer read, from its loader."""

from __future__ import annotations

from contextlib import suppress

from frontier import templates
from frontier.catalogue.checking import one_of
from frontier.catalogue.entries import Task
from frontier.datasets import Loader
from frontier.errors import UserError
from frontier.scorers import SCORERS, Scorer


def with_fields(loader: Loader, task: Task, scorer: Scorer, where: str) -> Loader:
    """The loader with all fields that a task reads. Raises UserError for what it cannot provide."""
    texts = {"prompt": task.prompt, **({"preamble": task.preamble} if task.preamble else {})}
    texts |= {f"follow_ups.{at}": one for at, one in enumerate(task.follow_ups or ())}
    named: list[str] = []
    for text in texts.values():
        with suppress(ValueError):  # refused below
            named += templates.used(text)
    try:
        read = loader.using([*dict.fromkeys(named), *scorer.reads()])
    except ValueError as error:
        raise UserError(f"{where}.sample.{error}") from None
    for key, text in texts.items():
        try:
            if key == "prompt" or templates.used(text):
                templates.check(text, read.fields())
        except ValueError as error:
            raise UserError(f"{where}.{key}: {error}") from None
    for name in scorer.reads():
        one_of(name, read.fields(), f"{where}.scorer")
    kind = SCORERS.name_of(type(scorer))
    if bool(task.choices) != (scorer.ASKS == "choose"):
        if task.choices:
            raise UserError(
                f"{where}.choices: {kind} reads generated texts; loglikelihood does not"
            )
        raise UserError(f"{where}.choices: Field required: {kind} compares their likelihoods")
    if task.follow_ups and not scorer.TURNS:
        raise UserError(f"{where}.follow_ups: {kind} scores one answer to each question")
    if task.choices == "row" and not loader.offers_choices():
        raise UserError(f"{where}.choices: rows of this loader have no wrong answers")
    if scorer.REFERENCES != "none" and not scorer.checks_itself() and read.references() == "none":
        raise UserError(
            f"{where}.sample.reference: Field required: {kind} compares answers with it"
        )
    if scorer.REFERENCES == "one" and read.references() == "several":
        raise UserError(f"{where}.sample.reference: {kind} takes one right answer, not several")
    return read
