"""The demo: examples of a grammar that no grown model was trained on.

There are no files: the grammar generates the rows, so the dataset's folder is not read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Annotated

from pydantic import Field, field_validator

from frontier.blocks import Decides
from frontier.datasets import Loader, Row
from frontier.errors import did_you_mean
from frontier.grammars import GRAMMARS, Split


class Demo(Loader):
    """Examples of a grammar, by default held-out ones."""

    FILES = re.compile(".*")

    grammar: Annotated[str, Decides("sample")]
    """A module of frontier/grammars."""
    split: Annotated[Split, Decides("sample")] = "test"
    """`test`: no grown model was trained on them; `train`: the others, for examples."""
    candidates: Annotated[int, Field(gt=0, le=10**6), Decides("sample")] = 700
    """Number of examples to draw from, if the grammar has as many."""

    @field_validator("grammar")
    @classmethod
    def _exists(cls, name: str) -> str:
        if name not in GRAMMARS.names():
            hint = did_you_mean(name, GRAMMARS.names())
            raise ValueError(f"there is no grammar {name!r}{hint}")
        return name

    def fields(self) -> tuple[str, ...]:
        """The fields of the grammar's examples."""
        return GRAMMARS.load(self.grammar).FIELDS

    def rows(self, folder: Path) -> Iterator[Row]:
        """The examples, each with a digest of its fields as id. The folder is ignored."""
        world = GRAMMARS.load(self.grammar)()
        for example in islice(world.examples(self.split, 0), self.candidates):
            name = f"demo-{self.grammar}-{example.digest[:16]}"
            yield Row(name, example.fields, example.reference, example.stratum)

    def plugins(self) -> tuple[str, ...]:
        """The grammar's module."""
        return (GRAMMARS.module(self.grammar),)
