"""The pages that people read: their commands, their YAML, their links, as Markdown has them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

from conftest import ROOT

NOT_TRIED = re.compile(r"# Not tried here: (?:needs|takes) \S.+")
PROGRAMS = ("make ", "python ", "snakemake ")
MARKDOWN = MarkdownIt("commonmark").enable("table")


@dataclass(frozen=True)
class Block:
    """A fenced block, and the line on which it begins."""

    language: str
    text: str
    line: int


@dataclass(frozen=True)
class Command:
    """A command line, and whether its page says that it is not tried here."""

    text: str
    tried: bool

    @property
    def words(self) -> list[str]:
        """The command as a shell splits it, without its comment."""
        return shlex.split(self.text, comments=True)


def written() -> list[Path]:
    """All pages, from the root of the project; README.md first."""
    folders = (".", "config", "docs", "docs/decisions", "examples", "examples/*")
    found = (path.relative_to(ROOT) for name in folders for path in ROOT.glob(f"{name}/*.md"))
    return sorted(found, key=lambda path: (len(path.parts), path))


@cache
def _tokens(page: Path) -> list[Token]:
    return MARKDOWN.parse((ROOT / page).read_text("utf-8"))


def _inline(page: Path) -> Iterator[Token]:
    for token in _tokens(page):
        yield from token.children or ()


def blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page."""
    return [
        Block(token.info.strip(), token.content, (token.map or [0])[0] + 1)
        for token in _tokens(page)
        if token.type in ("fence", "code_block")
    ]


def commands(block: Block) -> Iterator[Command]:
    """The commands of a block of `sh`: one a line, or several lines that end in a backslash.

    What follows a line `# Not tried here: needs …` or `takes …` is not tried. Raises ValueError for
    a line that is nearly such a one.
    """
    tried = True
    for line in block.text.replace("\\\n", " ").splitlines():
        if NOT_TRIED.fullmatch(line):
            tried = False
        elif re.match(r"\s*#\s*not (tried|run|tested)", line, re.IGNORECASE):
            raise ValueError(f"{line}: say `# Not tried here: needs …` or `takes …`")
        elif line.strip() and not line.lstrip().startswith("#"):
            yield Command(line, tried)


def stray(block: Block) -> list[str]:
    """The commands in a block that is not `sh`, where nothing would try them."""
    lines = [line.strip().removeprefix("$ ") for line in block.text.splitlines()]
    return [line for line in lines if block.language != "sh" and line.startswith(PROGRAMS)]


def code(page: Path) -> list[str]:
    """The texts in a page's sentences and tables that are marked as code."""
    return [token.content for token in _inline(page) if token.type == "code_inline"]


def links(page: Path) -> list[str]:
    """The targets of a page's links and pictures."""
    return [
        str(value)
        for token in _inline(page)
        for value in (token.attrGet("href"), token.attrGet("src"))
        if value is not None
    ]


def anchors(page: Path) -> set[str]:
    """The names by which a page's headings can be linked to."""
    tokens = _tokens(page)
    titles = [
        tokens[index + 1].content
        for index, token in enumerate(tokens)
        if token.type == "heading_open"
    ]
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}
