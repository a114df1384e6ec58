"""The lines of text files in any encoding."""

from __future__ import annotations

import codecs
import io
from collections.abc import Iterator
from encodings import aliases

from frontier.datasets.common import archives
from frontier.datasets.common.files import MAX_ROW, DatasetFile
from frontier.errors import UserError, did_you_mean

MARKS = {codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}


def known_encoding(name: str) -> str:
    """The name itself. Raises ValueError with the nearest one for an unknown encoding."""
    try:
        codecs.lookup(name)
    except LookupError:
        known = [one.replace("_", "-") for one in aliases.aliases]
        raise ValueError(f"unknown encoding {name!r}{did_you_mean(name, known)}") from None
    return name


def text_lines(entry: DatasetFile, encoding: str) -> Iterator[str]:
    """The lines of a text file with their ends. Raises UserError naming one in another encoding."""
    number = 0
    try:
        with (
            archives.damage_reported(
                lambda: f"{entry.where}: damaged or truncated after line {number}"
            ),
            entry.open() as file,
        ):
            if "\n".encode(encoding) != b"\n":  # such as UTF-16, whose lines need decoding first
                for number, line in enumerate(io.TextIOWrapper(file, encoding, newline="\n"), 1):
                    yield _sound(line, entry, number)
                return
            first, rest = encoding, encoding
            if codecs.lookup(encoding).name == "utf-8":
                first = "utf-8-sig"
            while raw := file.readline(MAX_ROW):
                number += 1
                if number == 1 and raw[:2] in MARKS and first == "utf-8-sig":
                    raise UserError(
                        f"{entry.where}: begins with UTF-16's byte order mark; give encoding: "
                        f"{MARKS[raw[:2]]}"
                    )
                yield _sound(raw.decode(first if number == 1 else rest), entry, number)
    except UnicodeError as error:
        at = ""
        if isinstance(error, UnicodeDecodeError):
            at = f" (byte 0x{error.object[error.start]:02x})"
        raise UserError(
            f"{entry.where}: line {max(number, 1)} is not {encoding.upper()}{at}; give its "
            "encoding, such as encoding: cp1252"
        ) from None


def _sound(line: str, entry: DatasetFile, number: int) -> str:
    if len(line) >= MAX_ROW:
        raise UserError(f"{entry.where}: line {number} is longer than {MAX_ROW:,} bytes")
    if "\0" in line:
        raise UserError(f"{entry.where}: line {number} contains a NUL: another encoding?")
    return line
