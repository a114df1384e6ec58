"""A definition's form, and what its names refer to."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal, Protocol

from frontier.identity.scopes import Import


@dataclass(frozen=True, order=True)
class Target:
    """What a name refers to: `name` of a project's `module`, a whole one, `name` of a package.

    What lies in the host's modules is a word, whatever it is.
    """

    kind: Literal["definition", "module", "package", "host"]
    module: str
    name: str = ""


@dataclass(frozen=True)
class Node:
    """A definition's form, where each "@" is one of `refers`, in the order of the walk.

    Several nodes in the place of a target are the expressions of a message, whose order does not
    count.
    """

    form: str
    refers: tuple[Target | tuple[Node, ...], ...]
    attributes: frozenset[str]
    """What is asked of values by name."""
    loads: tuple[str, ...]
    """Dotted names that may be modules, which are imported when this runs."""


class Lookup(Protocol):
    """Finds what names refer to."""

    def resolve(self, module: str, name: str) -> Target | None:
        """What a name is in a module; None for a builtin, or what nobody binds."""

    def of_import(self, found: Import) -> Target:
        """What an import binds a name to."""

    def module(self, name: str) -> Target | None:
        """The module of a dotted name; None where it is none of the project."""

    def takes_words(self, target: Target) -> bool:
        """Whether it is an exception that is made of a message alone, or marks a reason."""


def hashed(*parts: str) -> str:
    """The digest of some texts in their order."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]


def targets(node: Node) -> Iterator[Target]:
    """All that a node refers to."""
    for one in node.refers:
        if isinstance(one, Target):
            yield one
        else:
            for part in one:
                yield from targets(part)


def attributes(node: Node) -> set[str]:
    """All names that a node asks of values."""
    return {*node.attributes}.union(*(attributes(part) for part in _asides(node)))


def loads(node: Node) -> list[str]:
    """All that a node imports when it runs."""
    return [*node.loads, *(name for part in _asides(node) for name in loads(part))]


def _asides(node: Node) -> Iterator[Node]:
    return (part for one in node.refers if not isinstance(one, Target) for part in one)


def combined(node: Node, word: Callable[[Target], str]) -> str:
    """The digest of a node's form with a word for each target."""
    words = [
        word(one)
        if isinstance(one, Target)
        else hashed(*sorted({combined(part, word) for part in one}))
        for one in node.refers
    ]
    return hashed(node.form, *words)
