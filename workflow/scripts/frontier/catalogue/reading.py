"""A strict YAML reader that reports errors in one line, with the line number.

Whatever YAML 1.1 silently misreads (`no` as a key, 010 as 8) is rejected, with advice to quote it.
"""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import yaml

from frontier.catalogue import secrets
from frontier.errors import UserError
from frontier.text import shown, visible

LARGEST_BYTES = 8_000_000
LARGEST = 2**63 - 1
DEEPEST = 64  # blocks within blocks
MOST_VALUES = 1_000_000  # with every alias expanded
TAG = "tag:yaml.org,2002:"
MERGE, TEXT = f"{TAG}merge", f"{TAG}str"
# The types that YAML gives to plain scalars where text was expected.
KINDS = {"int": "a number", "float": "a number", "bool": "true or false", "null": "no value"}
KINDS |= {"timestamp": "a date", "value": "a default value", "merge": "a merge"}
CORE = ("null", "str", "seq", "map")
# YAML 1.1 reads 8:49 as 529 and 010 as 8.
MISREAD = re.compile(r"[-+]?(0[0-9_]+|[0-9_]+(:[0-9_.]+)+)")


def _fault(node: yaml.Node, problem: str) -> yaml.MarkedYAMLError:
    return yaml.constructor.ConstructorError(None, None, problem, node.start_mark)


def _kind(node: yaml.Node) -> str:
    if not isinstance(node, yaml.ScalarNode):
        return "a list" if isinstance(node, yaml.SequenceNode) else "a block"
    return KINDS.get(node.tag.removeprefix(TAG), f"of the type {shown(node.tag)}")


class _Loader(yaml.SafeLoader):
    """Accepts YAML's core types only, and finite numbers that mean what they look like."""

    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """Composes a node unless it is nested too deeply for recursive processing."""
        self.depth += 1
        if self.depth > DEEPEST:
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise yaml.composer.ComposerError(None, None, "is nested too deeply", mark)
        node: yaml.Node | None = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def integer(self, node: yaml.ScalarNode) -> int:
        """Constructs a 64-bit whole number."""
        if len(node.value) > 80:
            raise _fault(node, f"{shown(node.value)} is too large a number")
        try:
            number = int(self.construct_yaml_int(node))
        except (ValueError, IndexError):
            raise _fault(node, f"{shown(node.value)} is not a whole number") from None
        _check_number(node, number)
        return number

    def number(self, node: yaml.ScalarNode) -> float:
        """Constructs a finite number."""
        try:
            number = float(self.construct_yaml_float(node))
        except (ValueError, IndexError):
            raise _fault(node, f"{shown(node.value)} is not a number") from None
        _check_number(node, number)
        return number

    def truth(self, node: yaml.ScalarNode) -> bool:
        """Constructs true or false."""
        try:
            return bool(self.construct_yaml_bool(node))
        except KeyError:
            raise _fault(node, f"{shown(node.value)} is neither true nor false") from None

    def date(self, node: yaml.ScalarNode) -> str:
        """Constructs the text of a date, which is parsed where a date is expected."""
        try:
            self.construct_yaml_timestamp(node)
        except (ValueError, AttributeError):
            raise _fault(node, f"{shown(node.value)} is not a date: put text in quotes") from None
        return str(node.value)

    def refused(self, node: yaml.Node) -> Any:
        """Rejects all types except the core ones."""
        if not isinstance(node, yaml.ScalarNode):
            raise _fault(node, f"{shown(node.tag)} is not a known type")
        raise _fault(node, f"{shown(node.value)} is {_kind(node)} to YAML: put text in quotes")


def _check_number(node: yaml.ScalarNode, number: float) -> None:
    if not math.isfinite(number):
        raise _fault(node, f"{shown(node.value)} is not a finite number")
    if abs(number) > LARGEST:
        raise _fault(node, f"{shown(node.value)} is too large a number")
    if MISREAD.fullmatch(node.value):
        advice = "write that, or put it in quotes as text"
        raise _fault(node, f"{shown(node.value)} is {number} to YAML: {advice}")


_Loader.yaml_constructors = {
    **{key: _Loader.yaml_constructors[key] for key in map(f"{TAG}{{}}".format, CORE)},
    f"{TAG}int": _Loader.integer,
    f"{TAG}float": _Loader.number,
    f"{TAG}bool": _Loader.truth,
    f"{TAG}timestamp": _Loader.date,
    None: _Loader.refused,
}
# 1e-3, which YAML 1.1 reads as text.
_Loader.add_implicit_resolver(
    f"{TAG}float", re.compile(r"[-+]?[0-9][0-9_]*[eE][-+]?[0-9]+$"), list("-+0123456789")
)


def _measure(node: yaml.Node, known: dict[int, tuple[int, int]]) -> tuple[int, int]:
    """The numbers of values and levels in a node with aliases expanded. Raises for invalid keys.

    `known` holds the nodes measured so far, so that each is visited once however often it is used.
    """
    if id(node) in known:
        if known[id(node)] == (0, 0):
            raise _fault(node, "holds itself")
        return known[id(node)]
    known[id(node)] = (0, 0)
    parts: list[yaml.Node] = []
    if isinstance(node, yaml.MappingNode):
        _check_keys(node)
        parts = [value for _, value in node.value]
    elif isinstance(node, yaml.SequenceNode):
        parts = node.value
    else:
        _check_text(node)
    inside = [_measure(part, known) for part in parts]
    values = 1 + sum(number for number, _ in inside)
    levels = 1 + max((level for _, level in inside), default=0)
    if values > MOST_VALUES:
        raise _fault(node, f"its aliases expand to more than {MOST_VALUES:,} values")
    if levels > DEEPEST:
        raise _fault(node, "is nested too deeply")
    known[id(node)] = values, levels
    return values, levels


def _check_keys(node: yaml.MappingNode) -> None:
    seen: set[str] = set()
    for key, _ in node.value:
        if key.tag not in (TEXT, MERGE):
            text = shown(key.value) if isinstance(key, yaml.ScalarNode) else "of this line"
            raise _fault(key, f"the key {text} is {_kind(key)} to YAML: put it in quotes")
        _check_text(key)
        if key.value in seen:
            raise _fault(key, f"key {shown(key.value)} is given twice")
        seen.add(key.value)


def _check_text(node: yaml.Node) -> None:
    if "\0" in node.value:
        raise _fault(node, f"{shown(node.value)} contains a NUL character")
    try:
        node.value.encode("utf-8")
    except UnicodeEncodeError:
        raise _fault(node, f"{shown(node.value)} contains half a character") from None


def parse(text: str, where: str) -> Any:
    """The value of a YAML text. Raises UserError with `where` and the line."""
    secrets.refuse(text, where)
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is None:
            return None
        _measure(node, {})
        return loader.construct_document(node)
    except yaml.reader.ReaderError as error:
        at, code = text.count("\n", 0, error.position) + 1, ord(text[error.position])
        advice = f'delete it, or write "\\u{code:04x}" in double quotes' if code else "delete it"
        problem = f"the character U+{code:04X} is not allowed in YAML: {advice}"
        raise UserError(f"{where}: line {at} {problem}") from None
    except yaml.MarkedYAMLError as error:
        since = error.context_mark
        line = f" line {error.problem_mark.line + 1}" if error.problem_mark else ""
        begun = f" ({error.context}, line {since.line + 1})" if since else ""
        raise UserError(f"{where}:{line} {visible(error.problem, 200)}{begun}") from None


def node_of(path: Path) -> yaml.Node | None:
    """The YAML nodes of a file, which have their lines; None of an empty one."""
    return _Loader(_read(path, str(path))).get_single_node()


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping in a YAML file. Raises UserError with file and line for anything else."""
    where = str(path) if len(str(path)) < 200 else shown(str(path))
    content = parse(_read(path, where), where)
    if content is None:
        raise UserError(f"{where}: is empty: expected keys and values")
    if not isinstance(content, dict):
        raise UserError(f"{where}: expected keys and values, found {shown(content)}")
    if "__use_yte__" in content:
        raise UserError(
            f"{where}: __use_yte__ would let Snakemake run code from this file: write plain YAML"
        )
    return content


def _read(path: Path, where: str) -> str:
    """A file's text, as UTF-8 with or without a byte order mark."""
    try:
        if not path.is_file():
            kind = "a folder or device, not a file" if path.exists() else "no such file"
            raise UserError(f"{where}: {kind}")
        if path.stat().st_size > LARGEST_BYTES:
            raise UserError(f"{where}: larger than {LARGEST_BYTES // 10**6} MB")
        content = path.read_bytes()
    except OSError as error:
        raise UserError(f"{where}: {error.strerror}") from None
    except ValueError:
        raise UserError(f"{where}: not the path of a file") from None
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise UserError(f"{where}: UTF-16, not UTF-8: save it as UTF-8")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line, byte = content.count(b"\n", 0, error.start) + 1, content[error.start]
        problem = f"line {line} is not UTF-8 (byte 0x{byte:02X}): save the file as UTF-8"
        raise UserError(f"{where}: {problem}") from None
