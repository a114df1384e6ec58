"""The host's code counts as a word, so nothing in it may put a value into a record."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import re
import typing
from collections.abc import Collection, Iterator
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

import pytest
from pydantic import BaseModel

import frontier.host
from frontier import blocks, engine_block, errors, registry
from frontier.host import budget
from frontier.identity import SCRIPTS
from frontier.identity.graph import Graph
from frontier.identity.names import in_host
from frontier.identity.nodes import Node, Target
from frontier.registry import Registry

PROGRAMS = {
    "measure": ("engines", "quantizers", "scenarios"), "score": ("scorers", "gates", "figures", "scenarios"), "sample": ("datasets", "grammars"),
    "calibrate": ("datasets", "grammars"), "quantize_model": ("conversions",),
    "grow_model": ("grammars",), "fetch_dataset": (), "fetch_model": (), "fetch_adapter": (),
    "grow_adapter": ("grammars",), "merge_adapter": (),
    "aggregate": ("figures",), "compare": (), "render": ("figures",),
}  # fmt: skip
# What a function of the host may give to code that counts: nothing, a place, whether to continue.
HARMLESS = {type(None), bool, Path, NoReturn, Iterator[None], Iterator[Path]}
# The ids of the free GPUs among those that the caller allows: equivalent for a result.
LEASES = {"leased": Iterator[list[str]]}
# Functions whose text is used in messages only, which is checked below.
MESSAGE_FUNCTIONS = {"one_line", "did_you_mean"}
# A base class, or a word, without anything inside that could decide.
NAMES = {"UserError", "UnsupportedError", "OutOfMemoryError", "Reason", "Progress", "Runner"}
# Returns the content of the named file, which counts itself, or refuses: tests/unit/test_registry.py.
FINDERS = {"Registry"}
# A folder, the names of each folder's lock and ledger, the variable with the process of the run.
PLACES = {"OWN", "NAME", "LEDGER", "RUNNER"}
# Whether money is left decides whether asking continues; what was spent is only shown, see below.
MONEY = {"Budget", "Limit"}
# They declare keys, whose values are in the specification of each job that they decide.
DECLARATIONS = (blocks, engine_block)
# What planning alone may ask of an engine's block.
PLANNED = ("cached_heads", "why_not", "described", "deciding")
ROOMS = ("errors", "text", "unicode", "values", "words", "prices")


@cache
def modules() -> list[ModuleType]:
    """The host's modules, those of the errors, of the registry of plug-ins and of blocks."""
    names = (one.name for one in pkgutil.iter_modules(frontier.host.__path__))
    own = (importlib.import_module(f"frontier.host.{name}") for name in names)
    return [errors, registry, *DECLARATIONS, *own]


def plugins(program: str) -> list[str]:
    """The modules that a program may pick by name."""
    return [
        f"frontier.{package}.{path.stem}"
        for package in PROGRAMS[program]
        for path in sorted((SCRIPTS / "frontier" / package).glob("*.py"))
        if path.stem != "__init__"
    ]


def taken(graph: Graph, program: str) -> Iterator[tuple[str, str, bool]]:
    """The references of counted code to the host: the definition, and whether only in messages."""

    def names(node: Node, in_message: bool) -> Iterator[tuple[str, bool]]:
        for one in node.refers:
            if not isinstance(one, Target):
                for part in one:
                    yield from names(part, True)
            elif one.kind == "host":
                yield one.name, in_message
            elif one.kind == "module" and in_host(one.module):
                yield one.module, in_message

    for target in graph.reach(program, *plugins(program)).definitions:
        for name, in_message in names(graph.node(target), in_message=False):
            yield name, f"{target.module}.{target.name}", in_message


@pytest.mark.parametrize("program", PROGRAMS)
def test_nothing_of_the_host_gives_a_value(program: str) -> None:
    """Its functions' types, which mypy checks, allow none; text goes into messages only."""
    for name, by, in_message in taken(Graph(SCRIPTS), program):
        found = [getattr(module, name) for module in modules() if name in vars(module)]
        assert found, f"{by} refers to all of {name}"
        one = found[0]
        if isinstance(one, type) and issubclass(one, BaseModel):
            continue  # a block holds the values that it is given, or refuses them
        if typing.get_origin(one) or isinstance(one, blocks.Decides) or one is blocks.Decides:
            continue  # the allowed values of a key, and what they decide
        if name in MESSAGE_FUNCTIONS:
            assert in_message, f"{by} uses the text of {name} for more than a message"
        elif name in PLACES:
            assert isinstance(one, Path | str)
        elif name in FINDERS:
            assert one is Registry
        elif name in NAMES:
            assert _harmless_class(one), name
        elif name in MONEY:
            assert vars(budget)[name] is one
        else:
            hints = typing.get_type_hints(one)
            assert hints.pop("return") in {*HARMLESS, LEASES.get(name)}, name
            changeable = {typing.get_origin(hint) or hint for hint in hints.values()}
            assert not changeable & {dict, list, set}, f"{name} could change what it is given"


def _harmless_class(one: Any) -> bool:
    """Whether what the class's methods give is harmless as well."""
    methods = [part for _, part in inspect.getmembers(one, inspect.isfunction)]
    own = [part for part in methods if part.__module__ == one.__module__]
    return all(typing.get_type_hints(part).get("return") in HARMLESS for part in own)


def test_what_planning_asks_of_an_engine_is_not_asked_while_measuring() -> None:
    """Such answers would be in no identity."""
    assert uses("measure", PLANNED) == set()


def test_what_was_spent_is_only_shown() -> None:
    """Measuring writes it down, scoring has a figure that repeats it, and nothing else uses it."""
    asked = {name for name in vars(budget.Budget) if not name.startswith("_")}
    values = asked - {"reserve", "reserve_all", "settle"}
    assert uses("measure", values) == {("measure.py", "spent")}
    assert uses("score", values) == {("spent.py", "spent")}


def uses(program: str, attributes: Collection[str]) -> set[tuple[str, str]]:
    """Those of these attributes that a program's code uses, by its file's name."""
    graph = Graph(SCRIPTS)
    found = graph.reach(program, *plugins(program)).definitions
    files = filter(None, {graph.file(target.module) for target in found})
    return {
        (path.name, node.attr)
        for path in files
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and node.attr in attributes
    }


def test_the_host_changes_nothing_when_it_is_loaded() -> None:
    """Its modules only define; what they do then would not count."""
    graph = Graph(SCRIPTS)
    for module in modules():
        done = [ast.unparse(one) for one in graph.acts(module.__name__)]
        marks = [one for one in done if re.fullmatch(r"\w+ = Decides\('\w+'\)", one)]
        assert done == marks, module.__name__


def test_the_host_is_the_ground_floor() -> None:
    """It imports nothing that decides: a decision there would be in no identity."""
    graph = Graph(SCRIPTS)
    for module in modules():
        for name in graph.read(module.__name__).loads:
            if graph.module(name) and not in_host(name):
                assert name.removeprefix("frontier.") in (*ROOMS, "frontier"), (module, name)


def test_names_of_the_host_are_its_own() -> None:
    """Two functions with one name would make it ambiguous which one counted code calls."""
    names = [
        name for module in modules() for name in Graph(SCRIPTS).read(module.__name__).definitions
    ]
    public = [name for name in names if not name.startswith("_")]
    assert len(public) == len(set(public)), sorted({one for one in public if public.count(one) > 1})
