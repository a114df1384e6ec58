"""Worked examples (few-shot) of a sample's questions: the same on every machine."""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterable, Iterator, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from frontier.datasets import AnyLoader, Row
from frontier.errors import UserError
from frontier.sampling.drawing import SampleSpec, rank

Order = bytes | int
SPARE = 2
"""Rows beyond those wanted and those with the question's text: one may be the question itself,
whose text may be another in its own dataset."""


class ShotsSpec(BaseModel):
    """The specification of a sample's worked examples (a task's `shots`)."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    loader: AnyLoader
    count: int = Field(gt=0)
    by: str | None = None
    """`stratum`, or a field, that a question shares with its examples."""
    sampler: Literal["seeded", "first"] = "seeded"
    seed: int = 0
    fields: tuple[str, ...]
    """The fields that the prompts show: rows with the same are the same question."""
    own: bool
    """Whether the rows are of the questions' own dataset, whose ids name the same rows."""

    def choose(self, questions: Sequence[Row], folder: Path) -> list[list[Row]]:
        """The examples of each question, the nearest to it first.

        They are the first rows, in the order of the sampler, that are not the question itself.
        Drawn ones all differ; the first rows are as they are, as published protocols take them: the
        examples of MMLU's college_physics hold one twice.
        Memory: some rows for each stratum and each value of `by`. Raises UserError if there are too
        few, or if all rows with a value of `by` have the same answer, which examples would reveal.
        """
        if not folder.is_dir():
            raise UserError(f"{folder}: no such folder")
        pools: dict[str, _Pool] = {}
        in_order = self.sampler == "first"
        copies = self.count if in_order else 1
        most = self.count + copies + SPARE
        for number, row in enumerate(self.loader.rows(folder)):
            pool = pools.setdefault(self._group(row), _Pool(most, copies, self.fields))
            pool.add(number if in_order else rank(self.seed, row.id), row)
        self._check_secret(pools)
        ordered = {name: list(pool.rows()) for name, pool in pools.items()}
        return [self._of(question, ordered) for question in questions]

    def _group(self, row: Row) -> str:
        if self.by is None:
            return ""
        return row.stratum if self.by == "stratum" else row.fields[self.by]

    def _of(self, question: Row, ordered: dict[str, list[Row]]) -> list[Row]:
        group, shown = self._group(question), texts(question, self.fields)
        found = [
            row
            for row in ordered.get(group, [])
            if texts(row, self.fields) != shown and not (self.own and row.id == question.id)
        ]
        if self.sampler == "seeded":
            found = _different(found, self.fields)
        if len(found) < self.count:
            alike = f" with the {self.by} {group!r}" if self.by else ""
            raise UserError(
                f"shots: {self.count} were asked for, but for the question {question.id!r} there "
                f"are only {len(found)}{alike}"
            )
        nearest = found[: self.count]
        return nearest[::-1] if self.sampler == "first" else nearest

    def _check_secret(self, pools: dict[str, _Pool]) -> None:
        """Raises UserError if the value of `by` alone tells the answer."""
        answers = [pool.answers for pool in pools.values()]
        if (
            len(answers) > 1
            and all(len(one) == 1 for one in answers)
            and len(set().union(*answers)) > 1
        ):
            raise UserError(
                f"shots.by: all rows with the same {self.by} have the same answer, so a question's "
                "examples would reveal its own"
            )


class TaskSample(SampleSpec):
    """The specification of sample.py: a task's questions, and their examples if it has some."""

    shots: ShotsSpec | None = None


def texts(row: Row, fields: Iterable[str]) -> tuple[str, ...]:
    """The texts of a row that prompts show."""
    return tuple(row.fields[name] for name in fields)


def _different(rows: Sequence[Row], fields: Sequence[str]) -> list[Row]:
    """The rows without those that have the texts of an earlier one."""
    found: dict[tuple[str, ...], Row] = {}
    for row in rows:
        found.setdefault(texts(row, fields), row)
    return list(found.values())


class _Pool:
    """The first rows of each stratum in some order, of those with the same texts only some."""

    def __init__(self, most: int, copies: int, fields: Sequence[str]) -> None:
        """`most`: rows per stratum; `copies`: rows with the same texts."""
        self._most, self._copies, self._fields = most, copies, fields
        self._strata: dict[str, list[tuple[Order, Row]]] = {}
        self.answers: set[str] = set()
        """Two of the rows' answers, or the only one."""

    def add(self, key: Order, row: Row) -> None:
        """Adds a row; `key` is its place in the order, the number of the row or its rank."""
        if len(self.answers) < 2:
            self.answers.add(row.reference)
        stratum = self._strata.setdefault("" if isinstance(key, int) else row.stratum, [])
        if len(stratum) >= self._most and key >= stratum[-1][0]:  # type: ignore[operator]
            return
        shown = texts(row, self._fields)
        alike = [place for place, (_, one) in enumerate(stratum) if self._shows(one, shown)]
        if len(alike) == self._copies:
            if stratum[alike[-1]][0] <= key:  # type: ignore[operator]
                return
            del stratum[alike[-1]]
        insort(stratum, (key, row), key=lambda pair: pair[0])
        del stratum[self._most :]

    def _shows(self, row: Row, shown: tuple[str, ...]) -> bool:
        return texts(row, self._fields) == shown

    def rows(self) -> Iterator[Row]:
        """The rows of all strata, which take turns, in another order each time."""
        for turn in zip_longest(*(self._strata[name] for name in sorted(self._strata))):
            for _, row in sorted(filter(None, turn), key=lambda pair: pair[0]):
                yield row
