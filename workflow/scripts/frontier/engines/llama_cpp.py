"""llama.cpp on cpu, cuda and mps (Metal), through its C interface: eval, argmax, the next token.

Its own tokenizer and samplers are not used, so that token ids and greedy decoding are the same in
every engine.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from frontier.blocks import Plan
from frontier.engines import Engine, LoadedModel, Settings


class LlamaCpp(Engine):
    """Keys of a `llama_cpp` block."""

    reads: Annotated[tuple[Literal["gguf"], ...], Field(min_length=1), Plan]
    """The format that llama.cpp reads."""

    @property
    def samples(self) -> bool:
        """True if it can choose tokens at random."""
        return True

    def prepare(self) -> None:
        """Imports the libraries that loading needs."""
        import frontier.engines.loaded.llama_cpp  # noqa: F401

    def load(self, checkpoint: Path, settings: Settings) -> LoadedModel:
        """Loads CHECKPOINT/model.gguf. Raises UnsupportedError, OutOfMemoryError or UserError."""
        from frontier.engines.loaded import llama_cpp

        return llama_cpp.load(checkpoint, settings)
