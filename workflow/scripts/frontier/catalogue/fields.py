"""The fields of a task's rows: those that its prompt and its scorer read, from its loader."""

from __future__ import annotations

from frontier import templates
from frontier.catalogue.checking import one_of
from frontier.datasets import Loader
from frontier.errors import UserError
from frontier.scorers import SCORERS, Scorer


def with_fields(loader: Loader, prompt: str, scorer: Scorer, where: str) -> Loader:
    """The loader with all fields that a task reads. Raises UserError for what it cannot provide."""
    try:
        named = templates.used(prompt)
    except ValueError:
        named = ()  # refused below
    try:
        read = loader.using([*named, *scorer.reads()])
    except ValueError as error:
        raise UserError(f"{where}.sample.{error}") from None
    try:
        templates.check(prompt, read.fields())
    except ValueError as error:
        raise UserError(f"{where}.prompt: {error}") from None
    for name in scorer.reads():
        one_of(name, read.fields(), f"{where}.scorer")
    kind = SCORERS.name_of(type(scorer))
    if scorer.REFERENCES != "none" and read.references() == "none":
        raise UserError(
            f"{where}.sample.reference: Field required: {kind} compares answers with it"
        )
    if scorer.REFERENCES == "one" and read.references() == "several":
        raise UserError(f"{where}.sample.reference: {kind} takes one right answer, not several")
    return read
