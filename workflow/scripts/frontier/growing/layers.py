"""The layers that training with rounded weights rounds."""

from __future__ import annotations

from collections.abc import Iterator

from torch import nn
from transformers import PreTrainedModel


def layers(model: PreTrainedModel) -> Iterator[tuple[str, nn.Linear]]:
    """The linear layers except the output head, by name."""
    head = model.get_output_embeddings()
    for name, module in list(model.named_modules()):
        if isinstance(module, nn.Linear) and module is not head:
            yield name, module
