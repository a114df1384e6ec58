"""Detection of code that is only text for people: error messages, a program's help."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator

# Builtin exceptions whose text no code reads, unlike a RuntimeError's.
BUILTIN = frozenset(
    {"Exception", "ValueError", "TypeError", "NotImplementedError", "AssertionError"}
)
REASON = "Reason"
"""frontier.errors.Reason: annotates values and functions that give such a sentence or None."""
_HELPING = frozenset(
    {"ArgumentParser", "add_argument", "add_parser", "add_subparsers", "add_argument_group"}
)
_HELP = frozenset({"help", "description", "epilog", "metavar", "prog", "usage", "title"})
_OF_TEXT = frozenset({"join", "format"})


TEXTS = (ast.Constant, ast.JoinedStr, ast.BinOp, ast.IfExp, ast.Subscript, ast.Call)
"""The kinds of expressions that may be text."""


def parts(node: ast.expr) -> Iterator[ast.expr]:
    """The expressions in a message, without its wording."""
    match node:
        case ast.Constant(value=str()):
            return
        case ast.JoinedStr(values=values):
            for value in values:
                yield from parts(value)
        case ast.FormattedValue(value=value, format_spec=width):
            yield from parts(value)
            yield from parts(width) if width else ()
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            yield from parts(left)
            yield from parts(right)
        case ast.BinOp(left=left, op=ast.Mod(), right=right) if _is_text(left):
            yield from parts(right)
        case ast.IfExp(test=test, body=body, orelse=orelse):
            yield test
            yield from parts(body)
            yield from parts(orelse)
        case ast.Call(func=ast.Attribute(value=text, attr=attr)) if attr in _OF_TEXT and _is_text(
            text
        ):
            yield from parts(text)
            for part in (*node.args, *(one.value for one in node.keywords)):
                yield from parts(part)
        case ast.Subscript(value=text, slice=ast.Slice()):  # cut to a length
            yield from parts(text)
        case _:
            yield node


def is_message(node: ast.expr) -> bool:
    """True if an expression is a text, and so never empty."""
    match node:
        case ast.Constant(value=str(text)):
            return bool(text)
        case ast.JoinedStr(values=values):
            return any(isinstance(value, ast.Constant) for value in values)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return is_message(left) or is_message(right)
    return False


def _is_text(node: ast.expr) -> bool:
    match node:
        case ast.Constant(value=str()) | ast.JoinedStr():
            return True
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return _is_text(left) or _is_text(right)
    return False


def is_help(call: ast.Call, keyword: ast.keyword) -> bool:
    """True if an argument is help text of a program's command line."""
    function = call.func
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    return name in _HELPING and keyword.arg in _HELP


def reasons(node: ast.expr | None) -> Iterator[ast.expr]:
    """The messages among the possible values of a Reason."""
    match node:
        case ast.IfExp(body=body, orelse=orelse):
            yield from (*reasons(body), *reasons(orelse))
        case ast.BoolOp(values=values) | ast.Dict(values=values):
            for value in values:
                yield from reasons(value)
        case ast.Subscript(value=value, slice=ast.Slice()):
            yield from reasons(value)
        case ast.expr() if is_message(node):
            yield node


def read_only_in(name: str, nodes: Iterable[ast.AST], messages: Iterable[ast.expr]) -> bool:
    """True if a local name is read in a function's messages only."""
    read = 0
    for node in nodes:
        if isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Load):
            read += 1
        elif isinstance(node, ast.Global | ast.Nonlocal) and name in node.names:
            return False
    found = (part for message in messages for part in parts(message))
    return 0 < read == sum(isinstance(part, ast.Name) and part.id == name for part in found)
