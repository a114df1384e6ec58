"""OpenVINO GenAI on a CPU: paged attention and continuous batching of exported graphs.

Its ContinuousBatchingPipeline, on which its LLMPipeline for CPUs is built as well, is asked step by
step: token ids in, token ids out. Its own tokenizer and streamers are not used.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from frontier.blocks import Measure, Plan
from frontier.engines import Engine, LoadedModel, Settings

Count = Annotated[int, Field(ge=1, le=10**6)]


class OpenVinoGenai(Engine):
    """Keys of an `openvino_genai` block."""

    reads: Annotated[tuple[Literal["openvino"], ...], Field(min_length=1), Plan]
    """The format that OpenVINO reads."""
    accelerators: Annotated[tuple[Literal["cpu"], ...], Field(min_length=1), Plan]
    """Only its plugin for CPUs is used."""
    dtypes: Annotated[tuple[Literal["float32"], ...], Field(min_length=1), Plan] = ("float32",)
    """The precision that it is set to on every CPU."""
    max_num_seqs: Annotated[Count, Measure] = 256
    """The most requests that it works on at once; 1: one after another."""
    max_num_batched_tokens: Annotated[Count, Measure] = 2048
    """The most tokens of a step, of all requests together. A longer prompt is read in parts."""

    @property
    def samples(self) -> bool:
        """True if it can choose tokens at random."""
        return True

    def prepare(self) -> None:
        """Imports the libraries that loading needs."""
        import frontier.engines.loaded.openvino_genai  # noqa: F401

    def load(self, checkpoint: Path, settings: Settings) -> LoadedModel:
        """Loads a variant. Raises UnsupportedError, OutOfMemoryError or UserError (unreadable)."""
        from frontier.engines.loaded import openvino_genai

        return openvino_genai.load(
            checkpoint, settings, self.max_num_seqs, self.max_num_batched_tokens
        )
