"""The project's own code: each definition that a step reaches counts, all but words and remarks."""

from __future__ import annotations

import ast
import copy
import re
from collections.abc import Iterator
from dataclasses import replace
from functools import cache

import pytest
from test_host import PROGRAMS, plugins

from frontier.identity import SCRIPTS
from frontier.identity.code import of_graph
from frontier.identity.digests import EFFECTS
from frontier.identity.graph import Graph
from frontier.identity.modules import Module, is_text
from frontier.identity.nodes import Node, Target
from frontier.identity.shapes import node_of

GRAPH = Graph(SCRIPTS)


@cache
def reached(program: str) -> list[Target]:
    """The definitions that a program reaches with all of its plugins."""
    found = GRAPH.reach(program, *plugins(program)).definitions
    return sorted(one for one in found if one.name != EFFECTS)


def altered(statement: ast.stmt) -> ast.stmt:
    """The statement with something else to do."""
    new = copy.deepcopy(statement)
    call = ast.Expr(ast.Call(ast.Name("print", ast.Load()), [], []))
    for node in ast.walk(new):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            node.body.insert(0, call)
            return new
    if isinstance(new, ast.ClassDef | ast.If | ast.With | ast.Try):
        new.body.append(ast.parse("altered = 1").body[0])
    elif isinstance(new, ast.Assign | ast.AnnAssign | ast.AugAssign) and new.value:
        new.value = ast.Tuple([new.value], ast.Load())
    else:
        raise AssertionError(ast.unparse(statement))
    return new


def with_altered(target: Target) -> Module:
    """The module of a definition, with that altered."""
    module = GRAPH.read(target.module)
    old = module.definitions[target.name][-1]
    new = altered(old)
    definitions = {
        name: [new if one is old else one for one in statements]
        for name, statements in module.definitions.items()
    }
    effects = [new if one is old else one for one in module.effects]
    return replace(module, definitions=definitions, effects=effects)


@pytest.mark.parametrize("program", PROGRAMS)
def test_each_definition_counts(program: str) -> None:
    """An alteration of it is seen in its own form."""
    for target in reached(program):
        statements = with_altered(target).definitions[target.name]
        assert node_of(GRAPH.read(target.module), statements, GRAPH, target.name) != GRAPH.node(
            target
        ), target


class Altered(Graph):
    """The project's code with a definition altered."""

    def __init__(self, target: Target) -> None:
        """Reads all other modules as the project's graph has read them."""
        super().__init__(SCRIPTS)
        self.altered = with_altered(target)
        self.resolve = GRAPH.resolve

    def _read(self, module: str) -> Module:
        return self.altered if module == self.altered.name else GRAPH.read(module)

    def _node(self, target: Target) -> Node:
        own = target.module == self.altered.name
        return super()._node(target) if own else GRAPH.node(target)


@pytest.mark.parametrize("program", PROGRAMS)
def test_one_definition_of_each_module(program: str) -> None:
    """An alteration of it changes the digest of the step, and of its own module."""
    before = of_graph(GRAPH, program, *plugins(program))
    for target in {one.module: one for one in reached(program)}.values():
        after = of_graph(Altered(target), program, *plugins(program))
        assert after.digest != before.digest, target
        changed = {name for name, own in after.modules.items() if own != before.modules.get(name)}
        assert target.module in changed, target


# Code that would read annotations, docstrings, sources or modules' places, which do not count.
LOOKING = {
    "typing.get_type_hints", "inspect.signature", "inspect.get_annotations", "inspect.getsource",
    "inspect.getdoc", "inspect.getfile", "traceback.format_exc",
}  # fmt: skip
# These look at a library's function, and send sources to an interpreter, which passes words over.
LOOKING_ELSEWHERE = {
    ("inspect.signature", "frontier.engines.common.generating"),
    ("inspect.signature", "frontier.engines.common.mlx_models"),
    ("inspect.getsource", "frontier.sandbox.commands"),
}
# These read the texts of libraries' exceptions; we raise none of those there ourselves.
READING_TEXTS = {
    ("frontier.engines.common.generating", "out_of_memory"), ("frontier.engines.common.prompting", "Prompting"),
    ("frontier.engines.common.loading", "check_causal"), ("frontier.engines.common.mlx_models", "out_of_memory"),
}  # fmt: skip


@pytest.mark.parametrize("program", PROGRAMS)
def test_nothing_looks_at_what_does_not_count(program: str) -> None:
    """No annotations, docstrings and sources, nor the texts of errors that we word ourselves."""
    found = GRAPH.reach(program, *plugins(program))
    looking = {name for name in found.packages if name in LOOKING}
    assert looking <= {name for name, _ in LOOKING_ELSEWHERE}
    assert not found.attributes & {"__annotations__", "__doc__", "__code__"}
    for target in reached(program):
        for statement in GRAPH.read(target.module).definitions[target.name]:
            used = {name for name in looking if name in ast.unparse(statement)}
            assert {(name, target.module) for name in used} <= LOOKING_ELSEWHERE
            compared = (node for node in ast.walk(statement) if isinstance(node, ast.Compare))
            texts = [
                one for one in compared if re.search(r"\bstr\((error|fault)\b", ast.unparse(one))
            ]
            assert not texts or (target.module, target.name) in READING_TEXTS, target


def test_asserts_only_narrow_types() -> None:
    """`python -O` leaves them out: none may check an input, or do anything."""
    for path in SCRIPTS.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Assert):
                plain = isinstance(node.test, ast.Name | ast.Attribute)
                text = ast.unparse(node.test)
                narrows = plain or text.endswith(" is not None") or text.startswith("isinstance(")
                calls = sum(isinstance(part, ast.Call) for part in ast.walk(node.test))
                assert narrows, (path, ast.unparse(node))
                assert calls == text.startswith("isinstance("), (path, ast.unparse(node))


def constants(statement: ast.AST) -> Iterator[tuple[ast.Constant, list[ast.AST]]]:
    """Each constant but docstrings, with what it is in, from the outside inwards."""

    def inside(node: ast.AST, above: list[ast.AST]) -> Iterator[tuple[ast.Constant, list[ast.AST]]]:
        if isinstance(node, ast.Constant):
            yield node, above
        for part in ast.iter_child_nodes(node):
            if not is_text(part):
                yield from inside(part, [*above, node])

    return inside(statement, [])


REASON, OBJECT = ast.Name("Reason", ast.Load()), ast.Name("object", ast.Load())


def without_types(statement: ast.stmt) -> ast.stmt:
    """A copy without annotations, but those that name a Reason."""
    new = copy.deepcopy(statement)
    for node in ast.walk(new):
        if isinstance(node, ast.arg):
            node.annotation = None
        elif isinstance(node, ast.FunctionDef):
            node.returns = REASON if _is_reason(node.returns) else None
        elif isinstance(node, ast.AnnAssign):
            node.annotation = REASON if _is_reason(node.annotation) else OBJECT
    return new


def _is_reason(annotation: ast.expr | None) -> bool:
    return annotation is not None and "Reason" in ast.unparse(annotation)


def is_words(above: list[ast.AST]) -> bool:
    """Whether a text there may be no more than words, by what is around it."""
    inside: list[ast.AST] = []
    for node in above:
        match node:
            case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)):
                if name.endswith("Error") or name in ("ArgumentParser", "add_argument"):
                    return True
            case ast.AnnAssign(annotation=annotation) if _is_reason(annotation):
                return True
            case ast.Return():
                functions = [one for one in inside if isinstance(one, ast.FunctionDef)]
                if functions and _is_reason(functions[-1].returns):
                    return True
            case ast.Assign(targets=[ast.Name(id=name)]):  # read in messages only
                pattern = rf"{{{name}[}}!\[]|Error\({name}\)|{name} \+"
                if re.search(pattern, ast.unparse(above[0])):
                    return True
        inside.append(node)
    return False


@pytest.mark.parametrize("program", PROGRAMS)
def test_only_words_do_not_count(program: str) -> None:
    """Each constant is in its definition's form, but for the texts of messages and of help."""
    for target in reached(program):
        module = GRAPH.read(target.module)
        for statement in module.definitions[target.name]:
            marked = without_types(statement)
            found = [(one, one.value, above) for one, above in constants(marked)]
            for number, (constant, value, _) in enumerate(found, start=700_000):
                constant.value = f"<{number}>" if isinstance(value, str) else number
            form = str(node_of(module, [marked], GRAPH, target.name))
            for number, (_, value, above) in enumerate(found, start=700_000):
                counted = str(number) in form
                words = isinstance(value, str) or isinstance(above[-1], ast.Slice)
                assert counted or (words and is_words(above)), (target, value)
