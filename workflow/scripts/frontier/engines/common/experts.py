"""The experts of a model of transformers, as they are stored in memory."""

from __future__ import annotations

from itertools import chain
from typing import Any

from frontier.checkpoints.experts import Experts, has_experts, in_layer, routed
from frontier.errors import UserError
from frontier.machine.tensors import stored_bytes


def held(model: Any) -> Experts | None:
    """The experts' bytes, which a quantization while loading changes; None for a model without."""
    config = model.config.get_text_config().to_dict()
    if not has_experts(config):
        return None
    count, used = in_layer(config)
    tensors = dict(chain(model.named_parameters(), model.named_buffers()))
    try:
        names = routed({name: one.shape for name, one in tensors.items()}, count or 0)
    except UserError as error:
        return Experts(count, used, missing=str(error))
    theirs = [tensors[name] for name in names]
    packed = any(not one.is_floating_point() for one in theirs)
    parameters = None if packed else sum(one.numel() for one in theirs)
    return Experts(count, used, stored_bytes(theirs), parameters)
