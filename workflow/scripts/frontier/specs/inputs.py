"""The specifications of programs that fetch datasets and checkpoints, and that quantize."""

from __future__ import annotations

from pydantic import Field, JsonValue, model_validator

from frontier.catalogue.origins import GgufFile, HubId, LocalPath, Revision
from frontier.catalogue.source import Source
from frontier.specs import Spec


class DatasetSpec(Spec):
    """The dataset's source."""

    source: Source


class ModelSpec(Spec):
    """The checkpoint's origin."""

    hub: HubId | None = None
    revision: Revision | None = None
    file: GgufFile | None = None
    """The GGUF file of the repository that is the whole model."""
    gated: bool = False
    path: LocalPath | None = None
    trust_remote_code: bool = False
    """Whether the checkpoint's own code is fetched too."""

    @model_validator(mode="after")
    def _one_origin(self) -> ModelSpec:
        if bool(self.hub) == bool(self.path):
            raise ValueError("give either hub or path")
        if bool(self.hub) != bool(self.revision):
            raise ValueError("hub and revision go together")
        return self


class QuantizeSpec(Spec):
    """A conversion and its options."""

    conversion: str
    options: dict[str, JsonValue] = Field(default_factory=dict)
