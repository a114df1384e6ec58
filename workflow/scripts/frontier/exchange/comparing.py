"""Whether two results may be compared, and how far their answers and times differ.

Two cells may be compared if they asked the same questions in the same way and scored the answers in
the same way; two of the same variant, only if it was the same model. What else differs (code,
packages, hardware, settings) is what a comparison is about.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from frontier import figures, scenarios
from frontier.exchange.conflicts import HARDWARE
from frontier.explaining.difference_lines import line
from frontier.explaining.differences import Difference, Key, differences, leaves, of_an_update
from frontier.results import checksums, layout
from frontier.results.cell import CellResult, Provenance, read_cell
from frontier.results.outputs import read_requests
from frontier.stats.jackknife import Tested
from frontier.tables.sides import join_requests, latency_ratio
from frontier.text import visible
from frontier.values import read_json, sha256

ANSWERED = ("measured", "invalid")
"""Outcomes with answers; only the first has times."""
COLUMNS = ("id", "input", "prediction", "score", "latency_s", "tokens", "prompt_tokens")
SURROUNDINGS = {"commit": "commit", "governor": "governor", "container": "container"}
ASKED = ("task", "model")
"""The parts of a measurement's specification that are about what was asked, but for its `dtype`."""
MEASURED = "measurement: "
"""The place of a measurement's own differences, without those of its inputs."""
MOST_MODULES = 3


@dataclass(frozen=True)
class ChangedAnswer:
    """A request whose answers' texts differ."""

    id: str
    one: str
    other: str


@dataclass(frozen=True)
class Compared:
    """Two results of one cell."""

    name: str
    forbidding: tuple[str, ...]
    """The reasons why they may not be compared."""
    differing: tuple[str, ...]
    """The other differences, which a comparison is about."""
    untimed: str | None
    """The reason why their times may not be compared, if answers may."""
    requests: int = 0
    """Those that both answered."""
    changed: tuple[ChangedAnswer, ...] = ()
    """Those whose text differs."""
    rescored: int = 0
    """Those whose score differs."""
    only: tuple[int, int] = (0, 0)
    """Requests that only one of them has."""
    times: Tested | None = field(default=None, compare=False)
    """The median over the requests of the second's latency over the first's."""
    empty: str | None = None
    """The outcome of both, where neither has answers."""


def compare(name: str, one: Path, other: Path) -> Compared:
    """The comparison of two cells. Raises UserError for a file that is not one."""
    cells = read_cell(one), read_cell(other)
    found = list(leaves(differences(*(_identity(path) for path in (one, other)))))
    paths = zip(("first", "second"), (one, other), cells, strict=True)
    altered = [reason for which, path, cell in paths for reason in _altered(which, path, cell)]
    outcome = cells[0].outcome
    if outcome == cells[1].outcome and outcome not in ANSWERED and not altered:
        return Compared(name, (), (), None, empty=outcome)
    forbidding = [*altered, *_outcomes(cells), *_inputs(cells), *_asked(found, cells)]
    differing = _once([*_conditions(cells), *_made(found, cells)])
    if forbidding:
        return Compared(name, _once(forbidding), differing, None)
    joined, only = _requests(one, other)
    if others := joined.filter(pl.col("input").ne_missing(pl.col("input_right"))).height:
        reason = f"other questions: {others} of {joined.height} requests"
        return Compared(name, (reason,), differing, None)
    if lengths := joined.filter(pl.col("prompt_tokens") != pl.col("prompt_tokens_right")).height:
        words = "prompts have another number of tokens: another chat template or tokenizer"
        differing = (*differing, f"{lengths} of {joined.height} {words}")
    untimed = _untimed(cells)
    return Compared(
        name,
        (),
        differing,
        untimed,
        joined.height,
        tuple(
            ChangedAnswer(*row)
            for row in joined.filter(pl.col("prediction").ne_missing(pl.col("prediction_right")))
            .select("id", "prediction", "prediction_right")
            .rows()
        ),
        joined.filter(pl.col("score").ne_missing(pl.col("score_right"))).height,
        only,
        None if untimed or not joined.height else latency_ratio(joined),
    )


def _once(found: list[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(found))


def _identity(path: Path) -> Mapping[str, Any]:
    """The recorded identity of a cell, with those of its inputs."""
    value = read_json(path)
    found = value.get("identity") if isinstance(value, dict) else None
    return found if isinstance(found, dict) else {}


def _altered(which: str, path: Path, cell: CellResult) -> Iterator[str]:
    """The files of a cell that are not as they were written, if they say how they were."""
    content = path.read_bytes()
    if checksums.has_one(content) and checksums.read(content) is None:
        yield f"the {which} was altered since it was written: {path.name}"
    table = layout.requests_of(path)
    if cell.table_sha256 and table.exists() and sha256(table) != cell.table_sha256:
        yield f"the {which} was altered since it was written: {table.name}"


def _outcomes(cells: tuple[CellResult, CellResult]) -> Iterator[str]:
    for which, cell in zip(("first", "second"), cells, strict=True):
        if cell.outcome not in ANSWERED:
            yield f"the {which} has no answers: {cell.outcome}"
    if cells[0].cell.task != cells[1].cell.task:
        yield f"other tasks: {cells[0].cell.task} and {cells[1].cell.task}"


def _same_variant(cells: tuple[CellResult, CellResult]) -> bool:
    """Whether the two are of one variant; otherwise a comparison is one of variants."""
    return cells[0].cell.variant == cells[1].cell.variant


def _inputs(cells: tuple[CellResult, CellResult]) -> Iterator[str]:
    """Other questions, another model, another scorer."""
    one, other = (cell.provenance or Provenance() for cell in cells)
    if one.sample_sha256 != other.sample_sha256:
        yield "other questions: the samples differ"
    if one.weights_sha256 != other.weights_sha256 and _same_variant(cells):
        yield "another model: the weights differ"
    scorers = [cell.score.scorer if cell.score else None for cell in cells]
    if scorers.count(None) == 1:
        yield "only one of them has a score"
    elif scorers[0] != scorers[1]:
        yield "scored in another way: the scorers' keys differ"


def _asked(
    found: list[tuple[str, Difference]], cells: tuple[CellResult, CellResult]
) -> Iterator[str]:
    """The keys that decide what is asked, and how answers are decoded."""
    for key in _keys(found):
        if _decides(key, cells):
            yield f"asked in another way: {line(key)}"


def _keys(found: list[tuple[str, Difference]]) -> Iterator[Key]:
    """The differing keys of the measurement's own specification, but for its name."""
    for where, one in found:
        if where == MEASURED and isinstance(one, Key) and one.path[:1] != ("cell",):
            yield one


def _decides(key: Key, cells: tuple[CellResult, CellResult]) -> bool:
    """Whether a differing key is about what was asked, not about how it was run."""
    parts = ASKED if _same_variant(cells) else ASKED[:1]
    return key.path[0] in parts and key.path[-1] != "dtype"


def _conditions(cells: tuple[CellResult, CellResult]) -> Iterator[str]:
    """Differences of hardware, surroundings, packages and settings."""
    one, other = (cell.provenance or Provenance() for cell in cells)
    yield from _other("cell", *(f"{cell.cell.variant} on {cell.cell.device}" for cell in cells))
    for label, mine, its in (
        *_pairs(HARDWARE, one.hardware, other.hardware),
        *_pairs(SURROUNDINGS, one.surroundings, other.surroundings),
        *_pairs(None, one.packages, other.packages),
        *((name, *_figures(cells, name)) for name in figures.conditions()),
    ):
        yield from _other(label, mine, its)
    for which, at in zip(("first", "second"), (one, other), strict=True):
        if (at.surroundings or {}).get("dirty"):
            yield f"the {which}'s code has changes that no commit has"


def _figures(cells: tuple[CellResult, CellResult], name: str) -> tuple[Any, Any]:
    return cells[0].figures.get(name), cells[1].figures.get(name)


def _pairs(
    labels: Mapping[str, str] | None,
    one: Mapping[str, Any] | None,
    other: Mapping[str, Any] | None,
) -> Iterator[tuple[str, Any, Any]]:
    """The values of both under their labels; without labels, of every key."""
    mine, its = one or {}, other or {}
    for key in labels if labels is not None else sorted(mine.keys() | its.keys()):
        yield (labels or {}).get(key, key), mine.get(key), its.get(key)


def _other(label: str, one: object, other: object) -> Iterator[str]:
    if one != other:
        texts = (visible("none" if at in (None, []) else str(at), 80) for at in (one, other))
        yield f"{label}: {' → '.join(texts)}"


def _made(
    found: list[tuple[str, Difference]], cells: tuple[CellResult, CellResult]
) -> Iterator[str]:
    """Differences of code, and of the keys that are settings."""
    if names := _once([line(one) for where, one in found if of_an_update(where, one)]):
        more = f" and {len(names) - MOST_MODULES} more" if len(names) > MOST_MODULES else ""
        yield f"code: {', '.join(names[:MOST_MODULES])}{more}"
    for key in _keys(found):
        if not _decides(key, cells):
            yield f"setting: {line(key)}"


def _untimed(cells: tuple[CellResult, CellResult]) -> str | None:
    """The reason why latencies are not compared."""
    for which, cell in zip(("first", "second"), cells, strict=True):
        if cell.outcome != "measured":
            return f"the {which}'s times are {cell.outcome}: {cell.reason or 'no reason given'}"
        if cell.simulated:
            return f"the {which} is simulated, which has no times of its own"
        if not scenarios.load(cell.cell.scenario).LATENCIES:
            return "requests that are asked at once have no latencies of their own"
    return None


def _requests(one: Path, other: Path) -> tuple[pl.DataFrame, tuple[int, int]]:
    """The requests that both have, and the numbers of those that only one has."""
    first, second = (read_requests(layout.requests_of(path), COLUMNS) for path in (one, other))
    joined = join_requests(first, second)
    return joined, (first.height - joined.height, second.height - joined.height)
