"""Needles in haystacks: long generated texts with a few secrets, one of which is asked for.

There are no files: frontier/grammars/needle.py generates the rows, so the dataset's folder is not
read. Lengths are in words, which are the same for every model: one is 1.10 tokens with the
vocabularies of GPT-4 and GPT-4o, and more with smaller ones.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from pydantic import Field, field_validator

from frontier.blocks import Decides
from frontier.datasets import Loader, Row
from frontier.grammars import needle

Length = Annotated[int, Field(gt=0, le=10**6)]
Depth = Annotated[float, Field(ge=0, le=1)]


class Needle(Loader):
    """Texts of several lengths, each with a needle at one of several depths."""

    FILES = re.compile(".*")

    lengths: Annotated[tuple[Length, ...], Field(min_length=1), Decides("sample")]
    """Words of the haystacks: each length is a stratum."""
    depths: Annotated[tuple[Depth, ...], Field(min_length=1), Decides("sample")] = (
        0.0, 0.25, 0.5, 0.75, 1.0,
    )  # fmt: skip
    """Places of the needle that is asked for, in turn: 0 is the text's beginning, 1 its end."""
    needles: Annotated[int, Field(gt=0, le=len(needle.SECRETS)), Decides("sample")] = needle.NEEDLES
    """Needles in each text, of a kind each."""
    candidates: Annotated[int, Field(gt=0, le=10**5), Decides("sample")] = 60
    """Texts of each length to draw from."""

    @field_validator("lengths", "depths")
    @classmethod
    def _differ(cls, given: tuple[float, ...]) -> tuple[float, ...]:
        if len({*given}) < len(given):
            raise ValueError("two of them are the same")
        return given

    def fields(self) -> tuple[str, ...]:
        """The text, what is asked for, and the length and the depth, for scores by these."""
        return (*needle.Needle.FIELDS, "length", "depth")

    def rows(self, folder: Path) -> Iterator[Row]:
        """The texts, none of which a grown model has learned from. The folder is ignored."""
        for words in self.lengths:
            rng = random.Random(words)
            for number in range(self.candidates):
                depth = self.depths[number % len(self.depths)]
                found = needle.secrets(rng, self.needles, "test")
                example = needle.hidden(rng, found, words, depth)
                length = f"{words} words"
                fields = {**example.fields, "length": length, "depth": f"depth {depth:.0%}"}
                name = f"needle-{words}-{depth:g}-{example.digest[:16]}"
                yield Row(name, fields, example.reference, length)
