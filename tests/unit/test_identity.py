"""Digests of code: what changes them and what does not."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conftest import ROOT
from frontier import identity
from frontier.identity.code import Code, code, of_graph
from frontier.identity.commands import shells
from frontier.identity.graph import Graph

SCRIPTS = ROOT / "workflow" / "scripts"
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)
Files = dict[str, str | None]

_PROJECT = {
    "run.py": """
        import argparse
        import importlib
        from frontier.errors import UserError, nearest
        from frontier.host import files
        from frontier.work import Job, fill

        def main():
            parser = argparse.ArgumentParser(description="Runs.")
            parser.add_argument("--name", help="which one", default="none")
            name = parser.parse_args().name
            words = f"{name}: there is no such thing"
            if not files.exists(name):
                raise UserError(words + nearest(name))
            return Job(name, fill(name, importlib.import_module(f"frontier.plugins.{name}")))

        if __name__ == "__main__":
            main()
        """,
    "frontier/__init__.py": "",
    "frontier/errors.py": """
        class UserError(Exception):
            '''A fault.'''

        class OutOfMemoryError(Exception):
            '''Another.'''

        Reason = str

        def nearest(name):
            return f" (did you mean {name}?)"
        """,
    "frontier/host/__init__.py": "",
    "frontier/host/files.py": """
        import os

        def exists(path):
            print("looking", path)
            return os.path.exists(path)
        """,
    "frontier/work.py": """
        '''Works.'''
        import re
        import numpy as np
        from dataclasses import dataclass
        from frontier.helpers import count, WIDTH
        from frontier import tables
        from frontier.errors import Reason

        SPACE = re.compile(r"\\s+")
        LIMIT, LEAST = 8, 2
        Names = tuple[str, ...]

        class TooLongError(ValueError):
            '''A fault of the length.'''

        @dataclass(frozen=True)
        class Job:
            '''What is done.'''
            name: str
            found: int = 3

            def longer(self, by: int = 1) -> int:
                '''Longer.'''
                return len(self.name) + by

        def fill(name: str, plugin, least: int = LEAST) -> str:
            '''Fills.'''
            if len(name) > LIMIT:
                raise TooLongError(f"{name!r} is longer than {LIMIT}")
            count = [count for count in SPACE.split(name)]
            return plugin.act(tables.wide(count, least)) or refusal(name)

        def refusal(name) -> Reason | None:
            where = f"in {name}"
            kinds: dict[str, Reason] = {"a": "is an a"}
            return f"it is too long {where}" if len(name) < LIMIT else kinds.get(name)

        def unused(name):
            return count(name) + WIDTH + np.sum(3)
        """,
    "frontier/helpers.py": """
        WIDTH = 3

        def count(name):
            return len(name)
        """,
    "frontier/tables.py": """
        import pydantic
        import yaml
        from frontier.helpers import WIDTH

        EVEN = "even"

        def wide(names, least):
            return [pad(name) for name in names if odd(len(name))][:least]

        def pad(name):
            return name.ljust(WIDTH)

        def odd(n):
            return n != 0 and even(n - 1)

        def even(n):
            return n == 0 or odd(n - 1) or yaml.safe_load(n)

        def shown(name):
            return pydantic.TypeAdapter(str)
        """,
    "frontier/plugins/__init__.py": "",
    "frontier/plugins/one.py": """
        from frontier.helpers import count

        OPTIONS = {"a": 1}

        def act(names):
            return _inner(names)

        def _inner(names):
            return sum(map(count, names))

        def spare(names):
            return 1
        """,
}


PROJECT: Files = {name: textwrap.dedent(text).lstrip() for name, text in _PROJECT.items()}


def write(folder: Path, files: Files) -> Path:
    """The project with some of its files otherwise; None: without them."""
    for name, text in (PROJECT | files).items():
        if text is not None:
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    return folder


def coded(folder: Path, files: Files, plugin: str = "one") -> Code:
    """The code of the project's program and its plugin."""
    return of_graph(Graph(write(folder, files)), "run", f"frontier.plugins.{plugin}")


def edited(*edits: tuple[str, str, str]) -> Files:
    """The project's files with texts replaced that stand in them exactly once."""
    files: Files = {}
    for name, old, new in edits:
        text = files.get(name) or PROJECT[name]
        assert text is not None
        assert text.count(old) == 1, (name, old, text.count(old))
        files[name] = text.replace(old, new)
    return files


def added(name: str, text: str) -> Files:
    """A file with lines at its end."""
    return {name: f"{PROJECT[name]}\n{text}"}


WORK, HELPERS, TABLES, PLUGIN, RUN = (
    "frontier/work.py", "frontier/helpers.py", "frontier/tables.py", "frontier/plugins/one.py",
    "run.py",
)  # fmt: skip

SAME: dict[str, Files] = {
    "a comment, a docstring, blank lines": edited(
        (WORK, "'''Fills.'''", "# Fills.\n"), (WORK, "'''What is done.'''", "'''Done.'''")
    ),
    "an annotation of a function": edited((WORK, "plugin, least: int = LEAST) -> str", "plugin: object, least=LEAST)")),
    "a dead function": added(HELPERS, "def dead():\n    return 1\n"),
    "a dead constant": added(HELPERS, "DEAD = frozenset({1, 2})\nOTHER = DEAD | {3}\n"),
    "a dead record": added(HELPERS, "from dataclasses import dataclass\n@dataclass(frozen=True)\nclass Pair:\n    a: int\n\ndef pair(a):\n    return Pair(a + 1)\n\nONE, TWO = Pair(1), pair(2)\n"),
    "a dead class": added(HELPERS, "class Dead(Exception):\n    x: int = 1\n"),
    "a function that is not reached, in a module that is": edited((WORK, "count(name) + WIDTH", "count(name) - WIDTH")),
    "an unused import": edited(
        (TABLES, "import pydantic", "import pydantic\nimport polars\nfrom frontier import work"),
        (PLUGIN, "from frontier.helpers import count", "import polars\nfrom frontier.helpers import count, WIDTH"),
        (RUN, "import importlib", "import importlib\nimport torch\nimport json"),
    ),
    "an import for types only": edited((TABLES, "import pydantic", "import pydantic\nfrom typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import polars\n")),
    "an import written another way": edited(
        (WORK, "from frontier import tables", "import frontier.tables as other"),
        (WORK, "tables.wide(count", "other.wide(count"),
    ),
    "an import of a name": edited(
        (WORK, "from frontier import tables", "from frontier.tables import wide"), (WORK, "tables.wide(count", "wide(count")
    ),
    "an import under another name": edited(
        (WORK, "from frontier import tables", "from frontier.tables import wide as w"), (WORK, "tables.wide(count", "w(count")
    ),
    "a relative import": edited((WORK, "from frontier import tables", "from . import tables")),
    "an import inside a function": edited(
        (WORK, "from frontier import tables", ""),
        (WORK, "if len(name) > LIMIT", "from frontier import tables\n    if len(name) > LIMIT"),
    ),
    "an import of the whole package": edited(
        (WORK, "from frontier import tables", "import frontier.tables"), (WORK, "tables.wide(count", "frontier.tables.wide(count")
    ),
    "an import of a package's name another way": edited(
        (WORK, "import re\n", "from re import compile as pattern\n"), (WORK, "re.compile", "pattern")
    ),
    "a re-export": edited((WORK, "from frontier import tables", "from frontier import gate as tables"))
    | {"frontier/gate.py": "from frontier.tables import wide\n"},
    "a star import": edited((WORK, "from frontier import tables", "from frontier.tables import *"), (WORK, "tables.wide(count", "wide(count")),
    "functions in another order": edited(
        (TABLES, "def pad(name):\n    return name.ljust(WIDTH)\n", ""),
        (TABLES, "def shown", "def pad(name):\n    return name.ljust(WIDTH)\n\ndef shown"),
    ),
    "a module renamed": {TABLES: None, "frontier/boards.py": PROJECT[TABLES]}
    | edited((WORK, "from frontier import tables", "from frontier import boards as tables")),
    "a module moved to another folder": {
        HELPERS: None, "frontier/low/__init__.py": "", "frontier/low/helpers.py": PROJECT[HELPERS]
    }
    | edited(
        (WORK, "from frontier.helpers", "from frontier.low.helpers"),
        (TABLES, "from frontier.helpers", "from frontier.low.helpers"),
        (PLUGIN, "from frontier.helpers", "from frontier.low.helpers"),
    ),
    "a module split": {"frontier/circles.py": "import yaml\n\ndef odd(n):\n    return n != 0 and even(n - 1)\n\ndef even(n):\n    return n == 0 or odd(n - 1) or yaml.safe_load(n)\n"}
    | edited(
        (TABLES, "def odd(n):\n    return n != 0 and even(n - 1)\n", "from frontier.circles import odd\n"),
        (TABLES, "def even(n):\n    return n == 0 or odd(n - 1) or yaml.safe_load(n)\n", ""),
    ),
    "a function moved to the module that calls it": edited(
        (TABLES, "def pad(name):\n    return name.ljust(WIDTH)\n", "from frontier.helpers import pad"),
        (HELPERS, "WIDTH = 3", "WIDTH = 3\n\ndef pad(name):\n    return name.ljust(WIDTH)\n"),
    ),
    "a function renamed": edited((TABLES, "pad(name) for", "padded(name) for"), (TABLES, "def pad(", "def padded(")),
    "the host's code": edited((("frontier/host/files.py"), 'print("looking", path)', "path = str(path)")),
    "the errors' code": edited(("frontier/errors.py", "did you mean", "perhaps")),
    "a host's module moved within it": {"frontier/host/files.py": None, "frontier/host/disk/__init__.py": "", "frontier/host/disk/files.py": PROJECT["frontier/host/files.py"]}
    | edited((RUN, "from frontier.host import files", "from frontier.host.disk import files")),
    "an error's words": edited((WORK, 'f"{name!r} is longer than {LIMIT}"', 'f"at most {LIMIT} letters, not {name}"')),
    "the words of an error in a variable": edited((RUN, "there is no such thing", "is not there")),
    "the words of a reason": edited(
        (WORK, "it is too long {where}", "longer than any {where}"),
        (WORK, 'where = f"in {name}"', 'where = f"within {name}"'),
        (WORK, '"is an a"', '"is one a"'),
    ),
    "a program's help": edited((RUN, 'help="which one"', 'help="its name"'), (RUN, '"Runs."', "__doc__")),
}  # fmt: skip

OTHER: dict[str, Files] = {
    "a constant": edited((HELPERS, "WIDTH = 3", "WIDTH = 4")),
    "a constant of several": edited((WORK, "LIMIT, LEAST = 8, 2", "LIMIT, LEAST = 8, 3")),
    "two constants bound the other way round": edited((WORK, "LIMIT, LEAST = 8, 2", "LEAST, LIMIT = 8, 2")),
    "a regular expression": edited((WORK, r"\s+", r"\s*")),
    "a default": edited((WORK, "by: int = 1", "by: int = 2")),
    "a default by a name": edited((WORK, "least: int = LEAST", "least: int = LIMIT")),
    "a field's default": edited((WORK, "found: int = 3", "found: int = 4")),
    "a field's type": edited((WORK, "found: int = 3", "found: float = 3")),
    "a decorator's argument": edited((WORK, "frozen=True", "frozen=False")),
    "a base class": edited((WORK, "TooLongError(ValueError)", "TooLongError(Exception)")),
    "the kind of an error": edited((WORK, "raise TooLongError(", "raise ValueError(")),
    "the kind of an error of the host": edited((RUN, "raise UserError", "raise OutOfMemoryError"), (RUN, "UserError, nearest", "OutOfMemoryError, nearest")),
    "what is worked out for an error": edited((WORK, "{name!r} is", "{name.pop()!r} is")),
    "when there is a reason": edited((WORK, 'f"it is too long {where}" if len(name) < LIMIT else kinds.get(name)', 'kinds.get(name) if len(name) < LIMIT else f"it is too long {where}"')),
    "for what there is a reason": edited((WORK, '{"a": "is an a"}', '{"b": "is an a"}')),
    "a reason that is none": edited((WORK, 'f"it is too long {where}" if', '"" if')),
    "an argument's name": edited((RUN, '"--name"', '"--names"')),
    "an argument's default": edited((RUN, 'default="none"', 'default="no"')),
    "a function of two that call each other": edited((TABLES, "return n == 0 or", "return n == 1 or")),
    "two calls exchanged": edited((TABLES, "n != 0 and even(", "n != 0 and odd("), (TABLES, "n == 0 or odd(", "n == 0 or even(")),
    "another function of the host": edited((RUN, "files.exists", "files.remove"))
    | {"frontier/host/files.py": (PROJECT["frontier/host/files.py"] or "") + "\ndef remove(path):\n    pass\n"},
    "a function of the same name from elsewhere": edited((WORK, "from frontier import tables", "from frontier import boards as tables"))
    | {"frontier/boards.py": (PROJECT[TABLES] or "").replace("ljust", "rjust")},
    "a plugin's function that nothing refers to": edited((PLUGIN, "return 1", "return 2")),
    "a plugin's constant that nothing refers to": edited((PLUGIN, '{"a": 1}', '{"a": 2}')),
    "a plugin's function renamed": edited((PLUGIN, "def spare", "def other")),
    "a plugin's function that it imports": edited((PLUGIN, "def act(names):\n    return _inner(names)", "from frontier.tables import act")) | added(TABLES, "def act(names):\n    return 7\n"),
    "a statement when a module is loaded": added(HELPERS, "import os\nos.environ['A'] = '1'\n"),
    "a call when a module is loaded": added(HELPERS, "X = count.register('a')\n"),
    "a statement in a module that is only loaded": edited((WORK, "import re\n", "import re\nfrom frontier import quiet\n"))
    | {"frontier/quiet.py": "import os\nos.umask(7)\n"},
    "a statement in a package around a module": {"frontier/__init__.py": "import os\nos.umask(7)\n"},
    "a call of a function that notes something": added(HELPERS, "ALL = []\ndef note(a):\n    ALL.append(a)\n    return a\n\nONE = note(1)\n"),
    "a call of a class that notes something": added(HELPERS, "ALL = []\nclass One:\n    def __init__(self):\n        ALL.append(self)\n\nONE = One()\n"),
    "a registering decorator": added(HELPERS, "import atexit\n\n@atexit.register\ndef end():\n    pass\n"),
    "a class that its base notes": edited((HELPERS, "WIDTH = 3", "WIDTH = 3\n\nclass Base:\n    def __init_subclass__(cls):\n        ALL.append(cls)\n\nclass One(Base):\n    pass")),
    "a name bound again": added(HELPERS, "WIDTH = 5\n"),
    "a name bound again by a condition": added(HELPERS, "import sys\nif sys.platform == 'darwin':\n    WIDTH = 5\n"),
    "a builtin shadowed": added(TABLES, "def len(x):\n    return 3\n"),
    "a builtin shadowed by a star import": edited((TABLES, "import pydantic", "import pydantic\nfrom frontier.helpers import *")) | added(HELPERS, "def len(x):\n    return 3\n"),
    "a module given as a value": edited((WORK, "plugin.act(tables.wide(count, least))", "plugin.act(getattr(tables, name)(count, least))")),
    "a global written by a function": edited((TABLES, "return name.ljust(WIDTH)", "global EVEN\n    EVEN = name\n    return name.ljust(WIDTH)")),
    "a module asked for a name by globals": edited((TABLES, "return name.ljust(WIDTH)", "return globals()[name]")) ,
    "a module asked for a name by sys.modules": edited((TABLES, "return name.ljust(WIDTH)", "import sys\n    return sys.modules[__name__]")),
    "a try around an import": edited((TABLES, "def pad(name):\n", "def pad(name):\n    try:\n        import orjson\n    except ImportError:\n        return name\n")),
}  # fmt: skip


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Code:
    """The code of the project as it is."""
    return coded(tmp_path_factory.mktemp("project"), {})


@pytest.mark.parametrize("change", SAME)
def test_what_changes_nothing(before: Code, tmp_path: Path, change: str) -> None:
    """The same digest, and the same packages."""
    after = coded(tmp_path, SAME[change])
    assert after.digest == before.digest
    assert after.packages == before.packages


@pytest.mark.parametrize("change", OTHER)
def test_what_may_change_a_result(before: Code, tmp_path: Path, change: str) -> None:
    """Another digest."""
    assert coded(tmp_path, OTHER[change]).digest != before.digest


def test_packages_are_those_that_are_referred_to(before: Code, tmp_path: Path) -> None:
    """Unused imports do not count, nor what only unreached code uses."""
    assert list(before.packages) == ["PyYAML"]
    used = coded(tmp_path, edited((TABLES, "name.ljust(WIDTH)", "name.ljust(WIDTH, pydantic)")))
    assert set(used.packages) == {"PyYAML", "pydantic"}


def test_all_of_a_module_that_is_asked_by_text_counts(tmp_path: Path) -> None:
    """A definition counts even if nothing refers to it by its name."""
    asked = edited((TABLES, "return name.ljust(WIDTH)", "return globals()[name]"))
    one = coded(tmp_path / "one", asked)
    asked[TABLES] = (asked[TABLES] or "").replace("TypeAdapter(str)", "TypeAdapter(int)")
    other = coded(tmp_path / "other", asked)
    assert other.digest != one.digest
    assert "pydantic" in other.packages
    stars = coded(
        tmp_path / "stars", edited((TABLES, "import yaml\n", "import yaml\nfrom numpy import *\n"))
    )
    assert "numpy" in stars.packages


def test_each_module_has_its_own_digest(before: Code, tmp_path: Path) -> None:
    """A change shows in its own module, and nowhere else."""
    after = coded(tmp_path, edited((HELPERS, "WIDTH = 3", "WIDTH = 4")))
    changed = {name for name, own in after.modules.items() if before.modules[name] != own}
    assert changed == {"frontier.helpers"}
    assert not any("host" in name or "errors" in name for name in before.modules)


@given(JSON)
def test_canonical_is_json_and_stable(value: object) -> None:
    """The canonical text reads back to the value, and to the same text."""
    text = identity.canonical(value)
    assert json.loads(text) == value
    assert identity.canonical(json.loads(text)) == text


@given(st.dictionaries(st.text(), st.integers(), min_size=2))
def test_key_order_does_not_count_but_values_do(value: dict[str, int]) -> None:
    """Reordered keys are the same; a changed value is not."""
    turned = dict(reversed(value.items()))
    assert identity.digest(turned) == identity.digest(value)
    key = next(iter(value))
    assert identity.digest({**value, key: value[key] + 1}) != identity.digest(value)


def of_body(text: str, folder: Path) -> str:
    """The digest of a program that is one function of these lines."""
    (folder / "run.py").write_text(f"def main(a, b, c):\n{textwrap.indent(text, '    ')}\n")
    return of_graph(Graph(folder), "run").digest


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("x = 1", "x = 2"),
        ("x = 1", "x = '1'"),
        ("x = 1", "x = True"),
        ("x = 1", "x = 1.0"),
        ("def f(a, b): pass", "def f(b, a): pass"),
        ("def f(a, b=1): pass", "def f(a, *, b=1): pass"),
        ("a(b)", "a(*b)"),
        ("a - b", "b - a"),
        ("x = b'a'", "x = 'a'"),
        ("if a:\n  b()\nelse:\n  c()", "if a:\n  c()\nelse:\n  b()"),
        ("return 'text'", "'text'"),
        ("return None", "return ''"),
        ("[a for a in b if c]", "[a for a in b]"),
        ("[a for a in b]", "{a for a in b}"),
        ("lambda x: x", "lambda x: 1"),
        ("raise RuntimeError('a')", "raise RuntimeError('b')"),
        ("raise ValueError(a - 1)", "raise ValueError(a - 2)"),
        ("raise KeyError('a')", "raise KeyError('b')"),
        ("match a:\n  case [x, *b]: return x", "match a:\n  case [x, *c]: return x"),
        ("words = 'a'\nif words: raise ValueError(words)", "words = ''\nif words: raise ValueError(words)"),
        ("print('a')", "print('b')"),
        ("import os\nos.environ['A'] = a", "import os\nos.environ['B'] = a"),
        ("assert a", "assert b"),
    ],
)  # fmt: skip
def test_what_python_sees_counts(tmp_path: Path, one: str, other: str) -> None:
    """Any difference that could change a result."""
    assert of_body(one, tmp_path) != of_body(other, tmp_path)


def test_nested_names_are_distinguished_from_the_modules(tmp_path: Path) -> None:
    """A local name is no reference; the module's definition of that name is not reached by it."""
    text = "LIMIT = {}\n\ndef main(rows):\n    {}\n    return [LIMIT for LIMIT in rows]\n"
    digests = {}
    for value in (1, 2):
        for use in ("LIMIT = 3", "return LIMIT", "return lambda LIMIT: LIMIT"):
            lib = tmp_path / "lib"
            lib.mkdir(exist_ok=True)
            (lib / "__init__.py").write_text("")
            (lib / "one.py").write_text(text.format(value, use))
            (tmp_path / "run.py").write_text("from lib.one import main\nmain([])\n")
            digests[value, use] = of_graph(Graph(tmp_path), "run").digest
    assert digests[1, "LIMIT = 3"] == digests[2, "LIMIT = 3"]
    assert digests[1, "return lambda LIMIT: LIMIT"] == digests[2, "return lambda LIMIT: LIMIT"]
    assert digests[1, "return LIMIT"] != digests[2, "return LIMIT"]


def test_what_measuring_reaches() -> None:
    """Static references are followed; engines picked by name are not, the host is a word."""
    measure = code("measure").modules
    assert {"measure", "frontier.results.records", "frontier.machine.hardware"} <= set(measure)
    assert not {"frontier.engines.transformers", "frontier.scenarios.single_stream"} & set(measure)
    packages = {name.split(".")[1] for name in measure if name.startswith("frontier.")}
    assert not packages & {"planning", "explaining", "tables", "exchange", "report"}
    assert not {"frontier.catalogue.entries", "frontier.blocks", "frontier.engine_block"} & set(
        measure
    )


def test_packages_of_the_real_code() -> None:
    """The engine's package is the engine's; dotted names find their own distribution."""
    assert "transformers" not in code("measure").packages
    assert "transformers" in code("measure", "frontier.engines.transformers").packages
    quanto = code("measure", "frontier.quantizers.quanto").packages
    assert "optimum-quanto" in quanto
    assert "json" not in quanto
    found = {
        name
        for program in SCRIPTS.glob("*.py")
        if not program.stem.startswith("generate_")  # these run in environments of their own
        for name, version in code(program.stem).packages.items()
        if version == "absent"
    }
    assert not found, f"imported but not installed: {found}"


def test_shell_commands_are_read_from_the_rules() -> None:
    """One command for each rule that has one, without the comments around it."""
    rules = {
        line.split()[1].rstrip(":")
        for path in (ROOT / "workflow/rules").glob("*.smk")
        for line in path.read_text(encoding="utf-8").splitlines()
        if line.startswith("rule ")
    }
    assert set(shells()) == rules
    assert shells()["score"].startswith("python workflow/scripts/score.py --spec")


def test_no_library_module_imports_snakemake() -> None:
    """The library runs without it."""
    for path in Path(SCRIPTS, "frontier").rglob("*.py"):
        assert "import snakemake" not in path.read_text(encoding="utf-8"), path
