"""The sentences and lines of a text in plain notation, with the content of boxes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from frontier.answers.equivalence.notation import plain
from frontier.answers.thoughts import THOUGHT

MAX_TEXT = 100_000  # characters; longer texts are not short answers
MAX_SENTENCES = 1_000  # the first and the last ones
NEXT_QUESTION = re.compile(r"(?<=\S)\n(?:Question|Problem|Q)\s*[0-9]*\s*:")
BOX = re.compile(r"\\f?box(?:ed)?\s*\{")
BRACE = re.compile(r"\\.|[{}]", re.DOTALL)
BOX_PLACE = re.compile("\x03([0-9]+)\x04")
ALONE = re.compile(r"^[^\w\n]*(?:the )?(?:final )?answer[^\w\n]*\n", re.IGNORECASE | re.MULTILINE)
JOINED = re.compile(r"(?<=[=:])\n|\n(?==)")
SENTENCE_END = re.compile(r"(?<=[.!?])(?<!\b[apAP]\.[mM]\.)\s+(?=\S)|\n")


@dataclass(frozen=True)
class Sentence:
    """A sentence or line in plain notation, and the contents of the boxes in it."""

    text: str
    boxes: tuple[str, ...] = ()
    before_box: str = ""


def split(text: str) -> list[Sentence]:
    """The sentences and lines of a text in plain notation; none if a box is not closed."""
    if len(text) > MAX_TEXT:
        return []
    text = NEXT_QUESTION.split(_tidy(THOUGHT.sub("", text)), maxsplit=1)[0]
    boxes: list[str] = []
    parts = []
    place = 0
    while found := BOX.search(text, place):
        end = _closing(text, found.end())
        if end is None:  # truncated: the answer could have been longer
            return []
        parts.append(f"{text[place : found.start()]}\x03{len(boxes)}\x04")
        boxes.append(" ".join(plain(text[found.end() : end]).split()))
        place = end + 1
    whole = _tidy(plain("".join([*parts, text[place:]])))
    whole = JOINED.sub(" ", ALONE.sub("Answer: ", whole))
    first, *rest = [line for line in SENTENCE_END.split(whole) if line.strip()] or [""]
    return [_sentence(line, boxes) for line in (first, *rest[-MAX_SENTENCES:])]


def _tidy(text: str) -> str:
    """A text without empty lines and without spaces at the ends of lines."""
    lines = (line.strip() for line in text.splitlines())
    return "\n".join(line for line in lines if line)


def _closing(text: str, start: int) -> int | None:
    """The position of the brace that closes the one opened before `start`."""
    depth = 1
    for brace in BRACE.finditer(text, start):
        depth += {"{": 1, "}": -1}.get(brace[0], 0)
        if depth == 0:
            return brace.start()
    return None


def _sentence(line: str, boxes: Sequence[str]) -> Sentence:
    found = list(BOX_PLACE.finditer(line))
    whole = BOX_PLACE.sub(lambda place: boxes[int(place[1])], line).strip()
    before = line[: found[-1].start()] if found else ""
    return Sentence(whole, tuple(boxes[int(place[1])] for place in found), before)
