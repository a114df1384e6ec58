"""A checksum inside a JSON object's own text, by which any altered byte of it is noticed.

The last key of the object is the start of the sha256 of all that stands before it.
"""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

from frontier.host.files import write_text
from frontier.unicode import parse_json, well_formed

KEY = "checksum"
_LENGTH = 16
_END = re.compile(rb',\s*"%s": "([0-9a-f]{%d})"\s*\}\s*' % (KEY.encode(), _LENGTH))
_TAIL_BYTES = 64  # the end is shorter


def line(value: dict[str, Any], of: str = "") -> bytes:
    """A mapping that is not empty as a line of JSON with its checksum.

    `of`: what it belongs to. It is no part of the line, and must be the same to read it.
    """
    head = well_formed(json.dumps(value, ensure_ascii=False))[:-1].encode()
    return head + f', "{KEY}": "{_digest(head, of)}"}}\n'.encode()


def write(path: Path, value: dict[str, Any]) -> None:
    """Write a mapping that is not empty as indented JSON with its checksum, whole or not at all."""
    head = well_formed(json.dumps(value, indent=1, ensure_ascii=False)).removesuffix("\n}")
    write_text(path, f'{head},\n "{KEY}": "{_digest(head.encode())}"\n}}\n')


def read(content: bytes, of: str = "") -> dict[str, Any] | None:
    """The mapping that `line` or `write` wrote, without its checksum; None for any other bytes."""
    tail = max(0, len(content) - _TAIL_BYTES)
    # From behind: a text within may end as an object does.
    ends = list(_END.finditer(content, tail))
    if not ends or ends[-1].end() != len(content):
        return None
    if _digest(content[: ends[-1].start()], of).encode() != ends[-1][1]:
        return None
    value: dict[str, Any] = parse_json(content)  # which is what was written
    del value[KEY]
    return value


def has_one(content: bytes) -> bool:
    """Whether there is a checksum where `line` and `write` put it, be it right or wrong."""
    return f'"{KEY}": "'.encode() in content[-_TAIL_BYTES:]


def _digest(head: bytes, of: str = "") -> str:
    return hashlib.sha256(of.encode() + head).hexdigest()[:_LENGTH]
