"""The rules as a module of another workflow, from a folder or out of a repository."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

import pages
from conftest import ROOT
from frontier.catalogue.configuration import FILES
from workspace import Workspace, copy_project, jobs_in, refused

# The page's example, and more.
(USED, *_) = (block.text for block in pages.blocks(Path("docs/as-a-module.md")))
FOLDER = '"../llm-frontier/Snakefile"'
THEIRS = """
use rule measure from frontier as frontier_measure with:
    priority: 5

onstart: print("their start")
onsuccess: print("their success")

rule share:
    output: "machine.txt"
    shell: "echo {resources.machine} > {output}"
"""
HOW_TO_GO_ON = "Finished work is saved"
CELL = "results/tiny-llama/cpu/sums"


class Other(Workspace):
    """The folder of another workflow, with the results of the finished tiny study."""

    def __init__(self, place: Workspace) -> None:
        """All but the code is moved there."""
        super().__init__(place.root.with_name("other"))
        for name in ("config", "profiles", "resources", "results"):
            self.path(name).parent.mkdir(exist_ok=True)
            place.path(name).rename(self.path(name))
        study = yaml.safe_load(self.path("config/config.yaml").read_text(encoding="utf-8"))
        self.configure({"frontier": study, "theirs": 1})
        self.use(repr(str(ROOT / "Snakefile")))

    def configure(self, content: dict[str, Any]) -> None:
        """Writes their config/config.yaml."""
        self.path("config/config.yaml").write_text(yaml.safe_dump(content), "utf-8")

    def use(self, source: str, also: str = "") -> None:
        """Writes their workflow/Snakefile."""
        assert FOLDER in USED
        text = USED.replace(FOLDER, f"{source}\n{also}") + THEIRS
        self.path("workflow").mkdir(exist_ok=True)
        self.path("workflow/Snakefile").write_text(text, encoding="utf-8")


@pytest.fixture
def other(place: Workspace) -> Other:
    """Uses the rules of this checkout."""
    return Other(place)


def without_a_cell(other: Other) -> None:
    """Deletes one cell and its measurement."""
    shutil.rmtree(other.path(CELL))
    other.path(f"{CELL}.json").unlink()


def test_in_the_folder_of_another_workflow(other: Other) -> None:
    """The study's results are up to date there; missing ones are built next to theirs."""
    assert other.jobs("all", "machine.txt") == {"count", "share"}
    without_a_cell(other)
    log = other.build("all", "machine.txt")
    assert jobs_in(log) == {
        "frontier_measure tiny-llama sums", "frontier_score tiny-llama sums", "count", "share",
        "frontier_aggregate", "frontier_compare", "frontier_render",
    }  # fmt: skip
    assert (log.count("their start"), log.count("their success")) == (1, 1)
    assert HOW_TO_GO_ON not in log
    assert other.path("machine.txt").read_text(encoding="utf-8") == "1\n", (
        "run alongside a timed job"
    )
    assert "Nothing to be done" in other.build()


def test_a_run_that_fails_there(other: Other) -> None:
    """Says how to continue, as our own does, and leaves no lock; no job of ours need be among its own."""
    text = other.path("workflow/Snakefile").read_text(encoding="utf-8")
    other.path("workflow/Snakefile").write_text(text.replace("echo", "false"), encoding="utf-8")
    done = other.snakemake("machine.txt")
    assert done.returncode != 0
    assert (done.stdout + done.stderr).count(HOW_TO_GO_ON) == 1
    assert not list(other.root.glob(".snakemake/locks/*.lock"))


def test_out_of_a_repository(other: Other, tmp_path: Path) -> None:
    """The programs come from the same commit as the rules, as with snakedeploy."""
    repository, git = (
        copy_project(tmp_path / "repository"),
        ("git", "-c", "user.name=A", "-c", "user.email=a@b.c"),
    )
    for command in (
        ("init", "--quiet", "-b", "main"),
        ("add", "--all"),
        ("commit", "--quiet", "-m", "All"),
    ):
        done = Workspace(repository).run(*git, *command)
        assert done.returncode == 0, done.stderr
    elsewhere = {
        "GIT_CONFIG_COUNT": "1", "GIT_CONFIG_VALUE_0": "https://github.com/example/llm-frontier",
        "GIT_CONFIG_KEY_0": f"url.file://{repository}.insteadOf", "XDG_CACHE_HOME": str(tmp_path / "cache"),
    }  # fmt: skip
    other.use("github('example/llm-frontier', path='Snakefile', branch='main')")
    other.path(f"{CELL}.json").unlink()
    log = other.build("--printshellcmds", **elsewhere)
    assert {job for job in jobs_in(log) if "tiny" in job} == {"frontier_score tiny-llama sums"}
    assert f"{ROOT}/workflow" not in log
    (copy,) = other.path(".snakemake/llm-frontier").iterdir()
    assert (copy / "workflow/scripts/score.py").read_bytes() == (
        ROOT / "workflow/scripts/score.py"
    ).read_bytes()


def test_without_a_catalogue(other: Other) -> None:
    """The workflow's own is used where that folder has none."""
    for name in FILES:
        other.path(f"config/{name}.yaml").unlink()
    study = {"models": ["demo-llama"], "devices": ["cpu"], "tasks": ["demo-arithmetic"]}
    other.configure({"frontier": {"title": "Theirs", "study": study}})
    assert "frontier_measure demo-llama demo-arithmetic" in other.jobs()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda other: other.use(repr(str(ROOT / "Snakefile")), "    prefix: 'theirs'"), ["prefix", "results/"]),
        (lambda other: shutil.rmtree(other.path("profiles")), ["profiles/default", "copy"]),
        (lambda other: other.set("config", "frontier/study/models", ["tiny-lama"]),
         ["config of the module: study.models", "tiny-lama", "tiny-llama"]),
        (lambda other: other.set("config", "frontier/studdy", {}), ["config of the module: studdy", "study"]),
    ],
    ids=["prefix", "profile", "model", "key"],
)  # fmt: skip
def test_what_is_refused(other: Other, change: Any, words: list[str]) -> None:
    """The error is one line, before any job starts."""
    change(other)
    refused(other.snakemake(), *words)
