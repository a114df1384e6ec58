"""Hugging Face transformers on all accelerators, as its users run it: through `generate`."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from frontier.engines import Engine, LoadedModel, Settings
from frontier.errors import Reason
from frontier.machine import torch_devices


class Transformers(Engine):
    """Keys of a `transformers` block."""

    runs_quantizers: ClassVar[bool] = True

    @property
    def samples(self) -> bool:
        """True if it can choose tokens at random."""
        return True

    def why_not_here(self, accelerator: str) -> Reason | None:
        """The reason why the installed torch cannot compute on an accelerator; None if it can."""
        return torch_devices.why_not_built(accelerator)

    def prepare(self) -> None:
        """Imports the libraries that loading needs."""
        import frontier.engines.loaded.transformers  # noqa: F401

    def load(self, checkpoint: Path, settings: Settings) -> LoadedModel:
        """Loads a variant. Raises UnsupportedError, OutOfMemoryError or UserError (unreadable)."""
        from frontier.engines.loaded import transformers

        return transformers.load(checkpoint, settings)
