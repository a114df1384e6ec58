"""OpenVINO on a CPU, over the graph that optimum exported."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from frontier.blocks import Plan
from frontier.engines import Engine, LoadedModel, Settings


class OpenVino(Engine):
    """Keys of an `openvino` block."""

    reads: Annotated[tuple[Literal["openvino"], ...], Field(min_length=1), Plan]
    """The format that OpenVINO reads."""
    accelerators: Annotated[tuple[Literal["cpu"], ...], Field(min_length=1), Plan]
    """Its plugin for CPUs is what is used."""
    dtypes: Annotated[tuple[Literal["float32"], ...], Field(min_length=1), Plan] = ("float32",)
    """What it is asked to compute in, on every CPU."""

    def prepare(self) -> None:
        """Import what loading needs."""
        import frontier.engines.loaded.openvino  # noqa: F401

    def load(self, checkpoint: Path, settings: Settings) -> LoadedModel:
        """Load a variant. Raises UnsupportedError, OutOfMemoryError or UserError (unreadable)."""
        from frontier.engines.loaded import openvino

        return openvino.load(checkpoint, settings)
