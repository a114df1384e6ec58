"""OpenVINO on a CPU, running the graph that optimum exported."""

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
    """Only its plugin for CPUs is used."""
    dtypes: Annotated[tuple[Literal["float32"], ...], Field(min_length=1), Plan] = ("float32",)
    """The precision that it is set to on every CPU."""

    @property
    def samples(self) -> bool:
        """True if it can choose tokens at random."""
        return True

    def prepare(self) -> None:
        """Imports the libraries that loading needs."""
        import frontier.engines.loaded.openvino  # noqa: F401

    def load(self, checkpoint: Path, settings: Settings) -> LoadedModel:
        """Loads a variant. Raises UnsupportedError, OutOfMemoryError or UserError (unreadable)."""
        from frontier.engines.loaded import openvino

        return openvino.load(checkpoint, settings)
