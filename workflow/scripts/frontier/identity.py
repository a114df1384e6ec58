"""What a result depends on, as one digest.

A job's identity is a digest of its slice of the catalogue, the identities of what it reads, the
code that it runs and the versions of the packages which that code imports. It is part of the path
of everything expensive, so a result is looked up, never guessed to be fresh from file times.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.metadata
import itertools
import json
import sys
import tokenize
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

SCRIPTS = Path(__file__).resolve().parent.parent
RULES = SCRIPTS.parent / "rules"
LENGTH = 16


def canonical(value: Any) -> str:
    """The one JSON text of a value: sorted keys, no spaces."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def digest(value: Any) -> str:
    """The first 16 hex digits of the sha256 of a value's canonical JSON."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()[:LENGTH]


def _shape(node: Any) -> Any:
    """A syntax tree as nested lists: no positions, no docstrings, no empty fields.

    Own form instead of `ast.dump`, whose text differs between minor versions of Python.
    """
    if isinstance(node, ast.AST):
        fields = []
        for name in node._fields:
            if name in ("ctx", "kind"):
                continue
            value = getattr(node, name, None)
            if name == "body" and isinstance(value, list):
                value = [part for part in value if not _is_text(part)]
            shape = _shape(value)
            if shape not in (None, []):
                fields.append([name, shape])
        return [type(node).__name__, fields]
    if isinstance(node, list):
        return [_shape(part) for part in node]
    return None if node is None else repr(node)


def _is_text(node: ast.AST) -> bool:
    """A docstring, or an attribute's: a string that stands alone as a statement."""
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def _imports(tree: ast.AST) -> Iterator[str]:
    """Dotted names that a module imports; for `from a import b` both a and a.b, b may be either."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _file(module: str) -> Path | None:
    """The first-party file of a dotted name: a program or a part of the library."""
    stem = SCRIPTS.joinpath(*module.split("."))
    return next(
        (path for path in (stem.with_suffix(".py"), stem / "__init__.py") if path.is_file()), None
    )


@cache
def _module(module: str) -> tuple[str, frozenset[str], frozenset[str]]:
    """A first-party module's own digest, its first-party imports and its third-party ones."""
    path = _file(module)
    assert path is not None, module
    tree = ast.parse(path.read_text(encoding="utf-8"))
    first, third = set(), set()
    for name in _imports(tree):
        if _file(name):
            first.add(name)
        elif not _file(name.rpartition(".")[0]):  # an attribute of a first-party module
            third.add(name)
    packages = module.split(".")[:-1]
    first.update(
        parent for end in range(1, len(packages) + 1) if _file(parent := ".".join(packages[:end]))
    )
    return digest(_shape(tree)), frozenset(first), frozenset(third)


def closure(entries: Iterable[str]) -> set[str]:
    """The first-party modules reached from `entries` by static imports, entries included."""
    found: set[str] = set()
    waiting = list(entries)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting.extend(_module(name)[1])
    return found


@cache
def _version(name: str) -> tuple[str, str] | None:
    """Distribution and version of an imported dotted name; None for the standard library."""
    top, _, rest = name.partition(".")
    if top in sys.stdlib_module_names:
        return None
    for candidate in (f"{top}-{rest.partition('.')[0]}", top) if rest else (top,):
        try:
            return candidate.replace("_", "-"), importlib.metadata.version(candidate)
        except importlib.metadata.PackageNotFoundError:
            continue
    for distribution in _distributions().get(top, []):
        return distribution, importlib.metadata.version(distribution)
    return top, "absent"


@cache
def _distributions() -> Mapping[str, list[str]]:
    """The installed distributions by what is imported of them; finding them takes long."""
    return importlib.metadata.packages_distributions()


@cache
def shells() -> dict[str, str]:
    """The shell command of every rule, as written: the string tokens behind `shell:`."""
    found: dict[str, str] = {}
    for path in sorted(RULES.glob("*.smk")):
        rule, inside = "", False
        with path.open("rb") as file:
            tokens = list(tokenize.tokenize(file.readline))
        for before, token in itertools.pairwise(tokens):
            if before.string == "rule" and token.type == tokenize.NAME:
                rule = token.string
            elif before.string == "shell" and token.string == ":":
                inside = True
            elif inside and token.type == tokenize.STRING:
                found[rule] = found.get(rule, "") + ast.literal_eval(token.string)
            elif token.type == tokenize.NAME:
                inside = False
    return found


def code(*entries: str) -> dict[str, str]:
    """Digest of each first-party module that `entries` run; comments and docstrings left out."""
    return {name: _module(name)[0] for name in sorted(closure(entries))}


def packages(*entries: str) -> dict[str, str]:
    """Version of each package that the code of `entries` imports."""
    names = {name for module in closure(entries) for name in _module(module)[2]}
    return dict(sorted(found for name in names if (found := _version(name))))
