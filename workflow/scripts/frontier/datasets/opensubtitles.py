"""OpenSubtitles, English and Chinese: OPUS's Moses format, two parallel files.

The files are raw: lines without a word of their language, both languages in one line, the same text
on both sides. Only pairs that are clearly English on one side and Chinese on the other are used.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from frontier.blocks import Decides
from frontier.datasets import Loader, Row
from frontier.datasets.common.files import DatasetFile, entries, lines
from frontier.errors import UserError

# Unicode's Han blocks: ideographs, extensions A to H, compatibility, and the iteration mark.
HAN = re.compile("[\u3005\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af]")
# Basic Latin, Latin-1, extensions A and B, and full-width letters.
LATIN = re.compile(
    "[A-Za-z\u00aa\u00ba\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u024f\uff21-\uff3a\uff41-\uff5a]"
)


class Opensubtitles(Loader):
    """Pairs of lines that pass the filters."""

    FILES = re.compile(r".*\.(en|zh_cn)", re.IGNORECASE)

    direction: Annotated[Literal["zh-en", "en-zh"], Decides("sample")]
    """The side in the prompt, and the side that is the reference."""
    max_characters: Annotated[int, Field(gt=0, le=10**6), Decides("sample")] = 200
    """Longer lines, on either side, are mostly several subtitles aligned with one."""

    def fields(self) -> tuple[str, ...]:
        """The line to translate."""
        return ("source",)

    def rows(self, folder: Path) -> Iterator[Row]:
        """The pairs that pass the filters, each text once; ids are the line's number in the files.

        Both directions draw from the same pairs, so a sample of one is a reversed sample of the
        other. Memory: about 130 bytes per pair, to detect duplicates.
        Raises UserError naming file and row if the sides differ in length or a line is not UTF-8.
        """
        english, chinese = _sides(folder)
        seen: set[int] = set()
        for left, right in zip_longest(lines(english), lines(chinese)):
            if left is None or right is None:
                longer, at = (english, left) if right is None else (chinese, right)
                raise UserError(
                    f"{longer.where}: row {at[0] if at else '?'} has no counterpart: "
                    f"{english.where} and {chinese.where} differ in length"
                )
            en, zh = left[1].strip(), right[1].strip()
            if not _plain(en, zh, self.max_characters):
                continue
            marks = _mark("en", en), _mark("zh", zh)
            if seen.isdisjoint(marks):
                source, reference = (zh, en) if self.direction == "zh-en" else (en, zh)
                yield Row(
                    f"opensubtitles-{left[0]:08d}", {"source": source}, reference, self.direction
                )
            seen.update(marks)


def _plain(en: str, zh: str, longest: int) -> bool:
    """True if one side is English and the other Chinese, each without the other's script."""
    return bool(
        max(len(en), len(zh)) <= longest
        and LATIN.search(en)
        and HAN.search(zh)
        and not HAN.search(en)
        and not LATIN.search(zh)
    )


def _mark(side: str, text: str) -> int:
    """A 64-bit hash of a text: among 20 million texts the odds of a collision are 1 in 90,000."""
    return int.from_bytes(hashlib.blake2b(f"{side}\t{text}".encode(), digest_size=8).digest())


def _sides(folder: Path) -> tuple[DatasetFile, DatasetFile]:
    """The English and the Chinese file."""
    found = {".en": [], ".zh_cn": []}  # type: dict[str, list[DatasetFile]]
    for entry in entries(folder, Opensubtitles.FILES):
        if (ending := entry.name.suffix.casefold()) in found:
            found[ending].append(entry)
    for ending, files in found.items():
        if len(files) != 1:
            names = ", ".join(file.where for file in files) or "none"
            raise UserError(
                f"{folder}: needs one file of OPUS's Moses format ending in {ending} or "
                f"{ending}.gz, plain or in a .zip; found: {names}"
            )
    return found[".en"][0], found[".zh_cn"][0]
