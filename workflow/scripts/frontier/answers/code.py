"""The program in a text: what a model wrote, behind or in place of the code that it was given.

In a chat it is the last fenced block that defines the function, else the text before the first
fence if that does (the answer may begin inside of a block), else the first block, else the whole
text. A part that does not define it is taken as the function's body.
"""

from __future__ import annotations

import ast
import re
import textwrap
from collections.abc import Iterator

from frontier.answers.thoughts import THOUGHT

FENCE = re.compile(r"^(?P<indent>[ \t]*)(?P<mark>`{3,}|~{3,})(?P<rest>.*)$")
START = re.compile(r"^[ \t]*(?:`{3,}|~{3,})", re.MULTILINE)
INDENT = "    "


def continued(prefix: str, text: str, suffix: str = "", prompt: str = "") -> str:
    """The program of a text that continues where the prompt ends, which is the end of `prefix`.

    Many prompts leave out the last line break of their prefix, which then begins the text.
    """
    bare = prefix.rstrip("\n")
    if prompt.endswith(bare) and not prompt.endswith(prefix):
        prefix = bare
    return prefix + text + suffix


def answered(prefix: str, text: str, name: str) -> str | None:
    """The program of a chat's answer, which has a function of this name; None without code."""
    code = _code(THOUGHT.sub("", text).replace("\r\n", "\n"), name)
    if not code.strip():
        return None
    if defines(code, name):
        return f"{whole(prefix, name)}\n{code}\n"
    first = next(line for line in code.split("\n") if line.strip())
    if not first[0].isspace():
        code = textwrap.indent(code, INDENT)
    return f"{prefix.rstrip(' ')}{'' if prefix.endswith(chr(10)) else chr(10)}{code}\n"


def _code(text: str, name: str) -> str:
    """The part of a text that is code."""
    found = [_outdented(block, name) for block in blocks(text)]
    first = _outdented(START.split(text, maxsplit=1)[0], name)
    defining = [block for block in (first, *found) if defines(block, name)]
    return (defining[-1:] or found[:1] or [_outdented(text, name)])[0]


def blocks(text: str) -> Iterator[str]:
    """The contents of a text's fenced blocks; the last fence may be open."""
    opened: re.Match[str] | None = None
    lines: list[str] = []
    for line in text.split("\n"):
        fence = FENCE.match(line)
        if opened is None:
            if fence and "`" not in fence["rest"]:
                opened, lines = fence, []
            continue
        if fence and _closes(fence, opened):
            yield "\n".join(lines)
            opened = None
            continue
        lines.append(line.removeprefix(opened["indent"]))
    if opened is not None:
        yield "\n".join(lines)


def _closes(fence: re.Match[str], opened: re.Match[str]) -> bool:
    mark = opened["mark"]
    return fence["mark"].startswith(mark) and not fence["rest"].strip()


def defines(code: str, name: str) -> bool:
    """True if a function of this name is defined at the beginning of a line."""
    own = re.escape(name)
    return bool(re.search(rf"^(?:(?:async\s+)?def\s+{own}\b|{own}\s*=[^=])", code, re.MULTILINE))


def _outdented(code: str, name: str) -> str:
    """The code without the indentation of all its lines, if it then defines the function."""
    bare = textwrap.dedent(code)
    return bare if defines(bare, name) else code


def before(prefix: str, name: str) -> str:
    """The part of a prefix before the function: its imports and helpers."""
    begins = re.search(rf"^(?:async\s+)?def\s+{re.escape(name)}\b", prefix, re.MULTILINE)
    return prefix[: begins.start()] if begins else ""


def whole(prefix: str, name: str) -> str:
    """The prefix if it is Python by itself, else the part before the function."""
    return prefix if is_python(prefix) else before(prefix, name)


def is_python(code: str) -> bool:
    """True if a data set's code can be parsed."""
    try:
        ast.parse(code)
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return False
    return True


def calls_itself(test: str) -> bool | None:
    """True if a test calls its `check` by itself; None if it has none."""
    lines = ast.parse(test).body
    if not any(isinstance(one, ast.FunctionDef) and one.name == "check" for one in lines):
        return None
    calls = (one.value for one in lines if isinstance(one, ast.Expr))
    return any(
        isinstance(one, ast.Call) and isinstance(one.func, ast.Name) and one.func.id == "check"
        for one in calls
    )
