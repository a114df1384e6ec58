"""MLX on a Mac's GPU (Metal), through mlx-lm's `generate_step`, as its users run it.

MLX's build for CPUs runs the same code on Linux, in one thread and without fast kernels: there it
is for trying the code, and its times say nothing about a Mac.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from frontier.blocks import Plan
from frontier.checkpoints import mlx_settings
from frontier.engines import Engine, LoadedModel, Settings
from frontier.errors import Reason


class Mlx(Engine):
    """Keys of an `mlx` block."""

    accelerators: Annotated[tuple[Literal["cpu", "mps"], ...], Field(min_length=1), Plan]
    """`mps`: a Mac's GPU; `cpu`: one thread."""

    @property
    def samples(self) -> bool:
        """True if it can choose tokens at random."""
        return True

    def threads_on(self, cores: int) -> int:
        """One: MLX computes each operation on a CPU in the same thread."""
        return 1

    def why_not_architecture(self, architecture: str | None) -> Reason | None:
        """The reason for an architecture whose answers are not tested to be transformers'."""
        return mlx_settings.unreadable(architecture)

    def prepare(self) -> None:
        """Imports the libraries that loading needs."""
        import frontier.engines.loaded.mlx  # noqa: F401

    def load(self, checkpoint: Path, settings: Settings) -> LoadedModel:
        """Loads a variant. Raises UnsupportedError, OutOfMemoryError or UserError (unreadable)."""
        from frontier.engines.loaded import mlx

        return mlx.load(checkpoint, settings)
