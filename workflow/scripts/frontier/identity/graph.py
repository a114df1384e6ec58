"""The definitions that programs reach.

All definitions count of a step's own program and of the plugins that it selects by name, for they
may be requested by name; of any other module, only those referred to, and the module's effects when
it is loaded.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable
from dataclasses import dataclass, field

from frontier.identity.digests import Digests
from frontier.identity.modules import MAIN
from frontier.identity.names import in_host
from frontier.identity.nodes import Target, attributes, loads, targets


@dataclass
class Reached:
    """The definitions that some modules reach."""

    definitions: set[Target] = field(default_factory=set)
    whole: set[str] = field(default_factory=set)
    """Modules all of whose definitions count."""
    loaded: set[str] = field(default_factory=set)
    attributes: set[str] = field(default_factory=set)
    """The names of attributes read from values."""
    packages: set[str] = field(default_factory=set)
    """Dotted names of references outside the project."""


class Graph(Digests):
    """Follows the references of programs' and plugins' definitions."""

    def reach(self, program: str, *plugins: str) -> Reached:
        """The definitions that a program and its plugins reach."""
        found = Reached()
        found.whole |= {program, *plugins}
        waiting = [one for name in found.whole for one in self._all(name)]
        waiting += self._load(found.whole, found)
        waiting += [Target("definition", program, MAIN)] * (MAIN in self.read(program).definitions)
        while waiting:
            self._follow(waiting, found)
            # A plugin's imports can be requested by name, too.
            asked = (one for name in found.whole - {program} for one in self._asked(name, found))
            waiting = [one for one in asked if one not in found.definitions]
            if "__subclasses__" in found.attributes:
                waiting += self._subclasses(found)
        return found

    def _asked(self, module: str, found: Reached) -> list[Target]:
        """The definitions that a module imports under a name that is read from some value."""
        return [
            one
            for name in self.asked(module, found)
            if (one := self.resolve(module, name)) and one.kind == "definition"
        ]

    def asked(self, module: str, found: Reached) -> set[str]:
        """The names that a module imports and that are read from some value."""
        names = self.read(module).imports.keys() & found.attributes
        return {name for name in names if not name.startswith("_")}

    def _follow(self, waiting: list[Target], found: Reached) -> None:
        while waiting:
            target = waiting.pop()
            if target.kind == "package":
                found.packages.add(target.name)
            elif target.kind == "module" and target.module not in found.whole:
                if not in_host(target.module):
                    found.whole.add(target.module)
                    waiting += self._all(target.module) + self._load([target.module], found)
            elif target.kind == "definition" and target not in found.definitions:
                found.definitions.add(target)
                node = self.node(target)
                found.attributes |= attributes(node)
                waiting += targets(node)
                waiting += self._load([target.module, *loads(node)], found)

    def _all(self, module: str) -> list[Target]:
        names = self.read(module).definitions.keys() - {MAIN}
        return [Target("definition", module, name) for name in names]

    def _load(self, names: Iterable[str], found: Reached) -> list[Target]:
        """The effects of loading these modules; dotted names that are not modules are ignored."""
        effects: list[Target] = []
        waiting = list(names)
        while waiting:
            name = waiting.pop()
            if name in found.loaded or not self.module(name) or in_host(name):
                continue
            found.loaded.add(name)
            waiting += [name.rpartition(".")[0], *self.read(name).loads]
            effects += filter(None, [self.effects(name)])
            # Any name may come from a package of which all names are imported.
            stars = (star for star in self.read(name).stars if not self.file(star))
            found.packages.update(stars)
        return effects

    def _subclasses(self, found: Reached) -> list[Target]:
        """The classes of loaded modules, if some code asks a class for its subclasses."""
        return [
            target
            for module in found.loaded
            for name, statements in self.read(module).definitions.items()
            if any(isinstance(one, ast.ClassDef) and one.bases for one in statements)
            and (target := Target("definition", module, name)) not in found.definitions
        ]
