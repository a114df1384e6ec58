"""The floors of the house: a module imports only from its own room and from those below."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

import document_architecture
from conftest import ROOT
from frontier import FLOORS, REPORT
from frontier.errors import UserError
from frontier.identity import SCRIPTS
from frontier.identity.scopes import absolute

LIBRARY = SCRIPTS / "frontier"
MODULES = sorted(path for path in LIBRARY.rglob("*.py") if path != LIBRARY / "__init__.py")


def levels(floors: tuple[tuple[str, ...], ...]) -> dict[str, int]:
    """The number of each room's floor, from the ground up."""
    return {room: level for level, floor in enumerate(floors) for room in floor}


def imported(path: Path) -> Iterator[str]:
    """The modules of the library that a module imports, wherever in it, for types too."""
    parts = path.relative_to(SCRIPTS).with_suffix("").parts
    package = ".".join(parts[:-1])
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (one.name for one in node.names if one.name.startswith("frontier."))
        elif isinstance(node, ast.ImportFrom):
            module = absolute(node, package)
            if module == "frontier":
                yield from (f"frontier.{one.name}" for one in node.names)
            elif module.startswith("frontier."):
                yield module


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(LIBRARY)))
def test_no_import_runs_up(path: Path) -> None:
    """Rooms side by side do not import each other either, but for the modules of the ground."""
    own = path.relative_to(LIBRARY).with_suffix("").parts
    for name in imported(path):
        its = name.split(".")[1:]
        check(own, its, levels(FLOORS), name)
        if own[0] == its[0] == "report":
            check(own[1:], its[1:], levels(REPORT), name)


def check(own: Sequence[str], its: Sequence[str], level: Mapping[str, int], name: str) -> None:
    """A module at `own` may import one at `its`."""
    if own[0] == "__init__":
        return
    assert own[0] in level, f"{own[0]} has no floor: give it one"
    below = level[its[0]] < level[own[0]] or its[0] == own[0]
    assert below or level[its[0]] == level[own[0]] == 0, f"{own[0]} is below {its[0]}: {name}"


def test_the_architecture_is_written() -> None:
    """The file is what document_architecture.py would write."""
    written = (ROOT / document_architecture.ARCHITECTURE).read_text(encoding="utf-8")
    assert document_architecture.page(ROOT) == written, "make documents writes it"


def test_what_says_nothing_of_itself_is_named(tmp_path: Path) -> None:
    """The architecture consists of first lines, which all files have."""
    (tmp_path / "mute.py").touch()
    with pytest.raises(UserError, match=r"mute\.py: has no docstring"):
        document_architecture.first_line(tmp_path / "mute.py")


def test_no_room_is_too_large() -> None:
    """A module has at most 250 lines, a file of rules 120."""
    rules = sorted((SCRIPTS.parent / "rules").glob("*.smk"))
    for paths, most in ((sorted(SCRIPTS.rglob("*.py")), 250), (rules, 120)):
        lines = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in paths}
        assert {path: n for path, n in lines.items() if n > most} == {}
