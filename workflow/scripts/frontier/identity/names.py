"""The modules below a folder, their content, and the references of their names.

Everything in `frontier/host`, `frontier/errors.py`, `frontier/registry.py` and the two files of
blocks counts as a word: it can change neither an answer nor a time nor an outcome. The registry
imports the plug-in that a step names, whose module is one of the step's own, or refuses it. Blocks
hold the values that they are given, which are a part of the step's specification, or refuse them.
"""

from __future__ import annotations

import ast
from functools import cache, cached_property
from pathlib import Path

from frontier.identity.effects import only_makes, path_of
from frontier.identity.modules import Module, read
from frontier.identity.nodes import Target
from frontier.identity.scopes import Import, bound_by
from frontier.identity.wording import BUILTIN, REASON

HOST = (
    "frontier.host",
    "frontier.errors",
    "frontier.registry",
    "frontier.blocks",
    "frontier.engine_block",
)


def in_host(module: str) -> bool:
    """True if a module can change neither an answer nor a time nor an outcome."""
    return module in HOST or module.startswith(f"{HOST[0]}.")


class Names:
    """The programs and modules below a folder; each is read once, on demand."""

    def __init__(self, scripts: Path) -> None:
        """Nothing is read yet."""
        self.scripts = scripts
        self.file = cache(self._file)
        self.read = cache(self._read)
        self.resolve = cache(self._resolve)
        self.module = cache(self._module)

    def _file(self, module: str) -> Path | None:
        """The file of a dotted name: a program or a part of the library."""
        if not module:
            return None
        stem = self.scripts.joinpath(*module.split("."))
        files = stem.with_suffix(".py"), stem / "__init__.py"
        return next((path for path in files if path.is_file()), None)

    @cached_property
    def _tops(self) -> frozenset[str]:
        return frozenset(path.stem for path in self.scripts.iterdir())

    def owns(self, module: str) -> bool:
        """True if a dotted name is the project's."""
        return module.partition(".")[0] in self._tops

    def _read(self, module: str) -> Module:
        path = self.file(module)
        if path is None:
            raise ModuleNotFoundError(module)
        package = module if path.name == "__init__.py" else module.rpartition(".")[0]
        return read(path.read_text(encoding="utf-8"), module, package, self.owns)

    def of_import(self, found: Import) -> Target:
        """The target to which an import binds a name."""
        if found.name is None:
            target = self.module(found.module)
            return target or Target("package", "", found.module)
        if not self.file(found.module):
            return Target("package", "", f"{found.module}.{found.name}")
        # A name that is not found may be created when the module is loaded: then all of it counts.
        return self.resolve(found.module, found.name) or Target("module", found.module)

    def _module(self, name: str) -> Target | None:
        """The module of a dotted name; None if it is not the project's."""
        parts = name.split(".")
        own = self.owns(name) and all(part.isidentifier() for part in parts)
        return Target("module", name) if own and self.file(name) else None

    def _resolve(self, module: str, name: str) -> Target | None:
        """The target of `name` in a module; None for a builtin or an unbound name."""
        return self._find(module, name, frozenset())

    def _find(self, module: str, name: str, seen: frozenset[str]) -> Target | None:
        if module in seen:
            return None
        found = self.read(module)
        if name in found.definitions:
            own = Target("definition", module, name)
            return Target("host", "", name) if in_host(module) else own
        if name in found.imports:
            bound = found.imports[name]
            if bound.name is not None and self.file(bound.module):
                inner = self._find(bound.module, bound.name, seen | {module})
                return inner or Target("module", bound.module)
            return self.of_import(bound)
        if target := self.module(f"{module}.{name}"):
            return target
        for star in found.stars:
            if self.file(star) and (target := self._find(star, name, seen | {module})):
                return target
        # A package may provide its names in any way.
        return Target("module", module) if "__getattr__" in found.definitions else None

    def takes_words(self, target: Target) -> bool:
        """True if the target is an exception built from a message alone, or Reason."""
        if target.kind == "host":
            return target.name.endswith("Error") or target.name == REASON
        if target.kind != "definition":
            return False
        found = self.read(target.module).definitions[target.name]
        if len(found) != 1 or not isinstance(found[0], ast.ClassDef) or not found[0].bases:
            return False
        return (
            not found[0].keywords
            and all(self._only_message(base, target.module) for base in found[0].bases)
            and not any(isinstance(part, ast.FunctionDef | ast.AnnAssign) for part in found[0].body)
        )

    def _class(self, base: ast.expr, module: str) -> Target | None:
        """The target of a base class written as a name or as an attribute of a module."""
        if isinstance(base, ast.Name):
            return self.resolve(module, base.id)
        path = path_of(base, self.read(module).imports) or ""
        place, _, name = path.rpartition(".")
        return self.resolve(place, name) if self.module(place) else None

    def _only_message(self, base: ast.expr, module: str) -> bool:
        target = self._class(base, module)
        if target:
            return self.takes_words(target)
        return isinstance(base, ast.Name) and base.id in BUILTIN

    def acts(self, module: str) -> list[ast.stmt]:
        """The statements with effects, including classes whose bases may register them."""
        found = self.read(module)
        noted = [
            one
            for one, *_ in found.definitions.values()
            if isinstance(one, ast.ClassDef) and any(self._notes(b, module) for b in one.bases)
        ]
        again = [
            one for several in found.definitions.values() if len(several) > 1 for one in several
        ]
        effects = (one for one in found.effects if one in again or not self._makes(one, module))
        return list(dict.fromkeys([*effects, *noted]))

    def _makes(self, node: ast.stmt, module: str, calling: frozenset[Target] = frozenset()) -> bool:
        """True if a statement only computes a value, by the project's functions and records."""
        imports = self.read(module).imports
        foreign = {name: one for name, one in imports.items() if not self.owns(one.module)}

        def own(function: ast.expr) -> bool:
            target = self._class(function, module)
            if target and target.kind == "host":
                return target.name == "Registry"  # a new one has read no plug-in yet
            if target is None or target.kind != "definition" or target in calling:
                return False
            (one, *more) = self.read(target.module).definitions[target.name]
            if isinstance(one, ast.ClassDef):
                return not more and self._is_record(one, target.module)
            plain = isinstance(one, ast.FunctionDef) and not one.decorator_list and not more
            inside = one.body if isinstance(one, ast.FunctionDef) else []
            within = calling | {target}
            return plain and all(self._makes(part, target.module, within) for part in inside)

        return only_makes(node, foreign, own)

    def _is_record(self, node: ast.ClassDef, module: str) -> bool:
        """True if a class is a dataclass without effects on creation."""
        called = (one.func if isinstance(one, ast.Call) else one for one in node.decorator_list)
        paths = [path_of(one, self.read(module).imports) for one in called]
        own = {name for part in node.body for name in bound_by(part)}
        making = {"__init__", "__post_init__", "__new__", "__setattr__"}
        factories = {
            ast.unparse(one.value)
            for one in ast.walk(node)
            if isinstance(one, ast.keyword) and one.arg == "default_factory"
        }
        plain = not own & making and factories <= {"list", "dict", "set"}
        bases = {path_of(base, self.read(module).imports) for base in node.bases}
        return paths == ["dataclasses.dataclass"] and bases <= {"typing.Generic"} and plain

    def _notes(self, base: ast.expr, module: str) -> bool:
        """True if a base class is the project's and may register its subclasses somewhere."""
        target = self._class(base, module)
        if target is None or target.kind != "definition":
            # A call may return any of our classes.
            return isinstance(base, ast.Call)
        (one, *_) = found = self.read(target.module).definitions[target.name]
        if len(found) > 1 or not isinstance(one, ast.ClassDef):
            return True
        own = {name for part in one.body for name in bound_by(part)}
        return (
            "__init_subclass__" in own
            or one in self.read(target.module).effects
            or any(self._notes(b, target.module) for b in one.bases)
        )
