"""Hugging Face transformers on cpu, cuda and mps, as its users run it: through `generate`."""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import safetensors
import torch
import transformers

from frontier.engines import Generation, Loaded, OutOfMemoryError, Settings, UnsupportedError
from frontier.errors import UserError, one_line
from frontier.quantizers import load as load_quantizer

OUT_OF_MEMORY = ("not enough memory", "out of memory", "Cannot allocate memory")
STOP_WINDOW = 16  # tokens; a stop text is looked for in this much of the end


class _TokenClock(transformers.StoppingCriteria):  # type: ignore[misc]
    """Reads the clock at every token and ends generation at a stop text.

    A stopping criterion and not a streamer: on mps `generate` hands tokens to a streamer one
    forward pass late. Fetching the token waits for the device, so the time is the token's own.
    """

    def __init__(self, tokenizer: Any, start_ns: int, stop: tuple[str, ...]) -> None:
        self.tokenizer, self.start_ns, self.stop = tokenizer, start_ns, stop
        self.token_ns: list[int] = []
        self.tokens: list[int] = []

    def __call__(self, input_ids: torch.Tensor, _scores: Any, **_kwargs: Any) -> torch.Tensor:
        self.tokens.append(int(input_ids[0, -1].item()))
        self.token_ns.append(time.perf_counter_ns() - self.start_ns)
        return torch.full((1,), self.stopped(), dtype=torch.bool, device=input_ids.device)

    def stopped(self) -> bool:
        """Whether a stop text stands at the end of what has been generated."""
        if not self.stop:
            return False
        tail = self.tokenizer.decode(self.tokens[-STOP_WINDOW:], skip_special_tokens=True)
        return any(text in tail for text in self.stop)


class Transformers:
    """A causal language model and its tokenizer on one accelerator."""

    def __init__(self, model: Any, tokenizer: Any, settings: Settings) -> None:
        self.model, self.tokenizer, self.settings = model, tokenizer, settings
        quantizer = load_quantizer(settings.method)
        self.loaded = Loaded(
            weights_bytes=stored_bytes([*model.parameters(), *model.buffers()]),
            quantized_layers=quantizer.quantized_layers(model),
            kv_bytes_per_token=kv_bytes_per_token(model.config, settings.dtype),
        )
        eos = model.generation_config.eos_token_id
        if eos is None:
            eos = tokenizer.eos_token_id
        first_eos = eos[0] if isinstance(eos, list) else eos
        pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else first_eos
        # A checkpoint's own sampling and penalties would make its answers incomparable.
        model.generation_config = transformers.GenerationConfig(
            do_sample=False, num_beams=1, eos_token_id=eos, pad_token_id=pad
        )

    def _tokens(self, prompt: str) -> Any:
        """The prompt's ids, [1, n]; special tokens once, from the template or the tokenizer."""
        style = self.settings.prompt
        if style == "chat":
            prompt = self.tokenizer.apply_chat_template(
                [{"role": "user", "content": prompt}], add_generation_prompt=True, tokenize=False
            )
        elif style != "plain":
            prompt = style.replace("{prompt}", prompt)
        return self.tokenizer(prompt, return_tensors="pt", add_special_tokens=style != "chat")

    def generate(self, prompt: str, max_new_tokens: int, stop: tuple[str, ...]) -> Generation:
        """Greedy completion of `prompt`. Raises OutOfMemoryError, UnsupportedError (too long)."""
        synchronize(self.settings.accelerator)
        start = time.perf_counter_ns()
        inputs = self._tokens(prompt)
        self._check_length(inputs["input_ids"].shape[1] + max_new_tokens)
        clock = _TokenClock(self.tokenizer, start, stop)
        with _out_of_memory():
            self.model.generate(
                input_ids=inputs["input_ids"].to(self.model.device),
                attention_mask=inputs["attention_mask"].to(self.model.device),
                max_new_tokens=max_new_tokens,
                stopping_criteria=transformers.StoppingCriteriaList([clock]),
            )
            synchronize(self.settings.accelerator)
        text = self.tokenizer.decode(clock.tokens, skip_special_tokens=True)
        end = time.perf_counter_ns()
        cuts = [at for at in (text.find(mark) for mark in stop) if at >= 0]
        eos = self.model.generation_config.eos_token_id
        ended = clock.tokens[-1] in (eos if isinstance(eos, list) else [eos])
        return Generation(
            text=text[: min(cuts)] if cuts else text,
            prompt_tokens=inputs["input_ids"].shape[1],
            finish_reason="stop" if ended or clock.stopped() else "length",
            start_ns=start,
            token_ns=clock.token_ns,
            end_ns=end - start,
        )

    def _check_length(self, tokens: int) -> None:
        """Learned positions end; beyond its length any model answers for what it never saw."""
        positions = getattr(self.model.config, "max_position_embeddings", None)
        if positions is not None and tokens > positions:
            raise UnsupportedError(
                f"a request of {tokens} tokens, new ones included, is longer than the model's "
                f"{positions} positions"
            )

    def device_peak_bytes(self) -> int | None:
        """Most device memory held so far; on mps, which keeps no peak, what is held now."""
        if self.settings.accelerator == "cuda":
            return sum(
                torch.cuda.max_memory_allocated(gpu) for gpu in range(torch.cuda.device_count())
            )
        if self.settings.accelerator == "mps":
            return torch.mps.driver_allocated_memory()
        return None

    def close(self) -> None:
        """Release the weights and the device's memory."""
        del self.model
        gc.collect()
        if self.settings.accelerator == "cuda":
            torch.cuda.empty_cache()
        elif self.settings.accelerator == "mps":
            torch.mps.empty_cache()


def synchronize(accelerator: str) -> None:
    """Wait until the accelerator has done what it was given; the CPU needs no waiting."""
    if accelerator == "cuda":
        torch.cuda.synchronize()
    elif accelerator == "mps":
        torch.mps.synchronize()


def stored_bytes(tensors: list[torch.Tensor]) -> int:
    """Bytes that tensors really store: shared storage once, quantized ones by their parts."""
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


def kv_bytes_per_token(config: Any, dtype: str) -> int:
    """Bytes that the key-value cache grows by for each token: layers · kv_heads · head_dim · 2."""
    heads = config.num_attention_heads
    head_dim = getattr(config, "head_dim", None) or config.hidden_size // heads
    kv_heads = getattr(config, "num_key_value_heads", None) or heads
    if config.model_type == "falcon":
        # Falcon's new decoder (40B) has fewer key-value heads, but transformers caches them
        # broadcast to all of its heads.
        shared = config.multi_query and not config.new_decoder_architecture
        kv_heads = 1 if shared else heads
    width: int = getattr(torch, dtype).itemsize
    return int(config.num_hidden_layers * kv_heads * head_dim * 2 * width)


@contextmanager
def _out_of_memory() -> Iterator[None]:
    """Turns every allocator's own failure into OutOfMemoryError."""
    try:
        yield
    except (MemoryError, torch.OutOfMemoryError) as error:
        raise OutOfMemoryError(one_line(error)) from error
    except RuntimeError as error:
        # The CPU's and mps' allocators raise a plain RuntimeError.
        if any(words in str(error) for words in OUT_OF_MEMORY):
            raise OutOfMemoryError(one_line(error)) from error
        raise


def load(checkpoint: Path, settings: Settings) -> Transformers:
    """Load a variant. Raises UnsupportedError, OutOfMemoryError or UserError (unreadable)."""
    torch.set_num_threads(settings.threads)
    torch.manual_seed(0)
    transformers.utils.logging.disable_progress_bar()
    quantizer = load_quantizer(settings.method)
    options = quantizer.Options(**settings.quantization)
    several = settings.gpus > 1
    try:
        with _out_of_memory():
            tokenizer = transformers.AutoTokenizer.from_pretrained(
                checkpoint, trust_remote_code=settings.trust_remote_code
            )
            model = transformers.AutoModelForCausalLM.from_pretrained(
                checkpoint,
                dtype=getattr(torch, settings.dtype),
                use_safetensors=True,
                trust_remote_code=settings.trust_remote_code,
                device_map="auto" if several else {"": settings.accelerator},
                **quantizer.load_arguments(options),
            )
    except (OSError, ValueError, KeyError, safetensors.SafetensorError) as error:
        raise UserError(f"{checkpoint}: unreadable checkpoint: {one_line(error)[:300]}") from error
    if settings.prompt == "chat" and tokenizer.chat_template is None:
        raise UserError("prompt: chat, but the model's tokenizer has no chat template")
    model.eval()
    engine = Transformers(model, tokenizer, settings)
    if quantizer.expects_quantized(options) and not engine.loaded.quantized_layers:
        raise UnsupportedError(
            f"{settings.method} left all layers of {type(model).__name__} as they were"
        )
    return engine
