"""Write ARCHITECTURE.md from the first lines of packages, programs and rules."""

from __future__ import annotations

import argparse
import ast
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # PYTHONSAFEPATH leaves it out

from frontier import FLOORS, REPORT
from frontier.errors import UserError, run

ARCHITECTURE = Path("ARCHITECTURE.md")
LIBRARY, SCRIPTS, RULES = (
    Path("workflow/scripts/frontier"),
    Path("workflow/scripts"),
    Path("workflow/rules"),
)
SNAKEFILE = Path("Snakefile")
INTRODUCTION = """\
# Architecture

Written by `workflow/scripts/document_architecture.py` (`make documents`) out of the first line of
each package, program and rules file: change it there.

```
dataset -> sample ─┐
model   -> lock ───┼-> measure -> requests.jsonl -> score -> cell ─┬-> study ───────┬-> report
       └> quantized┘                                               └-> comparisons ─┘
```

Rules connect outputs to inputs. They call programs, each of which also runs by hand. The programs
use the library, which does not depend on Snakemake.
[docs/decisions](docs/decisions/README.md) has the reasons for this design.
"""
FLOORS_TEXT = """\
## The library, from the lowest layer up

A module imports only from its own package and from lower layers. The modules of the lowest layer
may import each other. `FLOORS` in `workflow/scripts/frontier/__init__.py` defines the order, and
`tests/unit/test_floors.py` checks it.
"""


def first_line(path: Path) -> str:
    """The first line of a file's docstring. Raises UserError if it has none."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        words = ast.get_docstring(ast.parse(text)) or ""
    else:  # a rules file, which Python cannot parse
        found = re.match(r'"""(.*?)"""', text, re.DOTALL)
        words = found[1] if found else ""
    line, *_ = words.strip().splitlines() or [""]
    if not line:
        raise UserError(f"{path}: has no docstring, whose first line would describe the file")
    return line.replace("|", "\\|")


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = (head, ["---"] * len(head), *rows)
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def floors(root: Path, folder: Path, order: tuple[tuple[str, ...], ...]) -> str:
    """The layers of a folder of the library, with the packages and modules of each."""
    rows = []
    for number, floor in enumerate(order):
        for at, name in enumerate(floor):
            path = folder / name
            file = path / "__init__.py" if (root / path).is_dir() else path.with_suffix(".py")
            where = path if (root / path).is_dir() else file
            first = first_line(root / file)
            rows.append(("" if at else str(number), f"[`{where.name}`]({where})", first))
    return table(("layer", "", "purpose"), rows)


def included(root: Path) -> Iterator[Path]:
    """The rules files, in the order of their inclusion."""

    def below(path: Path) -> Iterator[Path]:
        text = (root / path).read_text(encoding="utf-8")
        for name in re.findall(r'^include: "(.+)"$', text, re.MULTILINE):
            one = path.parent / name
            yield one
            yield from below(one)

    yield from below(SNAKEFILE)


def files(root: Path, paths: list[Path]) -> str:
    """Files with their first lines."""
    rows = [(f"[`{path.name}`]({path})", first_line(root / path)) for path in paths]
    return table(("", "purpose"), rows)


def page(root: Path) -> str:
    """The whole page for the checkout at `root`."""
    programs = sorted(path.relative_to(root) for path in (root / SCRIPTS).glob("*.py"))
    return "\n".join(
        [
            INTRODUCTION,
            "## Rules, in the order in which they are read\n",
            files(root, list(included(root))),
            "## Programs\n",
            files(root, programs),
            FLOORS_TEXT,
            floors(root, LIBRARY, FLOORS),
            "The report has its own layers:\n",
            floors(root, LIBRARY / "report", REPORT),
        ]
    )


def main() -> None:
    """Writes the page."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    ARCHITECTURE.write_text(page(Path()), encoding="utf-8")


if __name__ == "__main__":
    run(main)
