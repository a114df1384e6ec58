"""The references of the names in a definition, however they were imported."""

from __future__ import annotations

import ast
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any

from frontier.identity.modules import Module
from frontier.identity.nodes import Lookup, Node, Target
from frontier.identity.scopes import Scope, imported, loaded_from

# These can read any name of a module: then all of its names count.
BY_TEXT = frozenset({"globals", "eval", "exec", "__import__"})
MODULES = (["sys", "modules"], ["sys.modules"])


@dataclass
class Naming(ABC):
    """Finds and collects the references of one definition; see `Node`."""

    module: Module
    lookup: Lookup
    scopes: list[Scope] = field(default_factory=list)
    trying: int = 0
    """The depth of blocks in which the success of an import decides what runs."""
    refers: list[Target | tuple[Node, ...]] = field(default_factory=list)
    attributes: set[str] = field(default_factory=set)
    loads: list[str] = field(default_factory=list)

    @abstractmethod
    def shape(self, node: Any) -> Any:
        """The form of a node of the tree."""

    def refer(self, target: Target) -> str:
        self.refers.append(target)
        return "@"

    def targets(self, name: str) -> tuple[Target | None, bool]:
        """The target of a name outside its block, and whether it may be local as well."""
        innermost = len(self.scopes) - 1
        for place, scope in reversed(list(enumerate(self.scopes))):
            if scope.is_class and place < innermost:
                continue
            if name in scope.imports:
                return self.lookup.of_import(scope.imports[name]), False
            if name in scope.bound:
                # In a class body a name is the module's until the class binds it.
                outer = self.lookup.resolve(self.module.name, name) if scope.is_class else None
                return outer, True
        return self.lookup.resolve(self.module.name, name), False

    def name(self, node: ast.Name) -> Any:
        target, local = self.targets(node.id)
        if target is None and not local and node.id in BY_TEXT:
            return ["Name", node.id, self.refer(Target("module", self.module.name))]
        if target is None or (local and not isinstance(node.ctx, ast.Load)):
            return ["Name", node.id]
        return ["Name", node.id, self.refer(target)] if local else self.refer(target)

    def attribute(self, node: ast.Attribute) -> Any:
        names: list[str] = []
        base: ast.expr = node
        while isinstance(base, ast.Attribute):
            names.insert(0, base.attr)
            base = base.value
        target, local = self.targets(base.id) if isinstance(base, ast.Name) else (None, True)
        if target is None or local:
            shape = self.shape(base)
            self.attributes.update(names[_known(base) :])
        else:
            changed = not isinstance(node.ctx, ast.Load)
            while names and target.kind == "module" and not (changed and len(names) == 1):
                found = self.lookup.resolve(target.module, names[0])
                if found is None or found == target:
                    break
                target = found
                names.pop(0)
            if target.kind == "package" and [target.name, *names][:2] in MODULES:
                self.refer(Target("module", self.module.name))
            if target.kind == "package":
                target = Target("package", "", ".".join([target.name, *names]))
                names = []
            shape = self.refer(target)
            self.attributes.update(names)
        for name in names:
            shape = [".", shape, name]
        return shape

    def constant(self, node: ast.Constant) -> Any:
        value = node.value
        if isinstance(value, str):
            if value.isidentifier():
                self.attributes.add(value)
            elif target := self.lookup.module(value):
                return ["Constant", self.refer(target)]
        return ["Constant", repr(value)]

    def imports(self, node: ast.Import | ast.ImportFrom) -> Any:
        """Nothing, unless in a `try`: then the success of the import decides what runs."""
        if isinstance(node, ast.Import):
            self.loads += [alias.name for alias in node.names]
        else:
            self.loads += loaded_from(node, self.module.package)
        bound = list(imported(node, self.module.package))
        if self.trying or len(bound) < len(node.names):
            return [
                "import",
                [[name, self.refer(self.lookup.of_import(one))] for name, one in bound],
            ]
        return None


def _known(base: ast.expr) -> int:
    """The number of names after an expression that are known not to read a module or function."""
    if isinstance(base, ast.Call) and isinstance(base.func, ast.Name):
        return int(base.func.id in ("super", "type"))
    return int(isinstance(base, ast.Name) and base.id == "self")
