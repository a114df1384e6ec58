"""Add a task to config/tasks.yaml, or an engine as a file of its own, from which to go on.

What is added works as it is: a task is a copy of another one under a new name, and plans.
"""

from __future__ import annotations

import argparse
import re
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # PYTHONSAFEPATH leaves it out

from frontier.catalogue import configuration, ids
from frontier.catalogue.checking import one_of
from frontier.catalogue.reading import line_of, parse
from frontier.errors import UserError, run
from frontier.host import files

TASKS = Path("config/tasks.yaml")


def block_at(lines: list[str], first: int) -> list[str]:
    """The lines of a YAML block from its key on, `first` counting from 0, without what is below.

    A blank line or a comment behind it belongs to what follows.
    """
    depth = len(lines[first]) - len(lines[first].lstrip())
    end = first + 1
    for number in range(first + 1, len(lines)):
        words = lines[number].strip()
        if words and len(lines[number]) - len(lines[number].lstrip()) <= depth:
            break
        if words and not words.startswith("#"):
            end = number + 1
    return lines[first:end]


def copied_task(path: Path, name: str, like: str) -> str:
    """The file's text with a copy of the task `like`, named `name`, behind the last task."""
    text = path.read_bytes().decode("utf-8-sig")
    lines = text.split("\n")

    def block(task: str) -> tuple[int, list[str]]:
        first = (line_of(path, ("tasks", task)) or 1) - 1
        return first, block_at(lines, first)

    tasks = parse(text, str(path))["tasks"]
    _, copy = block(like)
    copy = [re.sub(rf"^(\s*){re.escape(like)}\s*:", rf"\g<1>{name}:", copy[0]), *copy[1:]]
    label = name.replace("-", " ").capitalize()
    copy = [re.sub(r"^(\s+)label:.*", rf"\g<1>label: {label}", line) for line in copy]
    begin, last = max(block(task) for task in tasks)
    end = begin + len(last)
    added = "\n".join([*lines[:end], "", *copy, *lines[end:]])
    try:
        found = parse(added, str(path))["tasks"]
        found[name] |= {key: tasks[like][key] for key in ("label",) if key in tasks[like]}
    except (UserError, KeyError):
        found = None
    if found != tasks | {name: tasks[like]}:
        raise UserError(f"{path}: tasks.{like} cannot be copied as text; copy it by hand")
    return added


def new_task(name: str, like: str | None) -> str:
    """Add a task to the catalogue; returns what to do next. Raises UserError in one line."""
    section = f"{TASKS}: tasks"
    tasks = configuration.read_catalogue(TASKS.parent).tasks
    ids.check(name, section)
    if name in tasks:
        raise UserError(f"{section}.{name}: is there already; choose another name")
    like = one_of(like, tasks, section) if like else next(iter(tasks))
    text = copied_task(TASKS, name, like)
    with tempfile.TemporaryDirectory() as folder:
        for stem in configuration.FILES:
            shutil.copy(TASKS.with_name(f"{stem}.yaml"), folder)
        Path(folder, TASKS.name).write_text(text, encoding="utf-8")
        configuration.read_catalogue(Path(folder))
    files.write_bytes(TASKS, text.encode())
    return (
        f"{section}.{name}: a copy of {like}; change it, then see\n"
        f"  python workflow/scripts/plan.py results/VARIANT/DEVICE/{name}.json"
    )


KINDS: dict[str, Callable[[str, str | None], str]] = {"task": new_task}


def main() -> None:
    """Add it, and say what is next."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", choices=KINDS, help="what to add")
    parser.add_argument("name", help="its id")
    parser.add_argument("--like", help="the one to begin with; the first by default")
    given = parser.parse_args()
    print(KINDS[given.kind](given.name, given.like))


if __name__ == "__main__":
    run(main)
