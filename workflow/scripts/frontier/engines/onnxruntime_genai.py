"""ONNX Runtime GenAI on a CPU: its own generation loop around the graph that its builder wrote."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from frontier.blocks import Plan
from frontier.checkpoints import genai_families
from frontier.engines import Engine, LoadedModel, Settings
from frontier.errors import Reason


class OnnxRuntimeGenAi(Engine):
    """Keys of an `onnxruntime_genai` block."""

    reads: Annotated[tuple[Literal["onnx_genai"], ...], Field(min_length=1), Plan]
    """The format that ONNX Runtime GenAI reads: a graph and its genai_config.json."""
    accelerators: Annotated[tuple[Literal["cpu"], ...], Field(min_length=1), Plan]
    """Only its build for CPUs is installed."""
    dtypes: Annotated[tuple[Literal["float32"], ...], Field(min_length=1), Plan] = ("float32",)
    """Its precision on a CPU."""

    @property
    def samples(self) -> bool:
        """True if it can choose tokens at random."""
        return True

    def why_not_architecture(self, architecture: str | None) -> Reason | None:
        """The reason for an architecture whose answers are not tested to be transformers'."""
        return genai_families.unreadable(architecture)

    def prepare(self) -> None:
        """Imports the libraries that loading needs."""
        import frontier.engines.loaded.onnxruntime_genai  # noqa: F401

    def load(self, checkpoint: Path, settings: Settings) -> LoadedModel:
        """Loads a variant. Raises UnsupportedError, OutOfMemoryError or UserError (unreadable)."""
        from frontier.engines.loaded import onnxruntime_genai

        return onnxruntime_genai.load(checkpoint, settings)
