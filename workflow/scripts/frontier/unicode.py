"""Text from outside, normalised so that every file and table can store it."""

from __future__ import annotations

import json
import re
from typing import Any

SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


def well_formed(text: str) -> str:
    """The text with U+FFFD for each lone surrogate, which JSON can spell and UTF-8 cannot encode.

    A pair of surrogates becomes its letter.
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def parse_json(content: str | bytes, **options: Any) -> Any:
    """The parsed JSON value, its text well formed; `options` as for `json.loads`.

    Raises ValueError if it is not JSON in UTF-8.
    """
    text = content if isinstance(content, str) else content.decode()
    value = json.loads(text, **options)
    if SURROGATE.search(text) is None:
        return value
    return json.loads(well_formed(json.dumps(value, ensure_ascii=False)))
