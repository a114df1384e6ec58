"""The definitions, imports and effects of a module."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from frontier.identity import effects
from frontier.identity.scopes import Import, bound_by, imported, loaded_from, own_nodes

MAIN = "__main__"
"""The definition that stands for a module's effects when it is run as a program."""
_COMPOUND = (ast.If, ast.Try, ast.TryStar, ast.With, ast.For, ast.While, ast.Match)


@dataclass
class Module:
    """A module's source, in parts."""

    name: str
    package: str
    definitions: dict[str, list[ast.stmt]] = field(default_factory=dict)
    """The statements that bind each name: functions, classes, assignments."""
    imports: dict[str, Import] = field(default_factory=dict)
    """The names bound only by an import."""
    stars: list[str] = field(default_factory=list)
    """The modules of star imports."""
    effects: list[ast.stmt] = field(default_factory=list)
    """Statements that do more than bind a name."""
    loads: list[str] = field(default_factory=list)
    """Dotted names, possibly modules, that are loaded with this one."""


def is_text(node: ast.AST) -> bool:
    """True for a docstring, of an attribute too: a string as a statement."""
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def read(text: str, name: str, package: str, own: Callable[[str], bool]) -> Module:
    """The parts of a module of that dotted name.

    `package` is what relative imports start from; `own`: whether a module is the project's.
    """
    module = Module(name, package)
    statements = [node for node in ast.parse(text).body if not is_text(node)]
    bindings: dict[str, list[tuple[ast.stmt, Import | None]]] = {}
    for node in statements:
        if _is_main(node):
            module.definitions.setdefault(MAIN, []).append(node)
        elif not _only_for_types(node):
            for bound, target in _bound(node, package):
                bindings.setdefault(bound, []).append((node, target))
            module.loads += _loaded(node, package)
            if isinstance(node, ast.ImportFrom) and node.names[0].name == "*":
                module.stars += list(_loaded(node, package))[:1]
    for bound, found in bindings.items():
        targets = {target for _, target in found}
        only = targets.pop() if len(targets) == 1 else None
        if only:
            module.imports[bound] = only
        else:
            module.definitions[bound] = list(dict.fromkeys(node for node, _ in found))
    # The order in which a name is rebound is an effect as well.
    again = {id(node) for found in module.definitions.values() if len(found) > 1 for node in found}
    foreign = {bound: one for bound, one in module.imports.items() if not own(one.module)}
    module.effects = [
        node
        for node in statements
        if not _is_main(node)
        and not _only_for_types(node)
        and (id(node) in again or effects.has_effect(node, foreign))
    ]
    return module


def _bound(node: ast.stmt, package: str) -> Iterator[tuple[str, Import | None]]:
    """The names that a statement at the top of a module binds, with the import if it is one."""
    if isinstance(node, ast.Import | ast.ImportFrom):
        yield from ((name, target) for name, target in imported(node, package))
        return
    for part in own_nodes([node]):
        if isinstance(part, ast.Import | ast.ImportFrom):
            yield from ((name, None) for name, _ in imported(part, package))
        else:
            yield from ((name, None) for name in bound_by(part))


def _loaded(node: ast.stmt, package: str) -> Iterator[str]:
    """The dotted names that a statement loads: for `from a import b` both a and a.b."""
    for part in [node] if not isinstance(node, _COMPOUND) else own_nodes([node]):
        if isinstance(part, ast.Import):
            yield from (alias.name for alias in part.names)
        elif isinstance(part, ast.ImportFrom):
            yield from loaded_from(part, package)


def _only_for_types(node: ast.stmt) -> bool:
    """True for `if TYPE_CHECKING:` without an else."""
    if not isinstance(node, ast.If) or node.orelse:
        return False
    test = node.test
    return (isinstance(test, ast.Name) and test.id == "TYPE_CHECKING") or (
        isinstance(test, ast.Attribute) and test.attr == "TYPE_CHECKING"
    )


def _is_main(node: ast.stmt) -> bool:
    """True for `if __name__ == "__main__":` without an else."""
    if not isinstance(node, ast.If) or node.orelse or not isinstance(node.test, ast.Compare):
        return False
    parts = [node.test.left, *node.test.comparators]
    return any(isinstance(part, ast.Name) and part.id == "__name__" for part in parts) and any(
        isinstance(part, ast.Constant) and part.value == "__main__" for part in parts
    )
