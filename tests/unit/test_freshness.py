"""Altered results: reported, one line each, and nothing else is rebuilt."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import chdir
from pathlib import Path

import pytest

import many
from frontier.explaining.why import Why
from frontier.fetching import contents
from frontier.planning import freshness
from frontier.planning.cells import Cell
from frontier.planning.freshness import Freshness
from frontier.planning.jobs import Jobs
from frontier.planning.steps import Steps
from frontier.results import checksums
from frontier.scorers import Scorer


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished study of fifty cells, without its tables."""
    folder = many.project(tmp_path_factory.mktemp("study") / "checkout", many.A_MODEL, 10)
    many.finish(folder)
    return folder


@pytest.fixture
def steps(project: Path, tmp_path: Path) -> Iterator[Steps]:
    """A copy of it to spoil, which is the working directory."""
    with many.steps_of(project) as found, chdir(shutil.copytree(project, tmp_path / "checkout")):
        yield found


def judged(steps: Steps) -> tuple[set[str], list[str]]:
    """The cells that are not fresh, and what is said."""
    messages: list[str] = []
    fresh = Freshness(steps, tell=messages.append)
    stale = {cell.name for cell in steps.cells if not fresh.cell(cell)}
    fresh.digests.save()
    return stale, messages


def edit(path: Path, old: str = "0.", new: str = "1.") -> None:
    """Changes a text, leaving the size and the time of modification as they were."""
    state = path.stat()
    text = path.read_text(encoding="utf-8")
    path.unlink()  # equal cells share their files
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))


def test_another_layout_is_named_once(steps: Steps) -> None:
    """Cells of an earlier release are rebuilt, and one line reports all of them."""
    for cell in steps.cells[:2]:
        found = checksums.read(cell.place.summary.read_bytes())
        assert found
        cell.place.summary.unlink()  # equal cells share their files
        checksums.write(cell.place.summary, found | {"layout": 1})
    stale, messages = judged(steps)
    assert stale == {cell.name for cell in steps.cells[:2]}
    assert len(messages) == 1
    assert "written by another release, in another layout" in messages[0]


def test_a_cell_that_no_machine_could_score_is_scored_here(
    steps: Steps, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sandbox was missing elsewhere; the cell stays as it is where there is none either."""
    cell = steps.cells[0]
    found = checksums.read(cell.place.summary.read_bytes())
    assert found
    found["score"]["unavailable"] = "no sandbox"
    cell.place.summary.unlink()  # equal cells share their files
    checksums.write(cell.place.summary, found)
    assert judged(steps) == ({cell.name}, [])
    fresh, job = Freshness(steps), Jobs(steps).score(cell)
    assert Why(fresh, [job]).cause(job).kind == "scorable"
    monkeypatch.setattr(Scorer, "unavailable", lambda self: "no sandbox")
    assert judged(steps) == (set(), [])


def summary(steps: Steps, cell: Cell) -> Path:
    return cell.place.summary


def table(steps: Steps, cell: Cell) -> Path:
    return cell.place.requests


def measurement(steps: Steps, cell: Cell) -> Path:
    return steps.measurement(cell)


def requests(steps: Steps, cell: Cell) -> Path:
    return steps.measurement(cell).with_name("requests.jsonl")


def cut(path: Path) -> None:
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(content[: len(content) // 2])


def emptied(path: Path) -> None:
    path.unlink()
    path.touch()


def braces(path: Path) -> None:
    path.write_text("{}\n", encoding="utf-8")


def garbage(path: Path) -> None:
    path.unlink()
    path.write_bytes(b"\xff\x00 no such thing")


TOUCHED = [
    (summary, edit), (summary, cut), (summary, emptied), (summary, braces), (summary, garbage),
    (table, cut), (table, emptied), (table, garbage),
    (measurement, edit), (measurement, cut), (measurement, emptied), (measurement, braces), (measurement, garbage),
    (requests, lambda path: edit(path, '"text": "', '"text": "x')), (requests, cut), (requests, emptied),
]  # fmt: skip


@pytest.mark.parametrize(("place", "touch"), TOUCHED)
def test_touched(
    steps: Steps, place: Callable[[Steps, Cell], Path], touch: Callable[[Path], None]
) -> None:
    """One cell is not fresh, and the line names the file; also where digests are remembered."""
    assert judged(steps) == (set(), [])
    cell = steps.cells[7]
    path = place(steps, cell)
    touch(path)
    stale, messages = judged(steps)
    assert stale == {cell.name}
    assert [line.partition(": ")[0] for line in messages] == [str(path)]
    assert ("measured again" in messages[0]) is (place in (measurement, requests))


def test_what_is_remembered_is_not_read_again(
    steps: Steps, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files elsewhere or written since are read; a damaged cache costs only time."""
    monkeypatch.setattr(contents, "SETTLED_NS", 0)
    time.sleep(0.05)
    assert judged(steps) == (set(), [])
    known = json.loads(freshness.DIGESTS.read_bytes())
    assert len(known) == 2 * len(steps.cells)  # a table and requests
    with monkeypatch.context() as patch:
        patch.setattr(contents.values, "sha256", lambda path: pytest.fail(f"{path} was read"))
        assert judged(steps) == (set(), [])
    for broken in ("", "[1]", '{"x": 1}', "{"):
        freshness.DIGESTS.write_text(broken, encoding="utf-8")
        assert judged(steps) == (set(), [])


def test_what_was_deleted_after_scoring_is_not_missed(steps: Steps) -> None:
    """The cell has all that it needs; a deleted table or cell is rebuilt silently."""
    shutil.rmtree(measurement(steps, steps.cells[0]).parent)
    requests(steps, steps.cells[1]).unlink()
    table(steps, steps.cells[2]).unlink()
    summary(steps, steps.cells[3]).unlink()
    assert judged(steps) == ({steps.cells[2].name, steps.cells[3].name}, [])


def test_another_cells_measurement(steps: Steps) -> None:
    """The folder of another model, whole and in itself as it should be, is not this one's."""
    here, there = steps.cells[0], steps.cells[-1]
    for place in (measurement, requests):
        place(steps, here).unlink()
        shutil.copy(place(steps, there), place(steps, here))
    stale, messages = judged(steps)
    assert stale == {here.name}
    assert messages == [
        f"{measurement(steps, here)}: is another cell's; this one is measured again"
    ]
