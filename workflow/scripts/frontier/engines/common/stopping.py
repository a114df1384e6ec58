"""Where an answer ends: at the first stop text, whether a special token or ordinary text."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

LETTER_BYTES = 4  # at most, in UTF-8
BROKEN = "\ufffd"
"""What decoders write for bytes that are no letter."""


@dataclass(frozen=True)
class Written:
    """What a model has written: its `text`, and the special tokens left out of it.

    `marks` has each of these, in order: where in the text it stood, and its name.
    """

    text: str
    marks: tuple[tuple[int, str], ...] = ()

    @classmethod
    def read(
        cls,
        tokens: Sequence[int],
        special: Mapping[int, str],
        decode: Callable[[Sequence[int]], str],
    ) -> Written:
        """The text of `tokens`; `decode` leaves out the special ones, which are in `special`."""
        marks = tuple(
            (len(decode(tokens[:at])), special[token])
            for at, token in enumerate(tokens)
            if token in special
        )
        return cls(decode(tokens), marks)

    def mentions(self, stop: Sequence[str]) -> bool:
        """Whether a stop text stands anywhere."""
        return any(text in self.text or self._marked_place(text) >= 0 for text in stop)

    def cut(self, stop: Sequence[str]) -> int | None:
        """Where in the text the first stop text begins; None without one.

        White space ends nothing before anything else is written.
        """
        begin = len(self.text) - len(self.text.lstrip())
        cuts = [self.text.find(text, 0 if text.strip() else begin) for text in stop]
        cuts += [self._in_text(self._marked_place(text)) for text in stop]
        return min((cut for cut in cuts if cut >= 0), default=None)

    def answer(self, stop: Sequence[str]) -> str:
        """The text up to the first stop text, and behind those that ended nothing."""
        begin = len(self.text) - len(self.text.lstrip())
        ignored = [
            at + len(text)
            for text in stop
            if not text.strip() and (at := self.text.rfind(text, 0, begin)) >= 0
        ]
        return self.text[max(ignored, default=0) : self.cut(stop)]

    def _marked_place(self, stop: str) -> int:
        """Where a stop text stands in the text with its special tokens in their places; else -1.

        It must have one whole: ">" does not stand in "</s>".
        """
        if not any(name in stop for _, name in self.marks):
            return -1
        parts, done = [], 0
        for at, name in self.marks:
            parts += [self.text[done:at], name]
            done = at
        return "".join([*parts, self.text[done:]]).find(stop)

    def _in_text(self, place: int) -> int:
        """A place in the marked text as one in the text; -1 stays -1."""
        before = 0
        for at, name in self.marks:
            if place < at + before:
                break
            if place < at + before + len(name):
                return at
            before += len(name)
        return place if place < 0 else place - before


class Endings:
    """Which tokens may complete one of the stop texts: only behind these is there anything to read.

    `written` gives the bytes that a token writes wherever it stands, and None for any other token;
    it is None itself where that is known of no token.
    """

    def __init__(self, stop: Sequence[str], written: Callable[[int], bytes | None] | None) -> None:
        """Nothing is known of any token yet; each is looked at when it first comes."""
        self._stop = [text.encode() for text in stop]
        # A token is a byte or more; a few before them may be parts of a letter.
        self.window = max(map(len, self._stop), default=0) + LETTER_BYTES
        # What stands for bytes that are no text is written by none of them.
        self._written = None if any(BROKEN in text for text in stop) else written
        self._plain: set[int] = set()
        self._silent: set[int] = set()

    def possible(self, tokens: Sequence[int]) -> bool:
        """Whether the last of these may have completed a stop text; asked behind each of them.

        Where one of the last is no token that writes its own bytes, anything may have changed.
        """
        recent = tokens[-self.window - 1 :]
        if not self._plain.issuperset(recent):
            for token in recent:
                self._look_at(token)
            if not self._plain.issuperset(recent):
                return True
        return tokens[-1] not in self._silent

    def _look_at(self, token: int) -> None:
        if self._written is None or token in self._plain:
            return
        if written := self._written(token):
            self._plain.add(token)
            if not any(_may_complete(written, text) for text in self._stop):
                self._silent.add(token)


def _may_complete(written: bytes, text: bytes) -> bool:
    """Whether `text` may end in what is written last: in it, or begun before it."""
    ends = range(1, len(written) + 1)
    return text in written or any(text.endswith(written[:end]) for end in ends)
