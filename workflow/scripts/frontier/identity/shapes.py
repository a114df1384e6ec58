"""A definition reduced to the parts that can change a result, with each name as its target.

Left out are positions, comments, docstrings, function annotations, imports, the wording of errors
and a program's help. A name stands for its target, however that was imported: one of the project's
definitions or modules, a name in a package, or, as itself, a local name or a builtin.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from frontier.identity import wording
from frontier.identity.effects import PURE_DECORATORS, path_of
from frontier.identity.messages import Messages
from frontier.identity.modules import Module, is_text
from frontier.identity.nodes import Lookup, Node
from frontier.identity.scopes import (
    COMPREHENSIONS,
    Function,
    bound_by,
    of_class,
    of_comprehension,
    of_function,
    own_nodes,
)


def node_of(
    module: Module, statements: Sequence[ast.stmt], lookup: Lookup, name: str | None = None
) -> Node:
    """The form of the statements that bind `name` at the top of a module, or have effects there."""
    return _Shaper(module, lookup).node(statements, name)


@dataclass
class _Shaper(Messages):
    """Builds the form of one definition."""

    def node(self, parts: Sequence[ast.AST], name: str | None = None) -> Node:
        # The name itself does not count: references to a definition use its digest.
        if name and len(parts) == 1 and isinstance(parts[0], Function):
            shape = self.function(parts[0], name=None)
        elif name and len(parts) == 1 and (value := _only_value(parts[0])):
            reason = isinstance(parts[0], ast.AnnAssign) and self.is_reason(parts[0].annotation)
            shape = ["=", self.reason(value) if reason else self.shape(value)]
        else:
            names = dict.fromkeys(one for part in own_nodes(parts) for one in bound_by(part))
            place = list(names).index(name) if name in names else None
            shape = [place, [self.shape(part) for part in parts]]
        form = json.dumps(shape, separators=(",", ":"))
        return Node(form, tuple(self.refers), frozenset(self.attributes), tuple(self.loads))

    def aside(self, part: ast.expr) -> Node:
        return _Shaper(self.module, self.lookup, self.scopes, inside=self.inside).node([part])

    def shape(self, node: Any) -> Any:
        if isinstance(node, list):
            return [self.shape(part) for part in node if not isinstance(part, ast.expr_context)]
        if not isinstance(node, ast.AST):
            return None if node is None else repr(node)
        special = _SPECIAL.get(type(node))
        return special(self, node) if special else self.general(node)

    def general(self, node: ast.AST, without: Iterable[str] = ()) -> Any:
        fields = []
        for name in node._fields:
            if name in ("ctx", "kind", "type_comment") or name in without:
                continue
            value = getattr(node, name, None)
            if isinstance(value, list) and value and isinstance(value[0], ast.stmt):
                shape: Any = self.block(value)
            else:
                shape = self.shape(value)
            if shape not in (None, []):
                fields.append([name, shape])
        return [type(node).__name__, fields]

    def block(self, statements: Iterable[ast.stmt]) -> list[Any]:
        counted = (one for one in statements if not is_text(one) and not isinstance(one, ast.Pass))
        return [shape for one in counted if (shape := self.shape(one)) is not None]

    # Blocks with their own names.

    def function(self, node: Function, name: str | None) -> Any:
        decorators = [self.shape(one) for one in node.decorator_list]
        annotated = self.reads_annotations(node)
        outer = self.parameters(node.args, annotated)
        returns = self.shape(node.returns) if annotated else None
        self.scopes.append(of_function(node, self.module.package))
        before = self.inside, self.trying, self.says_why
        self.inside, self.trying, self.says_why = node, 0, self.is_reason(node.returns)
        body = self.block(node.body)
        self.inside, self.trying, self.says_why = before
        self.scopes.pop()
        return [type(node).__name__, name, decorators, outer, returns, body]

    def reads_annotations(self, node: Function) -> bool:
        """True if a decorator may read the annotations, as a validator does."""
        called = (one.func if isinstance(one, ast.Call) else one for one in node.decorator_list)
        return any(path_of(one, self.module.imports) not in PURE_DECORATORS for one in called)

    def parameters(self, node: ast.arguments, annotated: bool) -> Any:
        names: list[Any] = []
        for part in (node.posonlyargs, node.args, [node.vararg], node.kwonlyargs, [node.kwarg]):
            names.append(
                [
                    [one.arg, self.shape(one.annotation) if annotated else None]
                    for one in part
                    if one
                ]
            )
        return [names, self.shape(node.defaults), self.shape(node.kw_defaults)]

    def lambda_(self, node: ast.Lambda) -> Any:
        outer = self.parameters(node.args, annotated=False)
        self.scopes.append(of_function(node, self.module.package))
        body = self.shape(node.body)
        self.scopes.pop()
        return ["Lambda", outer, body]

    def class_(self, node: ast.ClassDef) -> Any:
        outer = [self.shape(part) for part in (node.decorator_list, node.bases, node.keywords)]
        self.scopes.append(of_class(node, self.module.package))
        body = self.block(node.body)
        self.scopes.pop()
        return ["ClassDef", node.name, outer, body]

    def comprehension(self, node: ast.ListComp | ast.DictComp) -> Any:
        # The first iterable is evaluated outside; as one of the targets it would count less.
        first = self.shape(node.generators[0].iter)
        self.scopes.append(of_comprehension(node.generators))
        shape = self.general(node)
        self.scopes.pop()
        return [first, shape]

    # Statements.

    def tried(self, node: ast.Try | ast.With) -> Any:
        """Counts imports, whose success may decide what runs: in `try` and `with suppress(…)`."""
        self.trying += 1
        shape = self.general(node)
        self.trying -= 1
        return shape

    def assignment(self, node: ast.Assign) -> Any:
        if len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            return self.bind(node.targets[0], node.value)
        return self.general(node)

    def returned(self, node: ast.Return) -> Any:
        return ["Return", self.reason(node.value) if self.says_why else self.shape(node.value)]

    def annotated(self, node: ast.AnnAssign) -> Any:
        in_class = bool(self.scopes) and self.scopes[-1].is_class
        if not in_class:
            if node.value is None:
                return ["AnnAssign", self.shape(node.target)]
            if self.is_reason(node.annotation):
                return ["=", self.shape(node.target), self.reason(node.value)]
            return self.bind(node.target, node.value)
        if self.is_reason(node.annotation):
            return ["AnnAssign", self.shape(node.target), self.reason(node.value)]
        return ["AnnAssign", self.shape(node.target), self.annotation(node.annotation),
                self.shape(node.value)]  # fmt: skip

    def bind(self, target: ast.expr, value: ast.expr) -> Any:
        if (
            isinstance(target, ast.Name)
            and self.may_be_text(value)
            and self.is_only_in_messages(target.id)
        ):
            return ["=", self.shape(target), self.message([value])]
        return ["=", self.shape(target), self.shape(value)]

    def annotation(self, node: ast.expr) -> Any:
        """The form of a class's annotation, which may be a string."""
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            try:
                return self.shape(ast.parse(node.value, mode="eval").body)
            except SyntaxError:
                pass
        return self.shape(node)

    def call(self, node: ast.Call) -> Any:
        keywords = [self.shape(one) for one in node.keywords if not wording.is_help(node, one)]
        words = self.takes_words(node)
        arguments = self.message(node.args) if words else self.shape(node.args)
        return ["Call", self.shape(node.func), arguments, keywords]


def _only_value(node: ast.AST) -> ast.expr | None:
    """The value of an assignment to a single name."""
    if isinstance(node, ast.AnnAssign):
        return node.value if isinstance(node.target, ast.Name) else None
    if isinstance(node, ast.Assign) and len(node.targets) == 1:
        return node.value if isinstance(node.targets[0], ast.Name) else None
    return None


_SPECIAL: dict[type[ast.AST], Callable[[_Shaper, Any], Any]] = {
    ast.Name: _Shaper.name,
    ast.Attribute: _Shaper.attribute,
    ast.Constant: _Shaper.constant,
    ast.Import: _Shaper.imports,
    ast.ImportFrom: _Shaper.imports,
    **dict.fromkeys((ast.Try, ast.TryStar, ast.With), _Shaper.tried),
    ast.FunctionDef: lambda shaper, node: shaper.function(node, node.name),
    ast.AsyncFunctionDef: lambda shaper, node: shaper.function(node, node.name),
    ast.Lambda: _Shaper.lambda_,
    ast.ClassDef: _Shaper.class_,
    ast.Assign: _Shaper.assignment,
    ast.Return: _Shaper.returned,
    ast.AnnAssign: _Shaper.annotated,
    ast.Call: _Shaper.call,
    **dict.fromkeys(COMPREHENSIONS, _Shaper.comprehension),
}
