"""Hugging Face transformers on cpu, cuda and mps, as its users run it: through `generate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, ClassVar

from frontier.blocks import Measure
from frontier.engines import Engine, LoadedModel, Settings


class Transformers(Engine):
    """Keys of a `transformers` block."""

    compile: Annotated[bool, Measure] = False
    """torch.compile with a static key-value cache."""

    runs_quantizers: ClassVar[bool] = True

    @property
    def samples(self) -> bool:
        """True if it can choose tokens at random."""
        return True

    def prepare(self) -> None:
        """Imports the libraries that loading needs."""
        import frontier.engines.loaded.transformers  # noqa: F401

    def load(self, checkpoint: Path, settings: Settings) -> LoadedModel:
        """Loads a variant. Raises UnsupportedError, OutOfMemoryError or UserError (unreadable)."""
        from frontier.engines.loaded import transformers

        return transformers.load(checkpoint, settings, compiled=self.compile)
