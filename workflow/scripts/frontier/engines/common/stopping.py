"""The end of an answer: the first stop text, a special token or ordinary text."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

LETTER_BYTES = 4  # at most, in UTF-8
BROKEN = "\ufffd"
"""The character that decoders write for incomplete bytes."""


@dataclass(frozen=True)
class Written:
    """A model's output: its `text`, and the special tokens left out of it.

    `marks` has the position in the text and the name of each of these, in order.
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
        """The output for `tokens`; `decode` leaves out the special ones, which are in `special`."""
        marks = tuple(
            (len(decode(tokens[:at])), special[token])
            for at, token in enumerate(tokens)
            if token in special
        )
        return cls(decode(tokens), marks)

    def mentions(self, stop: Sequence[str]) -> bool:
        """True if the output contains a stop text."""
        return any(text in self.text or self._marked_place(text) >= 0 for text in stop)

    def cut(self, stop: Sequence[str]) -> int | None:
        """The position in the text of the first stop text; None without one.

        White space at the very beginning is ignored.
        """
        begin = len(self.text) - len(self.text.lstrip())
        cuts = [self.text.find(text, 0 if text.strip() else begin) for text in stop]
        cuts += [self._in_text(self._marked_place(text)) for text in stop]
        return min((cut for cut in cuts if cut >= 0), default=None)

    def answer(self, stop: Sequence[str]) -> str:
        """The text up to the first stop text, without ignored ones at the beginning."""
        begin = len(self.text) - len(self.text.lstrip())
        ignored = [
            at + len(text)
            for text in stop
            if not text.strip() and (at := self.text.rfind(text, 0, begin)) >= 0
        ]
        return self.text[max(ignored, default=0) : self.cut(stop)]

    def _marked_place(self, stop: str) -> int:
        """The position of a stop text in the text that includes special tokens; -1 if absent.

        It must contain a special token completely: ">" does not match in "</s>".
        """
        if not any(name in stop for _, name in self.marks):
            return -1
        parts, done = [], 0
        for at, name in self.marks:
            parts += [self.text[done:at], name]
            done = at
        return "".join([*parts, self.text[done:]]).find(stop)

    def _in_text(self, place: int) -> int:
        """A position in the text with special tokens, converted to one in the text; -1 stays -1."""
        before = 0
        for at, name in self.marks:
            if place < at + before:
                break
            if place < at + before + len(name):
                return at
            before += len(name)
        return place if place < 0 else place - before


class Endings:
    """Finds the tokens that may complete a stop text: the text is decoded only after these.

    `written` returns the bytes that a token writes in any position, and None for any other token;
    it is None itself if that is unknown for all tokens.
    """

    def __init__(self, stop: Sequence[str], written: Callable[[int], bytes | None] | None) -> None:
        """Knows no token yet; each is examined when it first occurs."""
        self._stop = [text.encode() for text in stop]
        # A token has at least one byte; a few before them may be parts of a character.
        self.window = max(map(len, self._stop), default=0) + LETTER_BYTES
        # No token writes the replacement for invalid bytes.
        self._written = None if any(BROKEN in text for text in stop) else written
        self._plain: set[int] = set()
        self._silent: set[int] = set()

    def possible(self, tokens: Sequence[int]) -> bool:
        """True if the last of these may have completed a stop text; called after each token.

        If one of the last tokens does not write fixed bytes, any text may have changed.
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
    """True if `text` may end within the last bytes, possibly starting before them."""
    ends = range(1, len(written) + 1)
    return text in written or any(text.endswith(written[:end]) for end in ends)
