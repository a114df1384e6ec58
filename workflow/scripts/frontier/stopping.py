"""Where an answer ends: at the first stop text, whether a special token or ordinary text."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass


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
