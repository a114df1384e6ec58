"""Add a task, an engine, a quantizer, a scorer, a figure or a gate that works, as a starting point.

A task is a copy of another one under a new name, or proposed from a table of your own. The others
are a file from a template, of which all there is to change is what it does, and the blocks of the
catalogue that name it.
"""

from __future__ import annotations

import argparse
import importlib
import keyword
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))  # PYTHONSAFEPATH leaves it out

from frontier.catalogue import configuration, ids, writing
from frontier.catalogue.checking import check, one_of
from frontier.catalogue.reading import parse
from frontier.catalogue.source import Source
from frontier.engines import ENGINES
from frontier.errors import UserError, run
from frontier.figures import FIGURES
from frontier.gates import GATES
from frontier.host import files
from frontier.proposing import tables_of_hubs, tasks
from frontier.quantizers import QUANTIZERS
from frontier.registry import Registry
from frontier.scorers import SCORERS
from frontier.text import visible

CONFIG = Path("config")
TEMPLATES = Path(__file__).with_name("templates")
LIBRARY = Path(__file__).with_name("frontier")
Blocks = Mapping[tuple[str, str], tuple[str, str]]
"""New blocks by file of the catalogue and section: a name, and its block as text."""

LAST = "ORDER = 1000"
"""A template's place: after all existing ones."""
ENGINE_BLOCK = """\
kind: {name}
reads: [hub]
accelerators: [cpu]
dtypes: [float32]
"""


def copied_task(path: Path, name: str, like: str) -> str:
    """The file's text with a copy of the task `like`, named `name`, after the last task."""
    known = parse(writing.text_of(path), str(path))["tasks"]
    first, *copy = writing.blocks_of(path, "tasks")[like]
    first = re.sub(rf"^(\s*){re.escape(like)}\s*:", rf"\g<1>{name}:", first)
    label = name.replace("-", " ").capitalize()
    copy = [re.sub(r"^(\s+)label:.*", rf"\g<1>label: {label}", line) for line in copy]
    added = writing.with_block(path, "tasks", [first, *copy])
    try:
        found = parse(added, str(path))["tasks"]
        found[name] |= {key: known[like][key] for key in ("label",) if key in known[like]}
    except (UserError, KeyError):
        found = None
    if found != known | {name: known[like]}:
        raise UserError(f"{path}: tasks.{like} cannot be copied as text; copy it by hand")
    return added


def new_task(name: str, like: str | None) -> str:
    """Adds a task to the catalogue; returns the next steps. Raises UserError in one line."""
    path = CONFIG / "tasks.yaml"
    known = configuration.read_catalogue(CONFIG).tasks
    ids.check(name, f"{path}: tasks", dots=False)
    check_free(name, known, f"{path}: tasks")
    like = one_of(like, known, f"{path}: tasks") if like else next(iter(known))
    writing.write(CONFIG, {path: copied_task(path, name, like)})
    return (
        f"{path}: tasks.{name}: a copy of {like}; change it, then see\n"
        f"  python workflow/scripts/plan.py results/VARIANT/DEVICE/{name}.json"
    )


def task_of_table(name: str, table: str, repo: str | None = None, revision: str = "main") -> str:
    """Adds a dataset and a task for a table; returns what was decided, and what was not.

    `repo`: the hub's dataset that has it, at `revision`; None: it is on this machine.
    """
    path = CONFIG / "tasks.yaml"
    catalogue = configuration.read_catalogue(CONFIG)
    ids.check(name, f"{path}: tasks", dots=False)
    check_free(name, catalogue.tasks, f"{path}: tasks")
    check_free(name, catalogue.datasets, f"{path}: datasets")
    if repo:
        check(Source, {"hub": repo, "revision": revision, "files": [table]}, "--hub")
        found = tables_of_hubs.proposed(repo, revision, table, name)
    else:
        found = tasks.proposed(Path(table), name)
    blocks = {
        "datasets": writing.lines_of(name, found.dataset),
        "tasks": writing.lines_of(name, found.task),
    }
    writing.write(CONFIG, {path: writing.with_blocks(path, blocks)})
    return "\n".join(
        [
            f"{path}: datasets.{name} and tasks.{name}: written",
            *blocks["datasets"],
            *blocks["tasks"],
            *(f"not decided: {one}" for one in found.open),
            "measure and report: snakemake --cores 2 --config 'study={models: [demo-llama], "
            f"quantizations: [native], tasks: [{name}]}}'",
        ]
    )


def check_free(name: str, taken: Iterable[str], where: str) -> None:
    """Raises UserError for a name that is in use."""
    if name in taken:
        raise UserError(f"{where}.{name}: already exists; choose another name")


def new_plugin(registry: Registry[Any], template: str, name: str, blocks: Blocks) -> list[Path]:
    """Writes a plug-in's file from its template, and its blocks; returns the written paths.

    Raises UserError, and leaves nothing, for a name that is in use or invalid, or a bad template.
    """
    where = f"frontier/{registry.kind}"
    if not re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", name) or keyword.iskeyword(name):
        rule = "a file's name has lower-case letters and digits, with single '_' between them"
        rule = "is a Python keyword; choose another name" if keyword.iskeyword(name) else rule
        raise UserError(f"{where}: {visible(name, 80)}: {rule}")
    file = LIBRARY / registry.kind / f"{name}.py"
    taken = [path.stem for path in file.parent.iterdir()]
    check_free(name, taken, where)
    texts = {}
    for (stem, section), (key, block) in blocks.items():
        path = CONFIG / f"{stem}.yaml"
        there = writing.blocks_of(path, section)
        check_free(key, there, f"{path}: {section}")
        lines = [f"  {key}:", *(f"    {line}" for line in block.format(name=name).splitlines())]
        texts[path] = writing.with_block(path, section, lines)
    text = (TEMPLATES / f"{template}.py").read_text(encoding="utf-8")
    title = "".join(part.capitalize() for part in name.split("_"))
    text = re.sub(r"\bexample\b", name, text.replace("Example", title))
    if LAST in text:
        orders = [one.ORDER for one in registry.all().values()]
        text = text.replace(LAST, f"ORDER = {max(orders) + 10}")
    files.write_text(file, text)
    try:
        importlib.invalidate_caches()
        registry.load(name)
        writing.write(CONFIG, texts)
    except BaseException:
        file.unlink()
        raise
    return [file, *texts]


def new_engine(name: str, _like: str | None) -> str:
    """Adds an engine, its block, and a device with it."""
    device = f"cpu-{name.replace('_', '-')}"
    blocks = {
        ("engines", "engines"): (name, ENGINE_BLOCK),
        ("devices", "devices"): (device, "accelerator: cpu\nengine: {name}\n"),
    }
    written = new_plugin(ENGINES, "engine", name, blocks)
    return wrote(
        written,
        f"python -m pytest tests/unit/test_engine_contract.py -k {name}",
        f"snakemake --cores 2 results/demo-llama/{device}/demo-arithmetic.json",
    )


def new_quantizer(name: str, _like: str | None) -> str:
    """Adds a quantizer and its block."""
    blocks = {("quantizations", "quantizations"): (name.replace("_", "-"), "method: {name}\n")}
    written = new_plugin(QUANTIZERS, "quantizer", name, blocks)
    return wrote(
        written,
        "python -m pytest tests/unit/test_quantizer_contract.py tests/unit/test_quantizers.py "
        f"-k {name}",
        f"snakemake --cores 2 results/demo-llama-{name.replace('_', '-')}/cpu/demo-arithmetic.json",
    )


def new_scorer(name: str, _like: str | None) -> str:
    """Adds a scorer, for use by tasks."""
    written = new_plugin(SCORERS, "scorer", name, {})
    return wrote(written, f"python -m pytest tests/unit/test_scorers.py -k {name}")


def new_figure(name: str, _like: str | None) -> str:
    """Adds a figure: a column of the study, of the report's table of cells, and a definition."""
    written = new_plugin(FIGURES, "figure", name, {})
    return wrote(written, f"python -m pytest tests/unit/test_figures.py -k {name}")


def new_gate(name: str, _like: str | None) -> str:
    """Adds a gate."""
    written = new_plugin(GATES, "gate", name, {})
    return wrote(written, f"python -m pytest tests/unit/test_gates.py -k {name}")


def wrote(written: Iterable[Path], *commands: str) -> str:
    """The written files, and a command to try them."""
    here = (path.relative_to(Path.cwd()) if path.is_absolute() else path for path in written)
    lines = [f"{', '.join(map(str, here))}: written; change it, then try", *commands]
    return "\n  ".join(lines)


KINDS: dict[str, Callable[[str, str | None], str]] = {
    "task": new_task,
    "engine": new_engine,
    "quantizer": new_quantizer,
    "scorer": new_scorer,
    "figure": new_figure,
    "gate": new_gate,
}


def main() -> None:
    """Adds it, and prints the next steps."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", choices=KINDS, help="what to add")
    parser.add_argument("name", help="its id, or its file's name")
    parser.add_argument("--like", help="the task to copy; by default the first")
    parser.add_argument("--file", help="a table of questions and right answers, for a task of it")
    parser.add_argument("--hub", help="the hub's dataset that has it: ORG/NAME")
    parser.add_argument("--revision", default="main", help="its branch, tag or commit (main)")
    given = parser.parse_args()
    if given.file and (given.kind != "task" or given.like):
        raise UserError("--file is for a task, and instead of --like")
    if given.hub and not given.file:
        raise UserError("--hub: name the table there (FILE=…), such as data/test-*.parquet")
    if given.file:
        print(task_of_table(given.name, given.file, given.hub, given.revision))
    else:
        print(KINDS[given.kind](given.name, given.like))


if __name__ == "__main__":
    run(main)
