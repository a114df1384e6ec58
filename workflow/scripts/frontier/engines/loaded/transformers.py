"""Hugging Face transformers on cpu, cuda and mps, as its users run it: through `generate`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import transformers
import transformers.modeling_utils  # takes most of a second, which is not part of the load time

from frontier.engines import Generate, Generation, Loaded, Settings
from frontier.engines.common import loading
from frontier.engines.common.adapted import with_adapter
from frontier.engines.common.batches import BatchClock
from frontier.engines.common.generating import out_of_memory
from frontier.engines.common.padding import Row
from frontier.engines.common.prompting import Prompting
from frontier.engines.loaded.batched import BatchedModel
from frontier.errors import Reason, UnsupportedError, one_line
from frontier.quantizers import Quantizer
from frontier.quantizers.common.published import loader_of
from frontier.requests import Request

LEAST_CACHE = 256  # tokens; a compiled model's cache has this length, or doublings of it


class TransformersModel(BatchedModel):
    """A causal language model on one accelerator, or spread over several GPUs."""

    def synchronize(self) -> None:
        """Waits until the accelerator has finished its work; a CPU needs no waiting."""
        if self.accelerator == "cuda":
            torch.cuda.synchronize()
        elif self.accelerator == "mps":
            torch.mps.synchronize()

    def device_peak_bytes(self) -> int | None:
        """Peak device memory so far; on mps, which records no peak, the current use."""
        if self.accelerator == "cuda":
            return sum(
                torch.cuda.max_memory_allocated(gpu) for gpu in range(torch.cuda.device_count())
            )
        if self.accelerator == "mps":
            return torch.mps.driver_allocated_memory()
        return None

    def close(self) -> None:
        """Releases the weights and the device's memory."""
        super().close()
        if self.accelerator == "cuda":
            torch.cuda.empty_cache()
        elif self.accelerator == "mps":
            torch.mps.empty_cache()


class CompiledModel(TransformersModel):
    """`generate` with torch.compile, which compiles the decoding step and runs prompts eagerly.

    The compiled code is valid for one length of the key-value cache and any prompt that fits, so
    the cache persists between requests and only grows, by doubling. It is valid for one number of
    rows too, so all batches have as many.
    """

    fixed_rows = True
    first_failure: Reason = "torch.compile failed"

    def __init__(self, model: Any, prompting: Prompting, loaded: Loaded, accelerator: str) -> None:
        super().__init__(model, prompting, loaded, accelerator)
        # reduce-overhead uses CUDA graphs; without the flag `generate` compiles for GPUs only.
        mode = "reduce-overhead" if accelerator == "cuda" else "default"
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
        return {"past_key_values": self.caches[rows]}

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


def stored_bytes(tensors: list[torch.Tensor]) -> int:
    """The bytes stored by tensors: shared storage once, quantized tensors by their parts."""
    seen: dict[tuple[str, int], int] = {}
    waiting = list(tensors)
    while waiting:
        tensor = waiting.pop()
        if hasattr(tensor, "__tensor_flatten__"):
            waiting.extend(getattr(tensor, name) for name in tensor.__tensor_flatten__()[0])
        else:
            key = (str(tensor.device), tensor.untyped_storage().data_ptr())
            seen[key] = tensor.untyped_storage().nbytes()
    return sum(seen.values())


def load(checkpoint: Path, settings: Settings, *, compiled: bool = False) -> TransformersModel:
    """Loads a variant, `compiled` if requested.

    Raises UnsupportedError, OutOfMemoryError or UserError (unreadable).
    """
    torch.set_num_threads(settings.threads)
    torch.manual_seed(0)
    transformers.utils.logging.disable_progress_bar()
    published = loader_of(checkpoint, settings.quantizer, settings.published)
    loading.check_causal(checkpoint, trust_remote_code=settings.trust_remote_code)
    loading.check_complete(checkpoint, trust_remote_code=settings.trust_remote_code)
    prompting = Prompting.of(checkpoint, settings)
    loader = published or type(settings.quantizer)
    model = _model(checkpoint, settings, published)
    if settings.adapter:
        # Before any forward pass, since some kernels repack their weights on the first.
        model = with_adapter(model, settings.adapter)
    model.eval()
    if compiled:
        check_compilable(model, settings)
    loaded = Loaded(
        weights_bytes=stored_bytes([*model.parameters(), *model.buffers()]),
        quantized_layers=loader.quantized_layers(model),
        kv_bytes_per_token=None,  # known from the cache of the first request
        kernel=loader.kernel(model),
    )
    if loaded.quantized_layers == 0 and expects_quantized(settings, published):
        what = f"{settings.published}, as published," if published else settings.quantizer.method
        raise UnsupportedError(f"{what} quantized no layer of {type(model).__name__}")
    kind = CompiledModel if compiled else TransformersModel
    return kind(model, prompting, loaded, settings.accelerator)


def expects_quantized(settings: Settings, published: type[Quantizer] | None) -> bool:
    """True if layers must be quantized after loading; transformers itself may unpack some."""
    if published:
        return published is not type(settings.quantizer)
    return settings.quantizer.expects_quantized()


def _model(checkpoint: Path, settings: Settings, published: type[Quantizer] | None) -> Any:
    """The model as loaded by its quantizer, or by that of its published quantization."""
    dtype = getattr(torch, settings.dtype)

    def from_pretrained(**arguments: Any) -> Any:
        own = {
            "dtype": dtype,
            "trust_remote_code": settings.trust_remote_code,
            "device_map": "auto" if settings.gpus > 1 else {"": settings.accelerator},
        }
        return loading.load_whole(checkpoint, **own | arguments)

    with out_of_memory():
        if published:
            model = loading.load_published(checkpoint, published, from_pretrained, dtype)
        else:
            model = settings.quantizer.load_model(from_pretrained)
    loading.check_range(model)
    return model
