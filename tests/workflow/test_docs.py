"""The pages hold: commands run or say why not, YAML is valid, links lead somewhere, examples plan."""

from __future__ import annotations

import contextlib
import io
import os
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
import snakemake.cli
import yaml

import pages
import plan
import tiny
from conftest import ROOT
from frontier.errors import UserError
from frontier.results.columns import OUTCOMES
from pages import Block, Command
from warm_snakemake import SNAKEMAKE
from workspace import NO_BYTECODE, WARM, Workspace, copy_project

PAGES = pages.written()
WITH_BLOCKS = [
    page for page in PAGES if any(one.language in ("sh", "yaml") for one in pages.blocks(page))
]
LANGUAGES = {"", "sh", "yaml", "text", "python", "snakemake"}
"""Blocks without a language are drawings."""
CELL = re.compile(r"results/[^/]+/[^/]+/[^/]+\.json")
OF_THE_PROJECT = re.compile(r"(?:bench|config|docs|examples|profiles|tests|workflow)/[\w./-]+")
KNOWN = {"bash", "cat", "cp", "du", "export", "kubectl", "make", "mkdir", "mv", "python", "rm", "snakedeploy", "snakemake", "source"}  # fmt: skip
LONGEST_README = 200


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The project with a small demo, finished; to be copied."""
    place = Workspace(copy_project(tmp_path_factory.mktemp("docs") / "checkout"))
    for model in ("llama", "falcon", "gpt2"):
        place.set("models", f"models/demo-{model}/grow", tiny.recipe(model))
    for task in ("sentiment", "translation", "arithmetic"):
        place.set("tasks", f"tasks/demo-{task}/sample/size", 8)
    warmup = {"minimum": 2, "maximum": 40, "tolerance": 50.0}
    busy = {"accelerator": "cpu", "threads": 1, "warmup": warmup, **tiny.BUSY}
    place.set("devices", "devices/cpu", busy)
    study = {
        "models": ["demo-llama"], "quantizations": ["native", "int8"],
        "devices": ["cpu"], "tasks": ["demo-sentiment"],
    }  # fmt: skip
    place.set("config", "study", study)
    place.build()
    return place


@pytest.fixture
def place(demo: Workspace, tmp_path: Path) -> Workspace:
    """A copy of the small demo, in which a page may do what it likes."""
    shutil.copytree(demo.root, tmp_path / "checkout", symlinks=True)
    place = Workspace(tmp_path / "checkout")
    place.path(".venv").symlink_to(sys.prefix)
    place.path("tests").symlink_to(ROOT / "tests")  # bench/ has its servers and models from there
    # The pages assume these: a local dataset, another machine's results.
    tiny.reviews(place.path("data/SST-2"))
    shutil.copy(place.path("data/SST-2/dev.tsv"), place.path("data/SST-2/train.tsv"))
    shutil.copytree(place.path("results"), tmp_path / "from-mac/results")
    return place


@pytest.mark.parametrize("page", WITH_BLOCKS, ids=str)
def test_what_a_page_says_works(
    page: Path, place: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Runs the page from top to bottom: writes configuration, runs commands; a fault names its line."""
    prepare(place, page)
    environment: dict[str, str] = {}
    printed = ""
    monkeypatch.chdir(place.root)
    for block in pages.blocks(page):
        where = f"{page}:{block.line}"
        assert block.language in LANGUAGES, f"{where}: python, sh, yaml or text?"
        assert not pages.stray(block), f"{where}: commands belong into a block of sh"
        if block.language == "yaml":
            configure(place, block, where)
        elif block.language == "python":
            program(place, block, where)
        elif block.language == "sh":
            for command in pages.commands(block):
                where = f"{page}:{block.line}: {command.text.strip()}"
                if command.tried:
                    printed += run(place, command, environment, where)
                else:
                    assert_sensible(place, command, where)
        elif block.language == "text":
            missing = [line for line in block.text.splitlines() if line not in printed]
            assert not missing, f"{where}: no command above prints this\n{printed}"


def prepare(place: Workspace, page: Path) -> None:
    """Sets up what a page is about: an update, a changed key, an example's blocks."""
    match page.parts:
        case ("docs", "adopt.md"):
            (path,) = place.root.glob("workflow/scripts/frontier/engines/transformers*.py")
            path.write_text(path.read_text("utf-8") + '\nprint(end="")\n', "utf-8")
        case ("docs", "why-again.md"):
            place.set("tasks", "tasks/demo-sentiment/max_new_tokens", 5)
        case ("examples", _, "README.md"):
            add_example(place, page.parent)


def add_example(place: Workspace, folder: Path) -> None:
    """Adds an example's blocks to the catalogue, as its page asks the reader to."""
    (file,) = (path for path in place.path(str(folder)).glob("*.yaml") if path.stem != "study")
    add(place.path(f"config/{file.name}"), yaml.safe_load(file.read_text("utf-8")))


def configure(place: Workspace, block: Block, where: str) -> None:
    """Writes a block to the file that its first line names, or adds it to one of the catalogue's."""
    named = re.match(r"# ([\w./-]+\.yaml)\n", block.text)
    assert named, f"{where}: the first line is to name the file"
    path = place.path(named[1])
    if not named[1].startswith("config/"):
        path.write_text(block.text, "utf-8")
        plan.read([path])
        return
    add(path, yaml.safe_load(block.text))
    if place.has_our_code():
        plan.read([Path("config/config.yaml")])
    else:  # a page has added to it
        run(place, Command("python workflow/scripts/plan.py", True), {}, where)


def program(place: Workspace, block: Block, where: str) -> None:
    """Writes a new file of the library, which the block's first line names, in its final form."""
    named = re.match(r"# (workflow/scripts/frontier/[\w/]+\.py)\n", block.text)
    assert named, f"{where}: the first line is to name the file"
    assert not place.path(named[1]).exists()
    place.path(named[1]).write_text(block.text, "utf-8")


def add(path: Path, sections: dict[str, dict[str, Any]]) -> None:
    """Adds blocks to a file of the catalogue; none may be there."""
    content = yaml.safe_load(path.read_text("utf-8"))
    for section, entries in sections.items():
        assert not entries.keys() & content[section].keys()
        content[section] |= entries
    path.write_text(yaml.safe_dump(content, sort_keys=False, allow_unicode=True), "utf-8")


def run(place: Workspace, command: Command, environment: dict[str, str], where: str) -> str:
    """The output of a command, run as a shell would; `export` holds for the page.

    Python is not started each time: a process that has imported its libraries forks.
    """
    name, *arguments = command.words
    assert name in KNOWN, f"{where}: not known to this test"
    if name == "make":
        lines = recipe(place, arguments, where)
        return "".join(run(place, line, environment, where) for line in lines)
    if name == "export":
        environment |= dict(one.split("=", 1) for one in arguments)
        return ""
    whole = dict(os.environ) | NO_BYTECODE | environment
    if plans_a_profile(arguments):
        assert_sensible(place, command, where)
        return ""
    if name == "snakemake":
        done = WARM.run(place.root, SNAKEMAKE, arguments, whole)
    elif arguments[0] == "workflow/scripts/plan.py" and place.has_our_code():
        return planned(arguments[1:], where)
    elif name == "python" and arguments[0].endswith(".py"):
        done = WARM.run(place.root, arguments[0], arguments[1:], whole)
    else:
        path = f"{Path(sys.executable).parent}:{whole['PATH']}"
        done = place.run("bash", "-ec", command.text, **environment, PATH=path)
    assert done.returncode == 0, f"{where}\n{done.stdout}{done.stderr}"
    return done.stdout + done.stderr


def recipe(place: Workspace, arguments: list[str], where: str) -> list[Command]:
    """The commands of make that may be run: setting up would change the tests' own environment."""
    dry = place.run("make", "--dry-run", "--old-file=.venv/installed", *arguments)
    assert dry.returncode == 0, f"{where}\n{dry.stderr}"
    ours = r"^\.venv/bin/((?:snakemake|python workflow/).*)$"
    lines = re.sub(r"\\\n\s*", "", dry.stdout)
    return [Command(line, True) for line in re.findall(ours, lines, re.MULTILINE)]


def planned(arguments: list[str], where: str) -> str:
    """The output of plan.py in this folder, run in this process, which has its imports."""
    printed = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(printed):
        patch.setattr(sys, "argv", ["plan.py", *arguments])
        try:
            plan.main()
        except SystemExit as end:
            if end.code:
                raise AssertionError(f"{where}\n{printed.getvalue()}") from end
    return printed.getvalue()


def plans_a_profile(arguments: list[str]) -> bool:
    """Whether this is a profile's dry run, which tests/workflow/test_profiles.py does for each."""
    return {"--profile", "-n"} <= {*arguments} and len(arguments) <= 5


def assert_sensible(place: Workspace, command: Command, where: str) -> None:
    """Whether a command that is not tried can be meant: its options, cells and files exist."""
    words = command.words
    while re.fullmatch(r"[A-Z_]+=\S*", words[0]):
        words.pop(0)
    name, *arguments = words
    assert name in KNOWN, f"{where}: not known to this test"
    if name == "make":
        for line in recipe(place, arguments, where):
            assert_sensible(place, line, where)
    elif name == "snakemake":
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "argv", ["snakemake", *arguments])
            try:
                parser = snakemake.cli.get_argument_parser()
                given, unknown = parser.parse_known_args(arguments)
            except SystemExit as error:
                raise AssertionError(f"{where}: Snakemake has no such options") from error
        assert not unknown, f"{where}: {unknown}"
        for profile in given.profile or ():
            assert (ROOT / profile / "config.yaml").exists(), where
        for file in given.configfile or ():
            assert place.path(str(file)).exists(), f"{where}: {file}"
        for target in filter(CELL.fullmatch, given.targets or ()):
            steps = plan.read([Path("config/config.yaml")])
            plan.named(steps, target)
    elif name == "python" and arguments[0].endswith(".py"):
        help_text = program_help(place, arguments[0])
        for option in (one.partition("=")[0] for one in arguments if one.startswith("--")):
            assert re.search(rf"(?<![\w-]){re.escape(option)}(?![\w-])", help_text), (
                f"{where}: {option}"
            )
    for word in arguments:
        if OF_THE_PROJECT.fullmatch(word):
            assert place.path(word).exists() or (ROOT / word).exists(), f"{where}: {word}"


def program_help(place: Workspace, program: str) -> str:
    """The options of one of the project's programs."""
    # Python does this for a program; the tests are in the project only.
    folder = place.root if place.path(program).exists() else ROOT
    environment = dict(os.environ) | NO_BYTECODE | {"PYTHONPATH": str((folder / program).parent)}
    done = WARM.run(folder, program, ["--help"], environment)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    "command",
    [
        "frontier --run", "snakemake --cors 2", "snakemake --cores 2 --profile a60000",
        "snakemake --configfile config/studies/b6000.yaml", "snakemake results/demo-lama/cpu/demo-sentiment.json",
        "python workflow/scripts/plan.py --wy", "python workflow/scripts/plam.py", "bash bench/gpu_chek.sh",
    ],
)  # fmt: skip
def test_a_command_that_cannot_be_meant_is_found(
    command: str, demo: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is found even where a page says that it is not tried."""
    monkeypatch.chdir(demo.root)
    with pytest.raises((AssertionError, UserError)):
        assert_sensible(demo, Command(command, False), "here")


def test_what_is_not_tried_says_why() -> None:
    """The reason covers the rest of the block after its line."""
    text = "make demo\n# Not tried here: needs a GPU.\nmake \\\n  test\n"
    found = list(pages.commands(Block("sh", text, 1)))
    assert [(one.words, one.tried) for one in found] == [(["make", "demo"], True), (["make", "test"], False)]  # fmt: skip
    for line in ("# Not tried here", "# not tried here: needs a GPU.", "# Not tried: a GPU"):
        with pytest.raises(ValueError, match="Not tried here"):
            list(pages.commands(Block("sh", line, 1)))
    assert pages.stray(Block("text", "output\n$ make demo\n", 1)) == ["make demo"]


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_links_lead_somewhere(page: Path) -> None:
    """Within the project, to headings too; other sites are not asked."""
    for link in pages.links(page):
        if re.match(r"https?:", link):
            continue
        name, _, heading = link.partition("#")
        target = (ROOT / page.parent / name).resolve() if name else ROOT / page
        assert target.exists(), f"{page}: {link}"
        assert target.is_relative_to(ROOT), f"{page}: {link}"
        if heading:
            assert heading in pages.anchors(target.relative_to(ROOT)), f"{page}: {link}"


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_code_in_sentences(page: Path, demo: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files that a page names are there, and commands can be meant; not run, as pages show those in blocks."""
    monkeypatch.chdir(demo.root)
    for text in pages.code(page):
        if OF_THE_PROJECT.fullmatch(text) and not re.search("[A-Z]{4}", text):
            assert (ROOT / text).exists(), f"{page}: {text}"
        if text.startswith(pages.PROGRAMS):
            assert_sensible(demo, Command(text, False), f"{page}: {text}")


def test_every_page_is_in_an_index() -> None:
    """docs/, its decisions and the examples each have one; the README leads to all of them."""
    for folder in ("docs", "docs/decisions", "examples"):
        index = Path(folder, "README.md")
        linked = {(ROOT / folder / link).resolve() for link in pages.links(index)}
        for page in PAGES:
            below = index.parent in (page.parent, page.parent.parent) and page != index
            if below and (page.parent == index.parent or page.name == "README.md"):
                assert (ROOT / page).resolve() in linked, f"{index} does not name {page}"


def test_named_quantizations_exist() -> None:
    """The quantizations of the table exist; `rtn…` stands for each that begins this way."""
    text = (ROOT / "docs/quantizations.md").read_text("utf-8")
    known = yaml.safe_load((ROOT / "config/quantizations.yaml").read_text("utf-8"))["quantizations"]
    cells = [line.split("|")[2] for line in text.splitlines() if line.startswith("| ")][2:]
    named = [name for cell in cells if "](" not in cell for name in re.findall("`([^`]+)`", cell)]
    assert len(named) > len(known) / 2
    for name in named:
        beginning = name.endswith("…")
        found = any(one.startswith(name[:-1]) for one in known) if beginning else name in known
        assert found, f"docs/quantizations.md: {name}"


def test_outcomes_are_explained() -> None:
    """All of them, in the page about reading the report."""
    rows = re.findall(r"^\| `([a-z-]+)` \|", (ROOT / "docs/report.md").read_text("utf-8"), re.MULTILINE)  # fmt: skip
    assert set(rows) == set(OUTCOMES)


def test_the_readme_is_short() -> None:
    """A reader's first page."""
    assert len((ROOT / "README.md").read_text("utf-8").splitlines()) <= LONGEST_README
