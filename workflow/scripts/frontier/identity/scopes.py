"""The local and imported names of a function, a class or a comprehension."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

Function = ast.FunctionDef | ast.AsyncFunctionDef
COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


@dataclass(frozen=True)
class Import:
    """A name bound by an import: to a module, or to `name` in it."""

    module: str
    name: str | None = None


@dataclass
class Scope:
    """The names of a block; names that are only imported are in `imports`, not in `bound`."""

    bound: set[str] = field(default_factory=set)
    imports: dict[str, Import] = field(default_factory=dict)
    is_class: bool = False


def absolute(node: ast.ImportFrom, package: str) -> str:
    """The dotted name of the module from which an import reads, for a module of `package`."""
    if not node.level:
        return node.module or ""
    parts = package.split(".")
    above = parts[: len(parts) - node.level + 1]
    return ".".join([*above, node.module] if node.module else above)


def loaded_from(node: ast.ImportFrom, package: str) -> list[str]:
    """The dotted names in `from module import …` that may be modules, the module itself first."""
    module = absolute(node, package)
    return [module, *(f"{module}.{alias.name}" for alias in node.names)]


def imported(node: ast.Import | ast.ImportFrom, package: str) -> Iterator[tuple[str, Import]]:
    """Each name that an import binds, with its target; those of a star import are unknown here."""
    if isinstance(node, ast.Import):
        for alias in node.names:
            top = alias.name.partition(".")[0]
            yield alias.asname or top, Import(alias.name if alias.asname else top)
        return
    module = absolute(node, package)
    for alias in node.names:
        if alias.name != "*":
            yield alias.asname or alias.name, Import(module, alias.name)


def of_function(node: Function | ast.Lambda, package: str) -> Scope:
    """The scope of a function's body, its parameters included."""
    arguments = node.args
    every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    every += [one for one in (arguments.vararg, arguments.kwarg) if one]
    body: list[ast.AST] = list(node.body) if isinstance(node.body, list) else [node.body]
    return _scope(body, package, bound={one.arg for one in every})


def of_class(node: ast.ClassDef, package: str) -> Scope:
    """The scope of a class's body, which its methods do not see."""
    scope = _scope(node.body, package)
    scope.is_class = True
    return scope


def of_comprehension(generators: Iterable[ast.comprehension]) -> Scope:
    """The scope of a comprehension: its targets."""
    targets = (name for one in generators for name in ast.walk(one.target))
    return Scope(bound={name.id for name in targets if isinstance(name, ast.Name)})


def _scope(body: Iterable[ast.AST], package: str, bound: Iterable[str] = ()) -> Scope:
    names, elsewhere = set(bound), set()
    imports: dict[str, list[Import]] = {}
    for node in own_nodes(body):
        if isinstance(node, ast.Import | ast.ImportFrom):
            for name, target in imported(node, package):
                imports.setdefault(name, []).append(target)
        elif isinstance(node, ast.Global | ast.Nonlocal):
            elsewhere.update(node.names)
        else:
            names.update(bound_by(node))
    several = {name for name, found in imports.items() if len(set(found)) > 1}
    names = (names | several) - elsewhere
    only = {name: found[0] for name, found in imports.items() if name not in names | elsewhere}
    return Scope(names, only)


def bound_by(node: ast.AST) -> list[str]:
    """The names that a node itself binds, without imports."""
    match node:
        case ast.Name(id=name, ctx=ast.Store() | ast.Del()):
            return [name]
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            return [node.name]
        case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)):
            return [name]
        case ast.MatchStar(name=str(name)) | ast.MatchMapping(rest=str(name)):
            return [name]
    return []


def own_nodes(body: Iterable[ast.AST]) -> Iterator[ast.AST]:
    """The nodes of a block, without those of nested blocks with their own names.

    Of a comprehension only its `:=` assignments, which belong to the enclosing block.
    """
    waiting = list(body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, COMPREHENSIONS):
            waiting.extend(
                part.target for part in all_nodes(node) if isinstance(part, ast.NamedExpr)
            )
            continue
        yield node
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            waiting.extend([*node.decorator_list, *_outside(node)])
        elif isinstance(node, ast.Lambda):
            waiting.extend(_outside(node))
        else:
            waiting.extend(children(node))


def children(node: ast.AST) -> Iterator[ast.AST]:
    """The children of a node, like `ast.iter_child_nodes`, in half the time."""
    for value in vars(node).values():
        if isinstance(value, ast.AST):
            yield value
        elif isinstance(value, list):
            yield from (part for part in value if isinstance(part, ast.AST))


def all_nodes(node: ast.AST) -> list[ast.AST]:
    """A node and all nodes in it."""
    found = [node]
    for one in found:
        found.extend(children(one))
    return found


def _outside(node: Function | ast.ClassDef | ast.Lambda) -> Iterator[ast.AST]:
    """The parts of a definition evaluated in the enclosing block, without decorators."""
    if isinstance(node, ast.ClassDef):
        yield from [*node.bases, *node.keywords]
    else:
        yield from [one for one in (*node.args.defaults, *node.args.kw_defaults) if one]
