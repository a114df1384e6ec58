"""The second model that a technique loads: its place next to the first, and its bytes."""

from __future__ import annotations

import json
from dataclasses import replace

from frontier.catalogue.entries import Catalogue
from frontier.catalogue.models import Model
from frontier.checkpoints.safetensor_files import CONFIG
from frontier.errors import Reason
from frontier.planning.placement import Placement, kv_cache_bytes


def why_no_model(model: Model) -> Reason | None:
    """The reason why a checkpoint cannot be measured by itself; None if it can."""
    if model.head_of:
        return f"a draft head of {model.head_of}, and no model of its own (head_of)"
    return None


def draft_of(found: Placement, catalogue: Catalogue) -> tuple[str, Placement] | None:
    """The id of a variant's draft model and its native placement; None without one."""
    names = (one.draft_model for one in found.techniques)
    name = next(filter(None, names), None)
    if name is None:
        return None
    native, model = catalogue.quantizations["native"], catalogue.models[name]
    return name, replace(found, quantizer=native, model=model, techniques=(), served=None)


def draft_bytes(found: Placement, catalogue: Catalogue, new_tokens: int) -> int:
    """Estimated bytes of the draft model's weights and cache; 0 of what is not there or unknown."""
    draft = draft_of(found, catalogue)
    if draft is None:
        return 0
    _, its = draft
    cache = kv_cache_bytes(its.model, its.engine, its.dtype, new_tokens)
    return (its.weight_bytes or 0) + (cache or 0)


def why_not_drafted(found: Placement, catalogue: Catalogue) -> Reason | None:
    """The reason why a variant's draft model cannot be loaded next to it; None if it can."""
    draft = draft_of(found, catalogue)
    if draft is None:
        return None
    name, its = draft
    if its.model == found.model:
        return f"{name} is the model itself, which is no draft of its own"
    if reason := _head(found, its.model, catalogue):
        return f"its draft, {name}: {reason}"
    if reason := its.unsupported() or _not_plain(its) or _vocabulary(found, its.model):
        return f"its draft, {name}: {reason}"
    return None


def _head(found: Placement, draft: Model, catalogue: Catalogue) -> Reason | None:
    """The reason why a draft is no head of the model where it must be one, or is one elsewhere."""
    by = next(one for one in found.techniques if one.draft_model)
    if not by.DRAFTS_BY_A_HEAD:
        return why_no_model(draft)
    if draft.head_of is None:
        return f"is no draft head (head_of), which {by.kind} needs"
    if catalogue.models[draft.head_of] != found.model:
        return f"is a draft head of {draft.head_of}, not of this model"
    return None


def _not_plain(draft: Placement) -> Reason | None:
    """The reason why a draft would be another model than its block says."""
    if draft.model.applied:
        return "no adapter is put on a draft model"
    if draft.model.trust_remote_code:
        return "a draft model's own code (trust_remote_code) is not run"
    if draft.published and not draft.model.gguf:
        return "a draft model is loaded at its native precision, and this one is quantized"
    return None


def _vocabulary(found: Placement, draft: Model) -> Reason | None:
    """The reason why a draft's ids are other tokens, if that is known without a fetch.

    Servers take embeddings of somewhat different sizes.
    """
    model = found.model
    if model.grow and draft.grow:
        own, its = (
            {name: one.prompt for name, one in grown.corpora.items()}
            for grown in (model.grow, draft.grow)
        )
        same = own == its and model.grow.seed == draft.grow.seed
        return None if same else "was grown on other corpora, so its vocabulary is another"
    sizes = _size(draft), _size(model)
    if None in sizes or sizes[0] == sizes[1] or found.engine.starts_servers:
        return None
    return f"has a vocabulary of {sizes[0]} tokens, the model itself of {sizes[1]}"


def _size(model: Model) -> int | None:
    """The rows of a model's embedding, as declared or as read from a local folder."""
    if model.vocabulary or not model.path:
        return model.vocabulary
    try:
        read = json.loads((model.path / CONFIG).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None  # loading it says what is wrong
    size = read.get("vocab_size") if isinstance(read, dict) else None
    return size if isinstance(size, int) else None
