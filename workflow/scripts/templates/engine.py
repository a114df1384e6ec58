"""A minimal engine: a loop over a model's forward pass, token by token."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from frontier.engines import Engine, Generate, Generation, Loaded, LoadedModel, Settings


class Example(Engine):
    """Keys of the `example` block: those of every engine."""

    def load(self, checkpoint: Path, settings: Settings) -> LoadedModel:
        """Loads a variant. Raises UserError (unreadable), UnsupportedError or OutOfMemoryError."""
        import torch

        from frontier.engines.common.loading import check_causal, load_whole
        from frontier.engines.common.prompting import Prompting

        torch.set_num_threads(settings.threads)
        check_causal(checkpoint)
        model = load_whole(checkpoint, dtype=torch.float32).eval()
        weights = sum(tensor.nbytes for tensor in model.parameters())
        loaded = Loaded(weights, quantized_layers=0, kv_bytes_per_token=None)
        return ExampleModel(model, Prompting.of(checkpoint, settings), loaded)


class ExampleModel(LoadedModel):
    """A model in memory, with the checkpoint's tokenizer and prompt style."""

    def __init__(self, model: Any, prompting: Any, loaded: Loaded) -> None:
        self.model, self.prompting, self.loaded = model, prompting, loaded

    def generate(self, request: Generate) -> Generation:
        """The greedy completion. Raises UnsupportedError (too long) or OutOfMemoryError."""
        import torch
        import transformers

        from frontier.engines.common.generating import out_of_memory
        from frontier.engines.common.kv_cache import kv_bytes_per_token

        start = time.perf_counter_ns()
        ids = self.prompting.encode(request.prompt, request.max_new_tokens)
        cache, fed = transformers.DynamicCache(config=self.model.config), ids
        tokens: list[int] = []
        token_ns: list[int] = []
        with torch.inference_mode(), out_of_memory():
            while len(tokens) < request.max_new_tokens:
                known = self.model(torch.tensor([fed]), past_key_values=cache, logits_to_keep=1)
                fed = [int(known.logits[0, -1].argmax())]
                token_ns.append(time.perf_counter_ns() - start)
                tokens += fed
                if fed[0] in self.prompting.eos or self.prompting.stopped(tokens, request.stop):
                    break
        self.loaded = replace(self.loaded, kv_bytes_per_token=kv_bytes_per_token(cache))
        return self.prompting.answer(len(ids), tokens, token_ns, start, request.stop)
