"""The cache of facts about code and packages: valid while these are unchanged."""

from __future__ import annotations

from contextlib import chdir
from pathlib import Path

import pytest

from conftest import ROOT
from frontier.identity import packages
from frontier.identity.code import _found, of_graph
from frontier.identity.graph import Graph
from frontier.identity.remembered import Remembered, of_installed


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A checkout in which Snakemake has run."""
    (tmp_path / ".snakemake").mkdir()
    return tmp_path


def asked(folder: Path, state: str, value: str) -> str:
    """The result of another process, which computes it if it must."""
    with chdir(folder):
        known = Remembered("code", lambda: state)
        found = str(known.get("measure", lambda: value))
        known._save()
    return found


def test_until_something_changes(folder: Path) -> None:
    """Found once, and once more for another state."""
    assert asked(folder, "one", "first") == "first"
    assert asked(folder, "one", "second") == "first"
    assert asked(folder, "other", "third") == "third"
    assert asked(folder, "one", "fourth") == "fourth"


@pytest.mark.parametrize("content", [b"", b"{}", b"[1", b'{"state": "one", "measure": "edited"}'])
def test_an_altered_file_is_not_believed(folder: Path, content: bytes) -> None:
    """It is ignored without an error."""
    asked(folder, "one", "first")
    (folder / ".snakemake/code.json").write_bytes(content)
    assert asked(folder, "one", "second") == "second"


def test_nothing_is_written_where_snakemake_has_not_been(tmp_path: Path) -> None:
    """A folder that is deleted by the end of the process does not come back."""
    assert asked(tmp_path, "one", "first") == "first"
    assert not list(tmp_path.iterdir())


def test_a_package_of_another_version_is_another_state(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is installed next to the others or in place of one."""
    monkeypatch.syspath_prepend(str(folder))
    states = [of_installed()]
    for version in "12":
        for path in folder.glob("*.dist-info"):
            path.rmdir()
        (folder / f"shapely-{version}.dist-info").mkdir()
        states.append(of_installed())
    assert len(set(states)) == 3


def test_what_is_remembered_is_what_is_found(folder: Path) -> None:
    """It comes back from JSON as it was."""
    graph = Graph(ROOT / "workflow/scripts")
    with chdir(folder):
        for _ in range(2):
            known = Remembered("code", lambda: "one")
            whole, modules, names = known.get("sample", lambda: _found(graph, "sample"))
            known._save()
    found = of_graph(graph, "sample")
    assert (whole, modules) == (found.digest, found.modules)
    assert packages.versions(names) == found.packages
