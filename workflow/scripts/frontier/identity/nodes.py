"""A definition's form and references."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal, Protocol

from frontier.identity.scopes import Import


@dataclass(frozen=True, order=True)
class Target:
    """The target of a name: `name` in one of the project's modules, a whole module, or a package's.

    Anything in the host's modules counts by name only.
    """

    kind: Literal["definition", "module", "package", "host"]
    module: str
    name: str = ""


@dataclass(frozen=True)
class Node:
    """A definition's form, in which each "@" is one of `refers`, in the order of the walk.

    Several nodes in place of a target are the expressions of a message, whose order does not count.
    """

    form: str
    refers: tuple[Target | tuple[Node, ...], ...]
    attributes: frozenset[str]
    """The names of attributes read from values."""
    loads: tuple[str, ...]
    """Dotted names, possibly modules, that are imported when this runs."""


class Lookup(Protocol):
    """Finds the targets of names."""

    def resolve(self, module: str, name: str) -> Target | None:
        """The target of a name in a module; None for a builtin or an unbound name."""

    def of_import(self, found: Import) -> Target:
        """The target to which an import binds a name."""

    def module(self, name: str) -> Target | None:
        """The module of a dotted name; None if it is not the project's."""

    def takes_words(self, target: Target) -> bool:
        """True if the target is an exception built from a message alone, or Reason."""


def hashed(*parts: str) -> str:
    """The digest of some texts in order."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]


def targets(node: Node) -> Iterator[Target]:
    """All targets of a node."""
    for one in node.refers:
        if isinstance(one, Target):
            yield one
        else:
            for part in one:
                yield from targets(part)


def attributes(node: Node) -> set[str]:
    """All names of attributes that a node reads from values."""
    return {*node.attributes}.union(*(attributes(part) for part in _asides(node)))


def loads(node: Node) -> list[str]:
    """All that a node imports when it runs."""
    return [*node.loads, *(name for part in _asides(node) for name in loads(part))]


def _asides(node: Node) -> Iterator[Node]:
    return (part for one in node.refers if not isinstance(one, Target) for part in one)


def combined(node: Node, word: Callable[[Target], str]) -> str:
    """The digest of a node's form, with `word` applied to each target."""
    words = [
        word(one)
        if isinstance(one, Target)
        else hashed(*sorted({combined(part, word) for part in one}))
        for one in node.refers
    ]
    return hashed(node.form, *words)
