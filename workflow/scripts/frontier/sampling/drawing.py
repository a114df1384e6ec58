"""Samples that are the same on every machine, and that larger samples extend."""

from __future__ import annotations

import hashlib
from bisect import insort
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from frontier.datasets import AnyLoader, Row
from frontier.errors import UserError

Shares = Literal["proportional"]


class SampleSpec(BaseModel):
    """The specification of a sample: its size and seed, and the loader of the rows."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    loader: AnyLoader
    size: int = Field(gt=0)
    seed: int = 0
    shares: Shares | None = None

    def all_rows(self, dataset: Path) -> Iterator[Row]:
        """All rows of the dataset. Raises UserError for a wrong folder."""
        if not dataset.is_dir():
            raise UserError(f"{dataset}: no such folder")
        return self.loader.rows(dataset)

    def rows(self, dataset: Path) -> list[Row]:
        """The sample's rows. Raises UserError as `all_rows` and `sample` do."""
        return self.drawn(dataset)[0]

    def drawn(self, dataset: Path) -> tuple[list[Row], int]:
        """The sample's rows, and the number of all rows. Raises UserError as `rows` does."""
        total = 0

        def counted() -> Iterator[Row]:
            nonlocal total
            for row in self.all_rows(dataset):
                total += 1
                yield row

        return sample(counted(), self.size, self.seed, self.shares), total


def rank(seed: int, row_id: str) -> bytes:
    """The sort key of a row for a seed: a hash, so the same on every Python."""
    return hashlib.sha256(f"{seed}\n{row_id}".encode()).digest()


def sample(rows: Iterable[Row], size: int, seed: int, shares: Shares | None = None) -> list[Row]:
    """`size` rows, drawn from the strata in equal shares until one runs out, or proportional ones.

    Each stratum is sorted by the seed's order, and the sorted strata take turns, or, for
    proportional shares, come each after the same part of their rows. So the result does not depend
    on the rows' order, and a larger sample begins with the smaller one.
    Memory: `size` + 1 rows for each stratum.
    Raises UserError if there are too few rows, or an id is not unique.
    """
    # One row more than can be drawn, so that a duplicate id is always noticed.
    by_stratum: dict[str, list[tuple[bytes, Row]]] = {}
    rows_of = Counter[str]()
    for row in rows:
        rows_of[row.stratum] += 1
        stratum = by_stratum.setdefault(row.stratum, [])
        key = rank(seed, row.id)
        if len(stratum) <= size or key < stratum[-1][0]:
            insort(stratum, (key, row), key=lambda pair: pair[0])
            del stratum[size + 1 :]
    if rows_of.total() < size:
        raise UserError(
            f"a sample of {size} was asked for, but there are only {rows_of.total()} rows"
        )
    drawn: list[Row] = []
    seen: set[str] = set()
    turns = (
        (place, name, row)
        for name, ranked in sorted(by_stratum.items())
        for place, (_, row) in enumerate(ranked)
    )

    def turn(one: tuple[int, str, Row]) -> tuple[float, str]:
        place, name, _ = one
        return ((place + 0.5) / rows_of[name] if shares else place), name

    for _, _, row in sorted(turns, key=turn):
        if row.id in seen:
            raise UserError(f"two rows have the id {row.id!r}")
        seen.add(row.id)
        drawn.append(row)
    return drawn[:size]
