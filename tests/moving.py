"""Moves modules of the project, and edits whatever imports them, as `git mv` and an editor do."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

from frontier.identity.scopes import absolute


def move(scripts: Path, moves: Mapping[str, str]) -> None:
    """Moves modules, by their dotted names, below a folder of programs and modules."""
    files = {_name(path, scripts): path for path in sorted(scripts.rglob("*.py"))}
    for name, path in files.items():
        package = name if path.name == "__init__.py" else name.rpartition(".")[0]
        path.write_text(_edited(path.read_text("utf-8"), package, moves), "utf-8")
    for old, new in moves.items():
        target = scripts.joinpath(*new.split(".")).with_suffix(".py")
        for folder in (
            scripts.joinpath(*new.split(".")[:end]) for end in range(1, new.count(".") + 1)
        ):
            folder.mkdir(exist_ok=True)
            if not (folder / "__init__.py").exists():
                (folder / "__init__.py").write_text('"""What was moved here."""\n')
        files[old].rename(target)


def _name(path: Path, scripts: Path) -> str:
    parts = path.relative_to(scripts).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _edited(text: str, package: str, moves: Mapping[str, str]) -> str:
    """A module's text with its imports, and the names of modules in it, as they are afterwards."""
    lines = text.split("\n")
    for node in sorted(ast.walk(ast.parse(text)), key=lambda one: -getattr(one, "lineno", 0)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            new = list(_imports(node, package, moves))
            if new != [ast.unparse(node)]:
                indent = lines[node.lineno - 1][: node.col_offset]
                lines[node.lineno - 1 : node.end_lineno] = [indent + one for one in new]
    text = "\n".join(lines)
    for old, new_name in moves.items():
        text = text.replace(f'"{old}"', f'"{new_name}"')
    return text


def _imports(
    node: ast.Import | ast.ImportFrom, package: str, moves: Mapping[str, str]
) -> Iterator[str]:
    if isinstance(node, ast.Import):
        for alias in node.names:
            new = moves.get(alias.name, alias.name)
            yield f"import {new}" + (f" as {alias.asname}" if alias.asname else "")
        return
    module = absolute(node, package)
    stay = []
    for alias in node.names:
        if new := moves.get(f"{module}.{alias.name}"):
            parent, _, last = new.rpartition(".")
            yield f"from {parent} import {last} as {alias.asname or alias.name}"
        else:
            stay.append(alias)
    if stay:
        yield ast.unparse(ast.ImportFrom(moves.get(module, module), stay, 0))
