"""torch.compile with a static key-value cache: the decoding step is compiled, prompts are not."""

from __future__ import annotations

from typing import ClassVar

from frontier.techniques import Technique


class Compile(Technique):
    """A `compile` block has no further keys."""

    ENGINES: ClassVar[tuple[str, ...]] = ("transformers",)
    CHOOSES: ClassVar[bool] = False
    OWN_CACHE: ClassVar[bool] = True
    COMPILES: ClassVar[bool] = True
