"""New blocks in the files of config/, written as text, so that all else stays to the letter."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from frontier.catalogue import configuration
from frontier.catalogue.reading import parse
from frontier.catalogue.source_lines import lines_of_keys
from frontier.errors import UserError
from frontier.host import files

WIDTH = 96
THOUSANDS = 10_000
"""Numbers from here on are written with underscores."""


def block_at(lines: list[str], first: int) -> list[str]:
    """The lines of a YAML block from its key on, `first` counting from 0.

    A blank line or a comment after it belongs to the next block.
    """
    depth = len(lines[first]) - len(lines[first].lstrip())
    end = first + 1
    for number in range(first + 1, len(lines)):
        words = lines[number].strip()
        if words and len(lines[number]) - len(lines[number].lstrip()) <= depth:
            break
        if words and not words.startswith("#"):
            end = number + 1
    return lines[first:end]


def blocks_of(path: Path, section: str) -> dict[str, list[str]]:
    """The blocks of a section in the file, as lines by name; empty without the section."""
    lines = text_of(path).split("\n")
    found = lines_of_keys(path, section)
    return {name: block_at(lines, line - 1) for name, line in found.items()}


def with_block(path: Path, section: str, block: Sequence[str]) -> str:
    """The file's text with a new block after the last one of the section."""
    return with_blocks(path, {section: block})


def with_blocks(path: Path, blocks: Mapping[str, Sequence[str]]) -> str:
    """The file's text with a new block after the last one of each section."""
    lines = text_of(path).split("\n")
    ends = {}
    for section in blocks:
        last = max(lines_of_keys(path, section).values()) - 1
        ends[section] = last + len(block_at(lines, last))
    for section in sorted(blocks, key=ends.__getitem__, reverse=True):
        lines[ends[section] : ends[section]] = ["", *blocks[section]]
    return "\n".join(lines)


def text_of(path: Path) -> str:
    """The text of a file of the catalogue, without a byte order mark."""
    return path.read_bytes().decode("utf-8-sig")


def write(folder: Path, texts: Mapping[Path, str]) -> None:
    """Writes files of a catalogue's folder; none if the catalogue becomes invalid (UserError)."""
    with tempfile.TemporaryDirectory() as trial:
        for path in folder.glob("*.yaml"):
            shutil.copy(path, trial)
        for path, text in texts.items():
            Path(trial, path.name).write_text(text, encoding="utf-8")
        configuration.read_catalogue(Path(trial))
    for path, text in texts.items():
        files.write_text(path, text)


def lines_of(name: str, block: Mapping[str, Any], notes: Sequence[str] = ()) -> list[str]:
    """A block as lines of its file, below its name; `notes` are comments at its end."""
    return [f"  {name}:", *_mapping(block, "    "), *(f"    # {note}" for note in notes)]


def _mapping(block: Mapping[str, Any], indent: str) -> list[str]:
    lines: list[str] = []
    for key, value in block.items():
        if isinstance(value, str) and "\n" in value and _literal(value):
            mark = "|-" if not value.endswith("\n") else "|"
            lines.append(f"{indent}{key}: {mark}")
            parts = value.removesuffix("\n").split("\n")
            lines += [f"{indent}  {line}" if line else "" for line in parts]
            continue
        line = f"{indent}{_flow(key)}: {_flow(value)}"
        if isinstance(value, Mapping) and value and len(line) > WIDTH:
            lines += [f"{indent}{key}:", *_mapping(value, f"{indent}  ")]
        else:
            lines.append(line)
    return lines


def _literal(text: str) -> bool:
    """True for a text that a literal block holds unchanged."""
    plain = all(line.isprintable() for line in text.split("\n"))
    ends = text.endswith("\n\n") or text[:1] in ("\n", " ")
    return plain and not ends


def _flow(value: Any) -> str:
    """A value in YAML's short form."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= THOUSANDS:
        return f"{value:_}"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_flow(key)}: {_flow(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_flow, value)) + "]"
    if isinstance(value, str) and re.fullmatch(r"[\w./-]+( [\w./()-]+)*", value, re.ASCII):
        return _quoted(value)
    if isinstance(value, str):
        return yaml.safe_dump(value, default_style='"', width=10**6, allow_unicode=True).strip()
    return yaml.safe_dump(value, default_flow_style=True).removesuffix("...\n").strip()


def _quoted(text: str) -> str:
    """A text in quotation marks unless YAML reads it as itself without."""
    try:
        plain = parse(text, "a text") == text
    except UserError:
        plain = False
    return text if plain else f'"{text}"'
