"""Messages in a definition: their wording does not count, the expressions in them do."""

from __future__ import annotations

import ast
from abc import abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from frontier.identity import wording
from frontier.identity.naming import Naming
from frontier.identity.nodes import Node, Target
from frontier.identity.scopes import Function, all_nodes, own_nodes


@dataclass
class Messages(Naming):
    """Finds the messages of one definition."""

    inside: Function | None = None
    """The innermost enclosing function."""
    says_why: bool = False
    """Whether the function returns a Reason."""

    @abstractmethod
    def aside(self, part: ast.expr) -> Node:
        """A separate node for an expression in a message."""

    def takes_words(self, node: ast.Call) -> bool:
        """True if a call creates an exception, or a Reason, from its message."""
        base: ast.expr = node.func
        while isinstance(base, ast.Attribute):
            base = base.value
        if not isinstance(base, ast.Name):
            return False
        target, local = self.targets(base.id)
        if target is None or local:
            return not local and base is node.func and base.id in wording.BUILTIN
        if isinstance(node.func, ast.Attribute):
            silent = type(self)(self.module, self.lookup, self.scopes)
            silent.attribute(node.func)
            found = [one for one in silent.refers if isinstance(one, Target)]
            return not silent.attributes and self.lookup.takes_words(found[0])
        return self.lookup.takes_words(target)

    def may_be_text(self, value: ast.expr) -> bool:
        """True if a value may be a text, or the host's rendering of one."""
        if isinstance(value, ast.Call) and isinstance(value.func, ast.Name):
            target, _ = self.targets(value.func.id)
            return target is not None and target.kind == "host"
        number = isinstance(value, ast.Constant) and not isinstance(value.value, str)
        return isinstance(value, wording.TEXTS) and not number

    def is_only_in_messages(self, name: str) -> bool:
        """True if a local name is read only in messages of the enclosing function."""
        if self.inside is None:
            return False
        nodes = all_nodes(self.inside)
        return wording.read_only_in(name, nodes, self.messages(self.inside, nodes))

    def messages(self, function: Function, nodes: Iterable[ast.AST]) -> Iterator[ast.expr]:
        """The messages in a function's nodes."""
        for node in nodes:
            if isinstance(node, ast.Call) and self.takes_words(node):
                yield from node.args
            elif isinstance(node, ast.AnnAssign) and self.is_reason(node.annotation):
                yield from wording.reasons(node.value)
        if self.is_reason(function.returns):
            for node in own_nodes(function.body):
                if isinstance(node, ast.Return):
                    yield from wording.reasons(node.value)

    def is_reason(self, annotation: ast.expr | None) -> bool:
        """True if an annotation names frontier.errors.Reason."""
        names = [one for one in ast.walk(annotation or ast.Pass()) if isinstance(one, ast.Name)]
        found = (self.lookup.resolve(self.module.name, one.id) for one in names)
        return any(one and one.kind == "host" and one.name == wording.REASON for one in found)

    def reason(self, node: ast.expr | None) -> Any:
        """The form of a Reason or None: which of the two it is counts, the wording does not."""
        match node:
            case ast.IfExp():
                branches = [self.reason(node.body), self.reason(node.orelse)]
                return ["IfExp", self.shape(node.test), branches]
            case ast.BoolOp():
                return ["BoolOp", type(node.op).__name__, list(map(self.reason, node.values))]
            case ast.Dict():
                keys = [None if key is None else self.shape(key) for key in node.keys]
                return ["Dict", keys, list(map(self.reason, node.values))]
            case ast.Subscript(slice=ast.Slice()):
                return self.reason(node.value)
            case ast.Call(func=ast.Name(id=name)):
                target, _ = self.targets(name)
                if target and target.kind == "host":
                    return self.message([node])
        if node is not None and wording.is_message(node):
            return self.message([node])
        return self.shape(node)

    def message(self, arguments: Iterable[ast.expr]) -> Any:
        """The expressions of a message, in any order and number."""
        found = (part for argument in arguments for part in wording.parts(argument))
        self.refers.append(tuple(map(self.aside, found)))
        return ["words", "@"]
