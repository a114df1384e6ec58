"""Languages by the scripts in which they are written."""

from __future__ import annotations

import re

from frontier.proposing.columns import Column

SCRIPTS = (
    ("ja", "Japanese", r"[぀-ヿ]"), ("ko", "Korean", r"[가-힯]"), ("zh", "Chinese", r"[㐀-鿿]"),
    ("ru", "Russian", r"[Ѐ-ӿ]"), ("ar", "Arabic", r"[؀-ۿ]"), ("hi", "Hindi", r"[ऀ-ॿ]"),
    ("el", "Greek", r"[Ͱ-Ͽ]"), ("he", "Hebrew", r"[֐-׿]"), ("th", "Thai", r"[฀-๿]"),
)  # fmt: skip
"""Languages that are the usual ones of their scripts."""


def script(column: Column) -> tuple[str, str] | None:
    """The language of a column by its script, in most of its values; None: Latin letters."""
    for code, name, letters in SCRIPTS:
        if column.share(re.compile(letters).search) > 1 / 2:
            return code, name
    return None
