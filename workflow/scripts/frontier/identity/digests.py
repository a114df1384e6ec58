"""The digest of a definition: of its form and of the digests of all that it refers to.

So a definition's place, its import and a function's name do not count.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path

from frontier.identity.names import Names, in_host
from frontier.identity.nodes import Node, Target, combined, hashed, targets
from frontier.identity.shapes import node_of

EFFECTS = "(effects)"
"""The name that stands for a module's effects when it is loaded."""


class Digests(Names):
    """The digests of definitions, each computed once."""

    def __init__(self, scripts: Path) -> None:
        """Nothing is read yet."""
        super().__init__(scripts)
        self.node = cache(self._node)
        self.own = cache(self._own)
        self.content = cache(self._content)
        self.effects = cache(self._effects)
        self._digests: dict[Target, str] = {}

    def _node(self, target: Target) -> Node:
        found = self.read(target.module)
        if target.name == EFFECTS:
            return node_of(found, self.acts(target.module), self)
        return node_of(found, found.definitions[target.name], self, target.name)

    def _effects(self, module: str) -> Target | None:
        """The target for a module's effects when it is loaded; None if it has none."""
        return Target("definition", module, EFFECTS) if self.acts(module) else None

    def _own(self, target: Target) -> str:
        """A definition's own digest, in which its references count by name."""
        return combined(self.node(target), lambda one: f"{one.kind} {one.name}")

    def _content(self, module: str) -> str:
        """The digest of a module referred to as a whole."""
        if in_host(module):
            return f"host {module.rpartition('.')[2]}"
        names = sorted(self.read(module).definitions)
        return hashed(*(f"{name} {self.own(Target('definition', module, name))}" for name in names))

    def _word(self, target: Target) -> str:
        if target.kind == "definition":
            return self.digest(target)
        if target.kind == "module":
            return self.content(target.module)
        return f"{target.kind} {target.name}"

    def digest(self, target: Target) -> str:
        """A definition's digest: of its form and of the digests of all that it refers to."""
        if target not in self._digests:
            for group in _components(target, self._definitions, self._digests):
                self._settle(group)
        return self._digests[target]

    def _definitions(self, target: Target) -> Iterator[Target]:
        return (one for one in targets(self.node(target)) if one.kind == "definition")

    def _settle(self, group: list[Target]) -> None:
        """Computes digests of definitions that refer to each other in a cycle, or of a single one.

        As many rounds as there are definitions distinguish all differences in paths through them.
        """
        known = dict.fromkeys(group, "")

        def word(target: Target) -> str:
            return known[target] if target in known else self._word(target)

        for _ in group:
            known |= {one: combined(self.node(one), word) for one in group}
        self._digests |= known


def _components(
    start: Target, following: Callable[[Target], Iterable[Target]], settled: dict[Target, str]
) -> Iterator[list[Target]]:
    """Groups of definitions that reach each other, each after those that it refers to (Tarjan)."""
    order: dict[Target, int] = {}
    low: dict[Target, int] = {}
    stack: list[Target] = []
    work: list[tuple[Target, Iterator[Target]]] = []

    def enter(one: Target) -> None:
        order[one] = low[one] = len(order)
        stack.append(one)
        work.append((one, iter(list(following(one)))))

    enter(start)
    on_stack = {start}
    while work:
        here, ahead = work[-1]
        for one in ahead:
            if one in settled:
                continue
            if one not in order:
                enter(one)
                on_stack.add(one)
                break
            if one in on_stack:
                low[here] = min(low[here], order[one])
        else:
            work.pop()
            if work:
                low[work[-1][0]] = min(low[work[-1][0]], low[here])
            if low[here] == order[here]:
                place = stack.index(here)
                group = stack[place:]
                del stack[place:]
                on_stack.difference_update(group)
                yield group
