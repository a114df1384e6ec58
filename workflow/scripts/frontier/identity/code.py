"""The code behind a step: its digest, each module's (to explain changes), its packages."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from functools import cache

from frontier.identity import SCRIPTS, digest
from frontier.identity.graph import Graph, Reached
from frontier.identity.nodes import Target
from frontier.identity.packages import versions
from frontier.identity.remembered import Remembered, of_sources
from frontier.machine.packages import references

_NAMES = frozenset({"__name__", "__qualname__"})


@dataclass(frozen=True)
class Code:
    """The code that a program and its plugins run."""

    digest: str
    """The digest of all reached definitions, independent of their modules."""
    modules: dict[str, str]
    """A digest of each module's reached definitions, to explain what changed."""
    references: tuple[str, ...]
    """The beginnings of the names that the code refers to outside the project: `torch.nn`."""
    packages: dict[str, str]
    """The versions of those packages."""


@cache
def code(program: str, *plugins: str) -> Code:
    """The code of one of our programs and of the plugin modules that it selects by name."""
    name = " ".join((program, *plugins))
    return _with_versions(*_KNOWN.get(name, lambda: _found(_GRAPH, program, *plugins)))


def of_graph(graph: Graph, program: str, *plugins: str) -> Code:
    """The code of a program in a graph."""
    return _with_versions(*_found(graph, program, *plugins))


def _with_versions(whole: str, modules: dict[str, str], names: list[str]) -> Code:
    return Code(whole, modules, tuple(names), versions(names))


def _found(graph: Graph, program: str, *plugins: str) -> tuple[str, dict[str, str], list[str]]:
    """The digest of all, that of each module, and the references outside the project."""
    found = graph.reach(program, *plugins)
    modules: dict[str, list[str]] = defaultdict(list)
    for target in found.definitions:
        modules[target.module].append(graph.own(target))
    definitions = sorted(map(graph.digest, found.definitions))
    whole = {name: digest(sorted(own)) for name, own in sorted(modules.items())}
    names = _names(graph, found, program)
    return digest([definitions, names]), whole, references(found.packages)


def _names(graph: Graph, found: Reached, program: str) -> list[list[str]]:
    """The names under which definitions can be requested, each with its definition's digest."""
    named: list[tuple[str, Target | None]] = []
    for module in found.whole - {program}:
        names = {*graph.read(module).definitions, *graph.asked(module, found)}
        named += [(name, graph.resolve(module, name)) for name in names if name[0] != "_"]
    if _NAMES & found.attributes:
        named += [(target.name, target) for target in found.definitions]
    return sorted(
        [name, graph.digest(one)] for name, one in named if one and one.kind == "definition"
    )


_GRAPH = Graph(SCRIPTS)
_KNOWN = Remembered("code", of_sources)
