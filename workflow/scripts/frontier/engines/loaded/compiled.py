"""transformers' `generate` with torch.compile and a static key-value cache."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
import transformers

from frontier.engines import Generate, Generation, Loaded, Settings
from frontier.engines.common.batches import BatchClock
from frontier.engines.common.padding import Row
from frontier.engines.common.prompting import Prompting
from frontier.engines.loaded.generated import TransformersModel
from frontier.errors import Reason, UnsupportedError, one_line
from frontier.machine import torch_devices
from frontier.requests import Request
from frontier.techniques import Technique

LEAST_CACHE = 256  # tokens; a compiled model's cache has this length, or doublings of it


class CompiledModel(TransformersModel):
    """`generate` with torch.compile, which compiles the decoding step and runs prompts eagerly.

    The compiled code is valid for one length of the key-value cache and any prompt that fits, so
    the cache persists between requests and only grows, by doubling. It is valid for one number of
    rows too, so all batches have as many.
    """

    fixed_rows = True
    first_failure: Reason = "torch.compile failed"

    def __init__(
        self, model: Any, prompting: Prompting, loaded: Loaded, accelerator: str,
        techniques: Sequence[Technique] = (), draft: Any = None,
    ) -> None:  # fmt: skip
        super().__init__(model, prompting, loaded, accelerator, techniques, draft)
        # reduce-overhead uses CUDA graphs; without the flag `generate` compiles for GPUs only.
        mode = "reduce-overhead" if torch_devices.captures(accelerator) else "default"
        config = transformers.CompileConfig(mode=mode, dynamic=False)
        config._compile_all_devices = True
        model.generation_config.compile_config = config
        self.caches: dict[int, Any] = {}
        """The caches by their number of rows."""
        self.length = LEAST_CACHE

    def reserve(self, requests: Sequence[Request]) -> int | None:
        """Sizes the cache for the longest request, so that one compilation serves all.

        The whole cache is read for each token, even of a short request.
        """
        super().reserve(requests)
        generated = [one for one in requests if isinstance(one, Generate)]
        if not generated:  # choices need no cache
            return None
        self._fit(
            max(
                len(self.prompting.encode(one.prompt, one.max_new_tokens)) + one.max_new_tokens
                for one in generated
            )
        )
        return self.length

    def _fit(self, tokens: int) -> None:
        while self.length < tokens:
            self.length *= 2
            self.caches.clear()

    def arguments(self, tokens: int, rows: int = 1) -> dict[str, Any]:
        """The emptied cache."""
        self._fit(tokens)
        if rows not in self.caches:
            cache = transformers.StaticCache(self.model.config, max_cache_len=self.length)
            self.caches[rows] = cache
        self.caches[rows].reset()
        return {**super().arguments(tokens, rows), "past_key_values": self.caches[rows]}

    def generate(self, request: Generate) -> Generation:
        """Greedy completion. Raises UnsupportedError too if the model cannot be compiled."""
        with _compiling():
            return super().generate(request)

    def run(self, rows: Sequence[Row], clock: BatchClock, count: int) -> None:
        """Generates for the rows. Raises UnsupportedError too if this cannot be compiled."""
        with _compiling():
            super().run(rows, clock, count)

    def next_tokens(self, prompts: Sequence[Sequence[int]]) -> list[torch.Tensor]:
        """The probabilities of the next tokens, by code that is not compiled."""
        answered = self.answered
        found = super().next_tokens(prompts)
        self.answered = answered
        return found

    def close(self) -> None:
        """Releases the compiled code too, which references the model."""
        self.caches.clear()
        torch._dynamo.reset()
        super().close()


@contextmanager
def _compiling() -> Iterator[None]:
    try:
        yield
    except torch._dynamo.exc.TorchDynamoException as error:
        raise UnsupportedError(f"torch.compile failed: {one_line(error)[:300]}") from error


def check_compilable(model: Any, settings: Settings) -> None:
    """Raises UnsupportedError for models that `generate` would only warn about and not compile."""
    quantizer = getattr(model, "hf_quantizer", None)
    if not model._can_compile_fullgraph or (quantizer and not quantizer.is_compileable):
        what = f"{settings.quantizer.method} layers" if quantizer else type(model).__name__
        raise UnsupportedError(f"transformers cannot compile {what}")
    if settings.accelerator == "cpu":
        # Imported here, since it takes a second.
        from torch._inductor import cpp_builder
        from torch._inductor.exc import InvalidCxxCompiler

        try:
            cpp_builder.get_cpp_compiler()
        except InvalidCxxCompiler as error:
            raise UnsupportedError("torch.compile needs a C++ compiler; none found") from error
