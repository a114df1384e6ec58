"""A checksum inside a JSON object's own text, which detects any altered byte.

The last key of the object is the beginning of the sha256 of everything before it.
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
_TAIL_BYTES = 64  # upper bound of the end's length


def line(value: dict[str, Any], of: str = "") -> bytes:
    """A non-empty mapping as a line of JSON with its checksum.

    `of`: what it belongs to; not part of the line, but needed to read it.
    """
    head = well_formed(json.dumps(value, ensure_ascii=False))[:-1].encode()
    return head + f', "{KEY}": "{_digest(head, of)}"}}\n'.encode()


def write(path: Path, value: dict[str, Any]) -> None:
    """Writes a non-empty mapping as indented JSON with its checksum, atomically."""
    head = well_formed(json.dumps(value, indent=1, ensure_ascii=False)).removesuffix("\n}")
    write_text(path, f'{head},\n "{KEY}": "{_digest(head.encode())}"\n}}\n')


def read(content: bytes, of: str = "") -> dict[str, Any] | None:
    """The mapping written by `line` or `write`, without its checksum; None for other bytes."""
    tail = max(0, len(content) - _TAIL_BYTES)
    # From the end, since a string in the object may look like its end.
    ends = list(_END.finditer(content, tail))
    if not ends or ends[-1].end() != len(content):
        return None
    if _digest(content[: ends[-1].start()], of).encode() != ends[-1][1]:
        return None
    value: dict[str, Any] = parse_json(content)  # as written
    del value[KEY]
    return value


def has_one(content: bytes) -> bool:
    """True if there is a checksum where `line` and `write` put it, right or wrong."""
    return f'"{KEY}": "'.encode() in content[-_TAIL_BYTES:]


def _digest(head: bytes, of: str = "") -> str:
    return hashlib.sha256(of.encode() + head).hexdigest()[:_LENGTH]
