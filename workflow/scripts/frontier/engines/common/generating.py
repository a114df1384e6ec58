"""Shared by engines whose models have transformers' `generate`.

These are transformers itself, and ONNX Runtime and OpenVINO through optimum.
"""

from __future__ import annotations

import inspect
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import torch
import transformers
from numpy.typing import NDArray

from frontier.checkpoints.own_code import raised_by_own_code
from frontier.engines import Choice, Choose, Generate, Generation, Loaded, LoadedModel
from frontier.engines.common import choices, kv_cache
from frontier.engines.common.prompting import Prompting
from frontier.errors import OutOfMemoryError, Reason, UnsupportedError, UserError, one_line
from frontier.requests import Sampling

OUT_OF_MEMORY = (
    "not enough memory",
    "out of memory",
    "Cannot allocate memory",
    "Failed to allocate",
    "alloc failed",
    "larger than available memory",
    "std::bad_alloc",
    "bad allocation",
)


class TokenClock(transformers.StoppingCriteria):  # type: ignore[misc]
    """Reads the clock at every token and ends generation at a stop text.

    A stopping criterion, not a streamer: on mps `generate` passes tokens to a streamer one forward
    pass late. Fetching the token waits for the device, so the time is the token's own.
    """

    def __init__(self, prompting: Prompting, start_ns: int, request: Generate, seen: int) -> None:
        """`seen`: the tokens of the prompt."""
        self.prompting, self.start_ns, self.request = prompting, start_ns, request
        self.seen = seen
        self.token_ns: list[int] = []
        self.tokens: list[int] = []

    def __call__(self, input_ids: torch.Tensor, _scores: Any, **_kwargs: Any) -> torch.Tensor:
        # A speculative step adds several tokens, those behind the answer's end among them.
        new: list[int] = input_ids[0, self.seen :].tolist()
        ns = time.perf_counter_ns() - self.start_ns
        self.seen += len(new)
        ended = any(self._ends(token, ns) for token in new)
        return torch.full((1,), ended, dtype=torch.bool, device=input_ids.device)

    def _ends(self, token: int, ns: int) -> bool:
        """Adds a token; returns whether the answer ends with it."""
        self.tokens.append(token)
        self.token_ns.append(ns)
        return (
            token in self.prompting.eos
            or len(self.tokens) >= self.request.max_new_tokens
            or self.prompting.stopped(self.tokens, self.request.stop)
        )


class HfGenerateModel(LoadedModel):
    """An engine around a model that has `generate`, in the host's memory."""

    allocation_errors: tuple[type[Exception], ...] = (RuntimeError,)
    """The exceptions that the engine's allocator raises for a lack of memory, among others."""
    first_failure: Reason = "transformers cannot generate with it"
    """The meaning of a failure of the very first request."""

    def __init__(self, model: Any, prompting: Prompting, loaded: Loaded) -> None:
        self.model, self.prompting, self.loaded = model, prompting, loaded
        self.answered = False
        self.checked = True
        """Whether the effect of the techniques is known; a first request shows it."""
        pad = prompting.tokenizer.pad_token_id
        # A checkpoint's own sampling and penalties would make its answers incomparable.
        own = transformers.GenerationConfig(
            do_sample=False,
            num_beams=1,
            eos_token_id=list(prompting.eos) or None,
            pad_token_id=pad if pad is not None else next(iter(prompting.eos), None),
        )
        # An adapter's model around it passes on its own, or nothing, by kind and task.
        bare = model.get_base_model() if hasattr(model, "get_base_model") else model
        model.generation_config = bare.generation_config = own

    def generate(self, request: Generate) -> Generation:
        """The completion of a prompt. Raises OutOfMemoryError, UnsupportedError (too long)."""
        self.synchronize()
        start = time.perf_counter_ns()
        ids = self.prompting.encode(request.prompt, request.max_new_tokens)
        inputs = torch.tensor([ids], device=self.model.device)
        clock = TokenClock(self.prompting, start, request, len(ids))
        with self._first(), out_of_memory(self.allocation_errors):
            unknown = self.loaded.kv_bytes_per_token is None or not self.checked
            output = self.model.generate(
                input_ids=inputs,
                attention_mask=torch.ones_like(inputs),
                max_new_tokens=request.max_new_tokens,
                stopping_criteria=transformers.StoppingCriteriaList([clock]),
                return_dict_in_generate=unknown,
                **_choice(request.sampling),
                **self.arguments(len(ids) + request.max_new_tokens),
            )
            self.synchronize()
        if unknown:
            self.look(getattr(output, "past_key_values", None))
        answer = self.prompting.answer(len(ids), clock.tokens, clock.token_ns, start, request.stop)
        return self.traced(answer, ids, clock.tokens)

    def traced(self, answer: Generation, ids: Sequence[int], tokens: Sequence[int]) -> Generation:
        """An answer with the traces of techniques in its tokens; its times are known by then."""
        return answer

    def look(self, cache: Any) -> None:
        """Records the facts that the cache of a first request shows."""
        self.loaded = replace(
            self.loaded,
            kv_bytes_per_token=kv_cache.kv_bytes_per_token(cache),
            kv_windows=kv_cache.kv_windows(cache),
            kv_waiting=kv_cache.waiting(cache),
        )

    def choose(self, request: Choose) -> Choice:
        """The choices' log-likelihoods. Raises OutOfMemoryError, UnsupportedError (too long)."""
        self.synchronize()
        return choices.choice(lambda: self._pairs(request), self.logits)

    def logits(self, ids: Sequence[int], last: int) -> NDArray[np.float32]:
        """The logits after each of the `last` ids of a text, without a cache."""
        fed = torch.tensor([ids], device=self.model.device)
        known = inspect.signature(self.model.forward).parameters
        fewer = {"logits_to_keep": last} if "logits_to_keep" in known else {}
        with self._first(), out_of_memory(self.allocation_errors), torch.no_grad():
            found = self.model(input_ids=fed, attention_mask=torch.ones_like(fed), **fewer).logits
            own: NDArray[np.float32] = found[0, -last:].float().cpu().numpy()
        if own.shape[0] != last:
            raise UnsupportedError("the model gives the logits of its last position only")
        return own

    @contextmanager
    def _first(self) -> Iterator[None]:
        """Raises UnsupportedError for any error of the first request.

        An architecture that `generate` cannot run fails there in its own way; a later failure has
        another cause.
        """
        try:
            yield
        except (UserError, UnsupportedError, OutOfMemoryError):
            raise
        except Exception as error:
            if self.answered or raised_by_own_code(error):
                raise
            what = f"{type(error).__name__}: {one_line(error)}"
            raise UnsupportedError(f"{self.first_failure}: {what[:300]}") from error
        self.answered = True

    def arguments(self, tokens: int, rows: int = 1) -> dict[str, Any]:
        """Further arguments of the model's `generate` for `rows` of `tokens` tokens in total."""
        return {}

    def synchronize(self) -> None:
        """Waits until the device has finished its work; a CPU needs no waiting."""


def _choice(sampling: Sampling | None) -> dict[str, Any]:
    """Arguments of `generate` for random tokens, and the seed set; none for the likeliest."""
    if sampling is None:
        return {}
    torch.manual_seed(sampling.seed)
    # Without 0, `generate` chooses from the 50 likeliest tokens only.
    own = {"temperature": sampling.temperature, "top_p": sampling.top_p, "top_k": 0}
    return {"do_sample": True, **own}


@contextmanager
def out_of_memory(
    allocation_errors: tuple[type[Exception], ...] = (RuntimeError,),
) -> Iterator[None]:
    """Turns allocators' errors into OutOfMemoryError: these, if the message says so."""
    try:
        yield
    except (MemoryError, torch.OutOfMemoryError) as error:
        raise OutOfMemoryError(one_line(error)) from error
    except allocation_errors as error:
        if any(words in str(error) for words in OUT_OF_MEMORY):
            raise OutOfMemoryError(one_line(error)) from error
        raise
