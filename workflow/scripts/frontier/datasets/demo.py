"""The demo's small worlds: examples of a grammar that no grown model has met while it grew.

There are no files: the rows follow from the grammar, so the dataset's folder is not looked into.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, field_validator

from frontier import grammars
from frontier.datasets import Row
from frontier.errors import did_you_mean

FILES = re.compile(".*")


class Options(BaseModel):
    """The keys of a task's `sample:` that are this loader's own."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)
    grammar: str
    """A module of frontier/grammars."""
    candidates: int = Field(default=700, gt=0, le=10**6)
    """How many held-out examples there are to draw from, if the grammar has as many."""

    @field_validator("grammar")
    @classmethod
    def _exists(cls, name: str) -> str:
        known = grammars.names()
        if name not in known:
            raise ValueError(f"there is no grammar {name!r}{did_you_mean(name, known)}")
        return name


def fields(options: Options) -> tuple[str, ...]:
    """What a prompt may use: the grammar says."""
    found: tuple[str, ...] = grammars.load(options.grammar).FIELDS
    return found


def rows(_folder: Path | None, options: Options) -> Iterator[Row]:
    """The held-out examples; an id is a digest of what its example shows."""
    for example in islice(grammars.examples(options.grammar, "test", 0), options.candidates):
        name = f"demo-{options.grammar}-{example.digest[:16]}"
        yield Row(name, example.fields, example.reference, example.stratum)
