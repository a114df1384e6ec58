"""new.py: its files work unchanged, it alters nothing else, and refuses with one line."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

import pytest
import yaml

import new
import pages
from conftest import ROOT
from frontier.catalogue import configuration
from frontier.catalogue.reading import read_yaml
from frontier.errors import UserError
from workspace import Workspace, copy_project, refused

TASKS = Path("config/tasks.yaml")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """A folder that has the catalogue alone, and is the working directory."""
    (tmp_path / "config").mkdir()
    for name in configuration.FILES:
        shutil.copy(ROOT / f"config/{name}.yaml", tmp_path / "config")
    monkeypatch.chdir(tmp_path)
    return Workspace(tmp_path)


@pytest.mark.parametrize("like", [None, *read_yaml(ROOT / TASKS)["tasks"]])
def test_a_new_task_plans(like: str | None, place: Workspace) -> None:
    """Each task of the catalogue can be begun with; all others stay, to the letter."""
    before = configuration.read_catalogue(Path("config")).tasks
    text = TASKS.read_text(encoding="utf-8")
    new.new_task("my-own", like)
    tasks = configuration.read_catalogue(Path("config")).tasks
    copied = before[like] if like else next(iter(before.values()))
    assert tasks == before | {"my-own": copied.model_copy(update={"label": "My own"})}
    lines = iter(TASKS.read_text(encoding="utf-8").splitlines())
    assert all(line in lines for line in text.splitlines()), (
        "a line is missing, or in another place"
    )


BLOCK = """\
  {name}:
    label: One
    dataset: demo
    sample: {{size: 8, grammar: arithmetic}}
    prompt: |-
      # Sums
      {{question}}

      # Answer
    max_new_tokens: 4
    scorer: {{kind: mathematics}}
"""
DATASETS = "datasets:\n  demo: {loader: demo, source: {generator: demo}}\n"
ONE = BLOCK.format(name="one")


def alone(place: Workspace) -> None:
    """Leaves nothing in the catalogue that refers to its tasks."""
    native = {"quantizations": {"native": {"method": "native"}}}
    place.path("config/quantizations.yaml").write_text(yaml.safe_dump(native), encoding="utf-8")


@pytest.mark.parametrize(
    "text",
    [
        f"{DATASETS}tasks:\n{ONE}",
        f"tasks:\n{ONE}\n# Where they come from.\n{DATASETS}",
        f"{DATASETS}tasks:\n  # The only one.\n{ONE}\n  # No more.\n\n",
        f"{DATASETS}tasks:\n{ONE}".rstrip("\n"),
        f"{DATASETS}tasks:\n{ONE}".replace("\n", "\r\n"),
        f"\ufeff{DATASETS}tasks:\n{ONE}",
        f"{DATASETS}tasks:\n{ONE.replace('    label: One', '    # label: none')}",
        f"{DATASETS}tasks:\n  one: {{dataset: demo, sample: {{size: 8, grammar: arithmetic}}, prompt: '{{question}}',"
        " max_new_tokens: 4, scorer: {kind: mathematics}}\n",
    ],
)  # fmt: skip
def test_shapes_of_the_file(text: str, place: Workspace) -> None:
    """Sections in another order, comments, a block on one line, other ends of lines."""
    alone(place)
    TASKS.write_bytes(text.encode("utf-8"))
    before = configuration.read_catalogue(Path("config")).tasks["one"]
    new.new_task("two", "one")
    after = configuration.read_catalogue(Path("config")).tasks
    assert list(after) == ["one", "two"]
    assert after["one"] == before
    assert after["two"].prompt == before.prompt


@pytest.mark.parametrize(
    ("name", "like", "words"),
    [
        ("sst2", None, "tasks.sst2: already exists"),
        ("My Task", None, "tasks.My Task: an id consists of lower-case letters"),
        ("", None, "an id consists of lower-case letters"),
        ("a.json", None, "a task's id cannot have a '.'"),
        ("a" * 49, None, "at most 48 characters"),
        ("mine", "sst3", "unknown id 'sst3' (did you mean 'sst2'?)"),
    ],
)
def test_what_is_refused(name: str, like: str | None, words: str, place: Workspace) -> None:
    """A name that is taken or none, and nothing is written."""
    text = TASKS.read_bytes()
    with pytest.raises(UserError) as refusal:
        new.new_task(name, like)
    assert words in str(refusal.value)
    assert "\n" not in str(refusal.value)
    assert TASKS.read_bytes() == text


@pytest.mark.parametrize("like", ["one", "two"])
def test_what_cannot_be_copied_is_left(like: str, place: Workspace) -> None:
    """A block to which another refers, and one that is not in the file as text."""
    alone(place)
    named = ONE.replace("  one:", "  one: &one")
    TASKS.write_text(f"{DATASETS}tasks:\n{named}  <<: {{two: *one}}\n", encoding="utf-8")
    text = TASKS.read_bytes()
    with pytest.raises(UserError, match=f"tasks.{like} cannot be copied as text; copy it by hand"):
        new.new_task("three", like)
    assert TASKS.read_bytes() == text


@pytest.fixture
def project(tmp_path: Path) -> Workspace:
    """A copy of the project, in which its own new.py writes."""
    return Workspace(copy_project(tmp_path / "checkout"))


SHOWN = {
    path: text.partition("\n")[2]
    for path, text in (
        (block.text.partition("\n")[0].removeprefix("# "), block.text)
        for block in pages.blocks(Path("CONTRIBUTING.md"))
        if block.language == "python"
    )
}
"""The files of the library that CONTRIBUTING.md shows, by their paths."""


def test_every_template_is_shown() -> None:
    """The page shows all templates and no others."""
    kinds = [Path(path).parent.name.removesuffix("s") for path in SHOWN]
    assert sorted(kinds) == sorted(path.stem for path in new.TEMPLATES.glob("*.py"))
    assert {*kinds, "task"} == set(new.KINDS)


@pytest.mark.parametrize("path", SHOWN)
def test_it_is_what_new_writes(path: str, project: Workspace) -> None:
    """The blocks are the same and formatted; a second call is refused."""
    kind, name = Path(path).parent.name.removesuffix("s"), Path(path).stem
    done = project.program("new", kind, name)
    assert done.returncode == 0, done.stderr
    text = project.path(path).read_text(encoding="utf-8")
    place = re.compile(r"ORDER = \d+")  # after all existing ones
    assert place.sub("", text) == place.sub("", SHOWN[path])
    tested = re.findall(r"python -m pytest .*", done.stdout)
    assert len(tested) == 1
    assert tested[0] in Path("CONTRIBUTING.md").read_text(encoding="utf-8").splitlines()
    for command in (("check",), ("format", "--check")):
        formatted = project.run(sys.executable, "-m", "ruff", *command, path)
        assert formatted.returncode == 0, formatted.stdout
    for block in pages.blocks(Path("CONTRIBUTING.md")):
        named = re.match(r"# config/([a-z]+)\.yaml\n", block.text)
        for section, entries in (yaml.safe_load(block.text) if named else {}).items():
            if named and section != "tasks" and all(name in key for key in entries):
                assert entries.items() <= project.get(named[1], section).items()
    before = {one: one.read_bytes() for one in project.root.rglob("*.yaml")}
    refused(project.program("new", kind, name), f"{Path(path).parent.name}.{name}: already exists")
    assert before == {one: one.read_bytes() for one in project.root.rglob("*.yaml")}


@pytest.mark.parametrize(
    ("kind", "name", "words"),
    [
        ("engine", "Plain", ["lower-case letters"]),
        ("engine", "../plain", ["lower-case letters"]),
        ("engine", "two__lines", ["lower-case letters"]),
        ("engine", "class", ["is a Python keyword"]),
        ("engine", "common", ["already exists"]),
        ("engine", "two-words", ["lower-case letters"]),
        ("scorer", "mathematics", ["already exists"]),
    ],
)
def test_names_that_are_refused(kind: str, name: str, words: list[str], project: Workspace) -> None:
    """The error is one line, and nothing is written."""
    before = sorted(project.root.rglob("*"))
    refused(project.program("new", kind, name), *words)
    assert sorted(project.root.rglob("*")) == before


def test_a_block_that_is_taken(project: Workspace) -> None:
    """A device of that name: no file is left behind."""
    project.set("devices", "devices/cpu-plain", {"accelerator": "cpu"})
    refused(project.program("new", "engine", "plain"), "devices.cpu-plain: already exists")
    assert not list(project.root.rglob("engines/plain.py"))
    assert "plain" not in project.get("engines", "engines")


def test_a_catalogue_with_a_fault(project: Workspace) -> None:
    """It is named, and no file is left behind."""
    project.set("models", "models/demo-llama/hub", 5)
    refused(project.program("new", "engine", "plain"), "models.demo-llama")
    assert not list(project.root.rglob("engines/plain.py"))
