"""Worked examples (few-shot) before a task's questions, from rows that are not its questions'."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field

from frontier.blocks import Block, Entry, Measure, Sample
from frontier.catalogue.checking import one_of
from frontier.catalogue.source import Source
from frontier.datasets import Loader
from frontier.errors import UserError
from frontier.prompts import ShotStyle
from frontier.text import shown

STRATUM = "stratum"
SPLIT = "split"
"""The key of a loader that names a part of its dataset."""


class Shots(Entry):
    """Worked examples before each question: the same ones for every variant."""

    from_: Annotated[str, Field(alias="from"), Sample]
    """Their rows: another split of the dataset (a value of its loader's `split`), or another
    dataset with the same loader. A question is never among its own examples."""
    count: Annotated[int, Field(gt=0, le=1000), Sample, Measure]
    """Examples before each question. Where the prompt would be too long for the model, the last
    ones are left out, and counted."""
    by: Annotated[str | None, Sample] = None
    """`stratum`, or a field of the rows: examples then share the question's; unset: all questions
    have the same ones, from all strata in turn."""
    as_: Annotated[ShotStyle, Field(alias="as"), Measure] = "text"
    """`text`: one prompt, in which each example is the task's prompt followed by its answer;
    `turns`: messages of a conversation, for models with `prompt: chat`."""
    sampler: Annotated[Literal["seeded", "first"], Sample] = "seeded"
    """`seeded`: drawn as samples are, the first one nearest to the question; `first`: the first
    rows in their order, the last one nearest."""
    seed: Annotated[int, Sample] = 0
    """Seed of the draw."""
    separator: Annotated[str, Field(min_length=1, max_length=1000), Measure] = "\n\n"
    """Text after each example, as text."""


class Examples(Block):
    """The rows of a task's shots."""

    dataset: str
    loader: Loader
    own: bool
    """Whether they are of the dataset of the questions, whose ids name the same rows."""


def examples(
    shots: Shots,
    dataset: str,
    loader: Loader,
    datasets: Mapping[str, tuple[str, Source]],
    where: str,
) -> Examples:
    """The rows that a task's `shots` name; `dataset` and `loader` are those of its questions.

    `datasets`: the loader and source of each. Raises UserError with the key and the nearest name:
    for an unknown split, dataset or stratum, and for the rows of the questions themselves.
    """
    given, own_loader = shots.from_, datasets[dataset][0]
    splits = loader.splits()
    if splits is None:  # any word is one
        splits = () if given in datasets else (given,)
    alike = [name for name, (kind, _) in datasets.items() if kind == own_loader]
    if given not in splits and given in datasets and given not in alike:
        raise UserError(
            f"{where}.from: the loader of {shown(given)} is {datasets[given][0]}, not {own_loader}"
        )
    one_of(given, [*splits, *(name for name in alike if name != dataset)], f"{where}.from")
    found = Examples(dataset=given, loader=loader, own=False)
    if given in splits:
        other = loader.model_copy(update={SPLIT: given})
        found = Examples(dataset=dataset, loader=other, own=True)
    elif datasets[given][1] == datasets[dataset][1]:
        found = Examples(dataset=given, loader=loader, own=True)
    if found.own and found.loader == loader:
        others = [name for name in splits if name != given]
        hint = f"; other splits: {', '.join(others)}" if others else ""
        raise UserError(f"{where}.from: {shown(given)} has the rows of the questions{hint}")
    if shots.by is not None:
        one_of(shots.by, (STRATUM, *loader.fields()), f"{where}.by")
    return found
