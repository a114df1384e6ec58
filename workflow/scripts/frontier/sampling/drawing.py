"""Drawing a sample that is the same on every machine and only grows when more is asked for."""

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
    """What is drawn, and from rows read how."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    loader: AnyLoader
    size: int = Field(gt=0)
    seed: int = 0

    def all_rows(self, dataset: Path) -> Iterator[Row]:
        """What there is to draw from. Raises UserError for a wrong folder."""
        if not dataset.is_dir():
            raise UserError(f"{dataset}: no such folder")
        return self.loader.rows(dataset)

    def rows(self, dataset: Path) -> list[Row]:
        """The sample. Raises UserError as `all_rows` and `sample` do."""
        return sample(self.all_rows(dataset), self.size, self.seed)


def rank(seed: int, row_id: str) -> bytes:
    """The place of a row in the seed's order: a hash, so the same on every Python."""
    return hashlib.sha256(f"{seed}\n{row_id}".encode()).digest()


def sample(rows: Iterable[Row], size: int, seed: int) -> list[Row]:
    """`size` rows, as many from each stratum as from any other while it has some left.

    Each stratum is put in the seed's order and the sorted strata are dealt round in turn. So the
    result does not depend on the rows' order, and a larger sample begins with the smaller one.
    Memory: `size` + 1 rows for each stratum.
    Raises UserError where there are fewer rows than asked for, or an id that is not unique.
    """
    # One row more than can be drawn, so that two rows with one id are never told apart by chance.
    kept: dict[str, list[tuple[bytes, Row]]] = {}
    total = 0
    for row in rows:
        total += 1
        stratum = kept.setdefault(row.stratum, [])
        key = rank(seed, row.id)
        if len(stratum) <= size or key < stratum[-1][0]:
            insort(stratum, (key, row), key=lambda pair: pair[0])
            del stratum[size + 1 :]
    if total < size:
        raise UserError(f"a sample of {size} was asked for, but there are only {total} rows")
    drawn: list[Row] = []
    seen: set[str] = set()
    for turn in zip_longest(*(kept[name] for name in sorted(kept))):
        for _, row in filter(None, turn):
            if row.id in seen:
                raise UserError(f"two rows have the id {row.id!r}")
            seen.add(row.id)
            drawn.append(row)
    return drawn[:size]
