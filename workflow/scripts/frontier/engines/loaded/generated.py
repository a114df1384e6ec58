"""A model of transformers that answers through `generate`, on all accelerators."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import transformers

from frontier.engines import Choice, Choose, Generate, Generation, Loaded
from frontier.engines.common.bounding import check_bounded
from frontier.engines.common.prompting import Prompting, positions
from frontier.engines.loaded.batched import BatchedModel
from frontier.engines.loaded.drafting import Drafts
from frontier.errors import UnsupportedError
from frontier.machine import torch_devices
from frontier.requests import Request
from frontier.techniques import Technique


class TransformersModel(BatchedModel):
    """A causal language model on one accelerator, or spread over several GPUs."""

    def __init__(
        self, model: Any, prompting: Prompting, loaded: Loaded, accelerator: str,
        techniques: Sequence[Technique] = (), draft: Any = None,
    ) -> None:  # fmt: skip
        super().__init__(model, prompting, loaded, accelerator)
        self.techniques, self.draft = techniques, draft
        self.checked = not techniques
        self.most = draft and positions(draft.config)
        self.drafts = Drafts(model) if any(one.SPECULATES for one in techniques) else None
        made = (one.transformers_processing(prompting, _logits(model)) for one in techniques)
        self.processing = [one for one in made if one is not None]

    def arguments(self, tokens: int, rows: int = 1) -> dict[str, Any]:
        """The techniques' arguments. Raises UnsupportedError if the draft model has no room."""
        if self.most and tokens > self.most:
            raise UnsupportedError(
                f"a request of {tokens} tokens, new ones included, is longer than the draft "
                f"model's {self.most} positions"
            )
        return self.techniques_arguments()

    def techniques_arguments(self) -> dict[str, Any]:
        """The arguments of `generate` for the techniques with which it runs."""
        given = (one.transformers_generating(self.model, self.draft) for one in self.techniques)
        found = {name: value for one in given for name, value in one.items()}
        if self.processing:
            processors = [make() for make in self.processing]
            found["logits_processor"] = transformers.LogitsProcessorList(processors)
        return found

    def reserve(self, requests: Sequence[Request]) -> int | None:
        """Raises UnsupportedError if a bounded cache has room for each request: nothing changes."""
        check_bounded(self, self.techniques, requests)
        return None

    def choose(self, request: Choose) -> Choice:
        """The choices' log-likelihoods. Raises UnsupportedError too if a technique is idle."""
        found = super().choose(request)
        if not self.checked:
            self._check(None)
        return found

    def generate(self, request: Generate) -> Generation:
        """The completion of a prompt. Raises OutOfMemoryError, UnsupportedError (too long)."""
        if self.drafts:
            self.drafts.forget()
        return super().generate(request)

    def look(self, cache: Any) -> None:
        """Raises UnsupportedError if a technique changed nothing."""
        super().look(cache)
        for one in self.techniques:
            if one.cached_tokens and self.loaded.simulated and self.loaded.kv_bytes_per_token:
                windows = ((one.cached_tokens, self.loaded.kv_bytes_per_token),)
                self.loaded = replace(self.loaded, kv_windows=windows)
        self._check(cache)

    def _check(self, cache: Any) -> None:
        for one in self.techniques:
            if reason := one.idle_in_transformers(self.model, cache):
                raise UnsupportedError(f"{one.kind} changed nothing: {reason}")
        self.checked = True

    def traced(self, answer: Generation, ids: Sequence[int], tokens: Sequence[int]) -> Generation:
        """An answer with the traces of techniques in its tokens; its times are known by then."""
        for one in self.techniques:
            answer = replace(answer, **one.seen_in_transformers(self.model, ids, tokens))
        return self.drafts.counted(answer, tokens) if self.drafts else answer

    def synchronize(self) -> None:
        """Waits until the accelerator has finished its work; a CPU needs no waiting."""
        torch_devices.synchronize(self.accelerator)

    def device_peak_bytes(self) -> int | None:
        """Peak device memory so far; on mps, which records no peak, the current use."""
        return torch_devices.peak_bytes(self.accelerator)

    def close(self) -> None:
        """Releases the weights and the device's memory."""
        self.draft = self.drafts = None
        super().close()
        torch_devices.empty_cache(self.accelerator)


def _logits(model: Any) -> int:
    """The number of logits, which may be larger than the vocabulary."""
    rows: int = model.get_input_embeddings().weight.shape[0]
    return rows
