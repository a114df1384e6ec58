"""Samples that are the same on every machine, and that larger samples extend."""

from __future__ import annotations

import hashlib
from bisect import insort
from collections.abc import Iterable, Iterator
from itertools import zip_longest
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from frontier.datasets import AnyLoader, Row
from frontier.errors import UserError


class SampleSpec(BaseModel):
    """The specification of a sample: its size and seed, and the loader of the rows."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    loader: AnyLoader
    size: int = Field(gt=0)
    seed: int = 0

    def all_rows(self, dataset: Path) -> Iterator[Row]:
        """All rows of the dataset. Raises UserError for a wrong folder."""
        if not dataset.is_dir():
            raise UserError(f"{dataset}: no such folder")
        return self.loader.rows(dataset)

    def rows(self, dataset: Path) -> list[Row]:
        """The sample's rows. Raises UserError as `all_rows` and `sample` do."""
        return sample(self.all_rows(dataset), self.size, self.seed)


def rank(seed: int, row_id: str) -> bytes:
    """The sort key of a row for a seed: a hash, so the same on every Python."""
    return hashlib.sha256(f"{seed}\n{row_id}".encode()).digest()


def sample(rows: Iterable[Row], size: int, seed: int) -> list[Row]:
    """`size` rows, drawn from the strata in equal shares until one runs out.

    Each stratum is sorted by the seed's order, and the sorted strata take turns. So the result does
    not depend on the rows' order, and a larger sample begins with the smaller one.
    Memory: `size` + 1 rows for each stratum.
    Raises UserError if there are too few rows, or an id is not unique.
    """
    # One row more than can be drawn, so that a duplicate id is always noticed.
    by_stratum: dict[str, list[tuple[bytes, Row]]] = {}
    total = 0
    for row in rows:
        total += 1
        stratum = by_stratum.setdefault(row.stratum, [])
        key = rank(seed, row.id)
        if len(stratum) <= size or key < stratum[-1][0]:
            insort(stratum, (key, row), key=lambda pair: pair[0])
            del stratum[size + 1 :]
    if total < size:
        raise UserError(f"a sample of {size} was asked for, but there are only {total} rows")
    drawn: list[Row] = []
    seen: set[str] = set()
    for turn in zip_longest(*(by_stratum[name] for name in sorted(by_stratum))):
        for _, row in filter(None, turn):
            if row.id in seen:
                raise UserError(f"two rows have the id {row.id!r}")
            seen.add(row.id)
            drawn.append(row)
    return drawn[:size]
