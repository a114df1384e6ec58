"""An adapter's entry in the catalogue: its origin, and whether it is merged into its model."""

from __future__ import annotations

from typing import Annotated

from pydantic import model_validator

from frontier.blocks import Entry, Fetch, Measure
from frontier.catalogue.origins import HubId, LocalPath, Revision
from frontier.catalogue.recipe import AdapterRecipe

ORIGINS = ("hub", "path", "grow")


class Adapter(Entry):
    """A LoRA or other PEFT adapter: from a hub, from a local folder, or grown here."""

    hub: Annotated[HubId | None, Fetch] = None
    """Hub id."""
    revision: Annotated[Revision | None, Fetch] = None
    """Full commit hash."""
    path: LocalPath | None = None
    """Local adapter folder. The content that is read counts, not its place."""
    grow: Annotated[AdapterRecipe | None, Fetch] = None
    """Recipe to train it here, on a model that is grown too."""
    merged: Annotated[bool, Measure] = False
    """Add it to the weights, in a checkpoint of its own that any engine and quantization can take.
    Otherwise it stays next to them and is computed for each token."""

    @model_validator(mode="after")
    def _one_origin(self) -> Adapter:
        if sum(getattr(self, name) is not None for name in ORIGINS) != 1:
            raise ValueError(f"give exactly one of {', '.join(ORIGINS)}")
        if (self.hub is None) != (self.revision is None):
            raise ValueError("hub and revision go together")
        return self
