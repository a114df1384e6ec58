"""The provenance of results: the code's commit, the machine's state, and digests of all files."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from cells import Cell, write
from frontier.machine import conditions, surroundings
from frontier.report.writing.provenance import provenance
from frontier.values import sha256


def git(folder: Path, *arguments: str) -> str:
    """Runs git with settings of its own, not the user's."""
    settings = ("-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false")
    command = ["git", "-C", str(folder), *settings, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with one commit."""
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    folder = tmp_path / "checkout"
    folder.mkdir()
    git(folder, "init", "-q")
    (folder / "code.py").write_text("one = 1\n", encoding="utf-8")
    git(folder, "add", "code.py")
    git(folder, "commit", "-q", "-m", "First")
    return folder


def test_a_commit_and_its_changes_are_known(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    head = git(checkout, "rev-parse", "HEAD")
    assert surroundings.commit(checkout) == {"commit": head, "dirty": False}
    (checkout / "results.json").write_text("{}", encoding="utf-8")  # not the code
    assert surroundings.commit(checkout)["dirty"] is False
    (checkout / "code.py").write_text("one = 2\n", encoding="utf-8")
    # As in a hook of another repository.
    monkeypatch.setenv("GIT_DIR", str(checkout / "nowhere"))
    assert surroundings.commit(checkout) == {"commit": head, "dirty": True}


def test_the_commit_of_a_project_around_the_code_is_not_its_own(
    checkout: Path, tmp_path: Path
) -> None:
    inner = checkout / "copied"
    inner.mkdir()
    unknown = {"commit": None, "dirty": None}
    assert surroundings.commit(inner) == unknown
    assert surroundings.commit(tmp_path / "missing") == unknown


def test_without_git_the_commit_is_not_known(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    assert surroundings.commit(checkout) == {"commit": None, "dirty": None}


def test_governors_are_those_that_the_system_names(tmp_path: Path) -> None:
    assert conditions.setting("governor", tmp_path) is None
    for cpu, governor in enumerate(("powersave", "performance", "powersave")):
        folder = tmp_path / "devices" / "system" / "cpu" / f"cpu{cpu}" / "cpufreq"
        folder.mkdir(parents=True)
        (folder / "scaling_governor").write_text(f"{governor}\n", encoding="utf-8")
    assert conditions.setting("governor", tmp_path) == "performance, powersave"


def test_a_container_is_named_by_its_kind(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(surroundings, "FILES", {"docker": tmp_path / "dockerenv"})
    assert surroundings.container({}) is None
    (tmp_path / "dockerenv").touch()
    assert surroundings.container({}) == "docker"
    assert surroundings.container({"KUBERNETES_SERVICE_HOST": "10.0.0.1"}) == "kubernetes"


def test_it_has_every_cell_and_each_condition_once(tmp_path: Path) -> None:
    cell = Cell("llama", requests=10)
    noted = {"surroundings": {"commit": "c0ffee", "dirty": False}}
    cells = [
        cell,
        replace(cell, quantization="int8"),
        replace(cell, model="gpt2", provenance=noted),
    ]
    paths = [write(tmp_path / "results", one) for one in cells]
    report = tmp_path / "report.html"
    report.write_text("<html>", encoding="utf-8")
    found = provenance(paths, [report], study_sha256="ab")
    assert json.loads(json.dumps(found)) == found
    assert [one["cells"] for one in found["conditions"]] == [
        ["llama/cpu/demo-sentiment", "llama-int8/cpu/demo-sentiment"],
        ["gpt2/cpu/demo-sentiment"],
    ]
    assert found["conditions"][0]["surroundings"] is None
    assert found["conditions"][1]["surroundings"]["commit"] == "c0ffee"
    assert found["files"] == {"report.html": sha256(report)}
    assert found["inputs"] == {"study_sha256": "ab"}
    assert found["cells"]["gpt2/cpu/demo-sentiment"]["json_sha256"] == sha256(paths[2])
    assert found["rendered"]["packages"]["pytest"] == pytest.__version__
    assert set(found["rendered"]["surroundings"]) == {"commit", "dirty", "governor", "container"}
    assert provenance(paths, [report], study_sha256="ab") == found
