"""The rows of a table that are used, by the values of some columns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field

from frontier.blocks import Block
from frontier.errors import Reason, did_you_mean
from frontier.text import shown

MOST_SHOWN = 1_000
"""Different values of a column that are remembered for an error."""


class Except(Block):
    """All values but some."""

    other_than: Annotated[tuple[str, ...], Field(min_length=1)]
    """The values that are left out; "" is an empty cell."""


Wanted = str | tuple[str, ...] | Except
"""The values of a column: one, several, or all but some."""


class Filter:
    """A filter that knows which of the values it asks for have occurred."""

    def __init__(self, wanted: Mapping[str, Wanted]) -> None:
        """`wanted`: by column."""
        self._wanted = {
            name: {one} if isinstance(one, str) else {*one}
            for name, one in wanted.items()
            if not isinstance(one, Except)
        }
        self._left_out = {
            name: {*one.other_than} for name, one in wanted.items() if isinstance(one, Except)
        }
        self._unmet = {name: {*values} for name, values in self._wanted.items()}
        self._seen: dict[str, set[str]] = {name: set() for name in self._wanted}

    def passes(self, texts: Mapping[str, str]) -> bool:
        """True for a row to use; `texts` are its values of the filtered columns."""
        for name, seen in self._seen.items():
            self._unmet[name].discard(texts[name])
            if len(seen) < MOST_SHOWN:
                seen.add(texts[name])
        return all(texts[name] in values for name, values in self._wanted.items()) and not any(
            texts[name] in values for name, values in self._left_out.items()
        )

    def fault(self) -> Reason | None:
        """A value that no row has, with the nearest one that some row has; None if all occurred."""
        for name, values in self._unmet.items():
            for value in sorted(values):
                hint = did_you_mean(value, sorted(self._seen[name]))
                return f"no row whose {name!r} is {shown(value)}{hint}"
        return None
