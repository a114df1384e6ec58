"""The reasons why a model's adapter cannot be merged, or applied while loading."""

from __future__ import annotations

from frontier.catalogue.adapters import Adapter
from frontier.catalogue.models import Model
from frontier.checkpoints import adapter_files
from frontier.checkpoints.published import Published
from frontier.engine_block import EngineBlock
from frontier.errors import Reason


def why_not_adapted(
    model: Model, engine: EngineBlock, published: Published | None, *, prepares: bool
) -> Reason | None:
    """The reason why a model cannot have its adapter on an engine; None if it can, or has none.

    `published`: the checkpoint's quantization. `prepares`: a job converts the checkpoint first.
    """
    adapter = model.adapter
    if adapter is None:
        return None
    unmergeable = adapter_files.why_not_merged(_kind(adapter))
    if adapter.merged:
        if published:
            return f"published quantized: {published}: no adapter can be merged into it"
        if model.trust_remote_code:
            return "no adapter is merged into a checkpoint with code of its own"
        return unmergeable
    advice = "" if unmergeable or published else "; one with merged: true can be used"
    if not engine.adapters:
        return f"{engine.kind} does not apply adapters{advice}"
    if prepares:
        return f"an adapter is applied while loading, and this method converts first{advice}"
    return None


def _kind(adapter: Adapter) -> str:
    """An adapter's kind, by PEFT's names; empty for a hub's, whose files say it once fetched."""
    if adapter.grow:
        return adapter_files.OF_METHODS[adapter.grow.method]
    if adapter.path and (adapter.path / adapter_files.CONFIG).is_file():
        return adapter_files.kind(adapter.path)
    return ""
