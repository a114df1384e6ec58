"""Batches through transformers' `generate`, on all accelerators."""

from __future__ import annotations

import gc
from collections.abc import Sequence
from typing import Any

import torch
import transformers

from frontier.engines import Loaded
from frontier.engines.common.batches import BatchClock, Batches, Batching
from frontier.engines.common.generating import HfGenerateModel, out_of_memory
from frontier.engines.common.padding import Row
from frontier.engines.common.prompting import Prompting
from frontier.machine import torch_devices
from frontier.machine.limits import free_bytes

ACTIVATIONS = 32
"""Numbers per token and hidden dimension while a prompt is read, roughly."""
HIDDEN = 4096
"""Hidden dimensions of a model whose configuration does not give them."""
STEPS = 2
"""Tokens after a prompt that are compared: the second one is the first that uses the cache."""


class BatchedModel(Batching, HfGenerateModel):
    """A model in torch, whose requests can be computed in batches."""

    fixed_rows = False

    def __init__(self, model: Any, prompting: Prompting, loaded: Loaded, accelerator: str) -> None:
        super().__init__(model, prompting, loaded)
        self.accelerator = accelerator
        self.exact = model.dtype == torch.float32 and not loaded.quantized_layers
        self.batches = Batches(self)

    def run(self, rows: Sequence[Row], clock: BatchClock, count: int) -> None:
        """Generates for the rows, padded to the longest, in a batch of `count`."""
        prompts = [row.ids for row in rows]
        prompts += prompts[-1:] * (count - len(rows))
        new = max(row.request.max_new_tokens for row in rows)
        width = max(map(len, prompts))
        with self._first(), out_of_memory(self.allocation_errors):
            self.model.generate(
                **self._padded(prompts, width),
                max_new_tokens=new,
                stopping_criteria=transformers.StoppingCriteriaList([clock]),
                **self.arguments(width + new, count),
            )
            self.synchronize()

    def next_tokens(self, prompts: Sequence[Sequence[int]]) -> list[torch.Tensor]:
        """The probabilities of the next tokens after each prompt, in one batch.

        For each prompt of shape (STEPS, vocabulary).
        """
        with self._first(), out_of_memory(self.allocation_errors):
            output = self.model.generate(
                **self._padded(prompts, max(map(len, prompts))),
                max_new_tokens=STEPS,
                min_new_tokens=STEPS,
                output_logits=True,
                return_dict_in_generate=True,
                **self.techniques_arguments(),
            )
        if self.loaded.kv_bytes_per_token is None or not self.checked:
            self.look(getattr(output, "past_key_values", None))
        steps = torch.stack([one.float().softmax(dim=-1) for one in output.logits])
        return [steps[:, row].cpu() for row in range(len(prompts))]

    def _padded(self, prompts: Sequence[Sequence[int]], width: int) -> dict[str, Any]:
        """The ids, padded on the left to `width`, and the mask that hides the padding."""
        pad = self.model.generation_config.pad_token_id
        if pad is None or pad >= self.model.get_input_embeddings().weight.shape[0]:
            pad = 0  # which one is irrelevant, since it is masked
        ids = [[pad] * (width - len(prompt)) + list(prompt) for prompt in prompts]
        mask = [[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in prompts]
        tensors = (torch.tensor(rows, device=self.model.device) for rows in (ids, mask))
        return dict(zip(("input_ids", "attention_mask"), tensors, strict=True), pad_token_id=pad)

    def techniques_arguments(self) -> dict[str, Any]:
        """Further arguments of `generate` for the techniques with which it runs."""
        return {}

    def bytes_per_token(self) -> int:
        """Memory of a token in a batch, roughly: its cache, and while its prompt is read."""
        hidden = getattr(self.model.config.get_text_config(), "hidden_size", None) or HIDDEN
        cached = self.loaded.kv_bytes_per_token or 0
        return cached + ACTIVATIONS * hidden * int(self.model.dtype.itemsize)

    def free_bytes(self) -> int:
        """Memory that can still be allocated; of several GPUs that of the fullest, for each."""
        free = torch_devices.free_bytes(self.accelerator)
        return free_bytes() if free is None else free

    def release(self) -> None:
        """Returns what a failed batch has allocated."""
        gc.collect()
        torch_devices.empty_cache(self.accelerator)
