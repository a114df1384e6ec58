"""Ratings of variants by a judge's games between their answers, with what is known of the judge.

A pair is judged in the cells of both variants, and counts once.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
from pydantic import BaseModel, ConfigDict, ValidationError

from frontier.errors import UserError
from frontier.judging import games
from frontier.judging.kinship import kinship
from frontier.results import layout
from frontier.results.cell import CellResult, Metric, read_cell
from frontier.results.columns import KEY
from frontier.results.key import Key
from frontier.results.outputs import read_requests, schema
from frontier.results.rating_columns import RATINGS
from frontier.scorers.judge import Judge
from frontier.stats import ratings as statistics
from frontier.stats.ratings import Game, Rating
from frontier.tables.sides import GENERATED, QUESTION
from frontier.tables.study import named
from frontier.values import first_fault

ENDS = ("", "_low", "_high")
ALONE = "its answers were not compared with other variants'"
NO_GAME = "no pair with another variant has a verdict in both orders"
NOT_RATED = ("against", "at_least", "check_file")
"""The scorer's keys that may differ between cells of the same judge."""
NO_BASES: Mapping[str, str] = {}


class Share(BaseModel):
    """A share with its interval, as a scorer's details have it."""

    model_config = ConfigDict(frozen=True)
    value: float | None = None
    low: float | None = None
    high: float | None = None


class Check(Share):
    """The judge's check."""

    pairs: int


class Habits(BaseModel):
    """The judge's habits."""

    consistent: Share
    first_placed: Share
    longer: Share


class Details(BaseModel):
    """The details of a judge's score that are shown with it."""

    check: Check
    withheld: str | None = None
    habits: Habits | None = None


@dataclass(frozen=True)
class JudgedCell:
    """A cell that was scored by a judge."""

    path: Path
    names: Key
    scorer: Judge
    details: Details
    score: Metric

    @property
    def group(self) -> tuple[str, ...]:
        """The cells whose answers meet in games have the same."""
        options = self.scorer.model_dump(mode="json", exclude={*NOT_RATED})
        place = (self.names.task, self.names.scenario, self.names.device)
        return (*place, json.dumps(options, sort_keys=True))


@dataclass(frozen=True)
class Games:
    """The games of a group: two a pair with verdicts, and the pairs that lack one by variant."""

    played: list[Game]
    left_out: dict[str, int]


def table(paths: Iterable[Path], bases: Mapping[str, str] = NO_BASES) -> pl.DataFrame:
    """A row for each judged variant; `bases` are the originals of models.

    Raises UserError for a file that is not a cell, or is of an earlier release.
    """
    models: dict[str, str] = {}
    groups: dict[tuple[str, ...], list[JudgedCell]] = {}
    for path in paths:
        cell = read_cell(path)
        models[cell.cell.variant] = cell.cell.model
        if (found := _judged(path, cell)) is not None:
            groups.setdefault(found.group, []).append(found)
    rows = [row for cells in groups.values() for row in _rows(cells, models, bases)]
    order = [*KEY, "judge", "judge_device", "form"]
    return pl.DataFrame(rows, schema=schema(RATINGS)).sort(order, maintain_order=True)


def _judged(path: Path, cell: CellResult) -> JudgedCell | None:
    if cell.outcome not in GENERATED or cell.score is None:
        return None
    try:
        scorer = cell.score.scorer.plugin()
        if not isinstance(scorer, Judge):
            return None
        details = Details.model_validate(cell.score.details)
    except ValidationError as invalid:
        fault = f"score.details: {first_fault(invalid)}"
        raise UserError(f"{path}: {fault}; score it again") from None
    except ValueError as fault:
        raise UserError(f"{path}: score.scorer: {fault}; score it again") from None
    return JudgedCell(path, cell.cell, scorer, details, cell.score.metrics[cell.score.primary])


def _rows(
    cells: Sequence[JudgedCell], models: Mapping[str, str], bases: Mapping[str, str]
) -> Iterator[dict[str, Any]]:
    """The rows of a group's variants, and of others with which those were compared."""
    own = {cell.names.variant: cell for cell in cells}
    found = _games(cells)
    rated = {one.player: one for one in statistics.ratings(found.played)}
    questions: dict[str, set[str]] = {}
    for game in found.played:
        for player in (game.first, game.second):
            questions.setdefault(player, set()).add(game.cluster)
    first = cells[0]
    for variant in sorted({*own, *rated, *found.left_out}):
        cell = own.get(variant)
        names = {name: getattr(first.names, name) for name in ("task", "scenario", "device")}
        row: dict[str, Any] = named(cell.names) if cell else {**names, "variant": variant}
        row = {column.name: row.get(column.name) for column in RATINGS}
        scorer = first.scorer
        row |= {"judge": scorer.judge, "judge_device": scorer.device, "form": scorer.form}
        row |= {"own": kinship(scorer.judge, variant, models, bases)}
        row |= {"left_out": found.left_out.get(variant, 0)}
        row |= {"questions": len(questions.get(variant, ())), "games": 0, "wins": 0.0}
        row |= _rating(rated.get(variant), cell)
        yield row | (_known(cell) if cell else {})


def _rating(rating: Rating | None, cell: JudgedCell | None) -> dict[str, Any]:
    if rating is None:
        reason = cell.details.withheld if cell else None
        reason = reason or (NO_GAME if cell is None or cell.scorer.against else ALONE)
        return {"unrated": reason}
    one = rating.estimate
    row = {"games": rating.games, "wins": rating.wins, "rank": rating.rank}
    if one.value is None:
        return row | {"unrated": one.method}
    return row | _share("rating", one) | {"rating_method": one.method}


def _known(cell: JudgedCell) -> dict[str, Any]:
    """The columns of a cell's own score, and of its judge."""
    row: dict[str, Any] = _share("score", cell.score) | _share("check", cell.details.check)
    row |= {"check_pairs": cell.details.check.pairs, "withheld": cell.details.withheld}
    if habits := cell.details.habits:
        for name in ("consistent", "first_placed", "longer"):
            row |= _share(name, getattr(habits, name))
    return row


def _share(name: str, found: Any) -> dict[str, float | None]:
    return {f"{name}{end}": getattr(found, end[1:] or "value") for end in ENDS}


def _games(cells: Sequence[JudgedCell]) -> Games:
    """The games of all cells but those withheld; those of a pair of variants once."""
    pairs: dict[tuple[str, frozenset[str]], tuple[str, str, games.Stored]] = {}
    for cell in sorted(cells, key=lambda cell: cell.names.variant):
        if cell.details.withheld or not cell.scorer.against:
            continue
        for row in _stored(cell):
            for game in row[games.COLUMN] or ():
                variants = frozenset((cell.names.variant, game["other"]))
                question = row.get(QUESTION) or row["id"]
                pairs.setdefault((row["id"], variants), (cell.names.variant, question, game))
    found = Games([], {})
    for variant, question, game in pairs.values():
        one, other = game["first"], game["second"]
        if one is None or other is None:
            for player in (variant, game["other"]):
                found.left_out[player] = found.left_out.get(player, 0) + 1
            continue
        found.played.append(Game(variant, game["other"], one, question))
        found.played.append(Game(variant, game["other"], other, question))
    return found


def _stored(cell: JudgedCell) -> Iterator[dict[str, Any]]:
    path = layout.requests_of(cell.path)
    requests = read_requests(path, ["id"], also=(QUESTION, games.COLUMN))
    if games.COLUMN not in requests.columns:
        raise UserError(f"{path}: it has no games of a judge; score it again")
    return requests.iter_rows(named=True)
