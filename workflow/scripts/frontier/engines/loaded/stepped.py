"""A pipeline of OpenVINO GenAI that answers step by step, one request or several together."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
import openvino
from openvino_genai import GenerationConfig, GenerationStatus

from frontier.engines import (
    Choice,
    Choose,
    Due,
    Failed,
    Generate,
    Generation,
    Loaded,
    LoadedModel,
)
from frontier.engines.common.bounding import check_bounded
from frontier.engines.common.generating import out_of_memory
from frontier.engines.common.prompting import Pair, Prompting
from frontier.errors import OutOfMemoryError, UnsupportedError
from frontier.requests import Request, Sampling
from frontier.techniques import Technique


class Limit(NamedTuple):
    """The most tokens of a request, and why."""

    tokens: int
    words: str


@dataclass(eq=False)
class Flight:
    """A request that the pipeline works on, and its tokens so far."""

    name: str
    request: Generate
    ids: list[int]
    start_ns: int
    handle: Any
    tokens: list[int] = field(default_factory=list)
    token_ns: list[int] = field(default_factory=list)
    accepted: int = 0
    answer: Generation | None = None


class SteppedModel(LoadedModel):
    """A pipeline of continuous batching, and the requests that are in it."""

    def __init__(
        self, pipeline: Any, prompting: Prompting, loaded: Loaded, most: int,
        techniques: Sequence[Technique], limits: Sequence[Limit],
    ) -> None:  # fmt: skip
        """`most`: requests that it works on at once."""
        self.model, self.prompting, self.loaded, self.most = pipeline, prompting, loaded, most
        given = (one.openvino_genai_generating() for one in techniques)
        self.keys = {name: value for one in given for name, value in one.items()}
        self.techniques = techniques
        self.speculates = any(one.SPECULATES for one in techniques)
        self.limits = limits
        self.flights: list[Flight] = []
        self.begun = 0

    def reserve(self, requests: Sequence[Request]) -> int | None:
        """Raises UnsupportedError if a bounded cache has room for each request: nothing changes."""
        check_bounded(self, self.techniques, requests)
        return None

    def generate(self, request: Generate) -> Generation:
        """The completion of a prompt. Raises OutOfMemoryError, UnsupportedError (too long)."""
        self._clear()
        flight = self._begin("", request)
        while flight.answer is None:
            self._step()
        return flight.answer

    def answer(self, requests: Sequence[Due]) -> Iterator[tuple[str, Generation | Failed]]:
        """Answers each request once it is due, several together. Raises OutOfMemoryError.

        A request joins the others between two of their tokens, and leaves them with its last one.
        """
        self._clear()
        if len(requests) > 1 and self.most > 1:
            self.loaded = replace(self.loaded, batching=f"continuous, at most {self.most} requests")
        waiting = deque(requests)
        while waiting or self.flights:
            if not self.flights:
                time.sleep(max(0, waiting[0].due_ns - time.perf_counter_ns()) / 1e9)
            while waiting and self._is_next(waiting[0]):
                one = waiting.popleft()
                self._begin(one.id, one.request)
            for flight in self._step():
                assert flight.answer is not None
                yield flight.name, flight.answer

    def _is_next(self, one: Due) -> bool:
        """Whether a request is due, and there is room for it."""
        return len(self.flights) < self.most and one.due_ns <= time.perf_counter_ns()

    def _begin(self, name: str, request: Generate) -> Flight:
        """Gives a request to the pipeline. Raises UnsupportedError if it is too long."""
        start = time.perf_counter_ns()
        ids = self._ids(request)
        handle = self._add(ids, max_new_tokens=request.max_new_tokens, **_random(request.sampling))
        flight = Flight(name, request, ids, start, handle)
        self.flights.append(flight)
        return flight

    def _ids(self, request: Generate) -> list[int]:
        """The prompt's ids. Raises UnsupportedError if a request is too long."""
        ids = super()._ids(request)
        self._check(len(ids) + request.max_new_tokens)
        return ids

    def _pairs(self, request: Choose) -> list[Pair]:
        """The ids of the prompt and each choice. Raises UnsupportedError if they are too long."""
        pairs = super()._pairs(request)
        self._check(max(len(one.before) + len(one.after) for one in pairs))
        return pairs

    def _check(self, tokens: int) -> None:
        for limit in self.limits:
            if tokens > limit.tokens:
                raise UnsupportedError(
                    f"a request of {tokens} tokens, new ones included, is longer than "
                    f"{limit.tokens}: {limit.words}"
                )

    def _add(self, ids: Sequence[int], **keys: Any) -> Any:
        config = GenerationConfig()
        # The ends of a text are found here, as for every engine; without one it would take -1.
        config.set_eos_token_id(min(self.prompting.eos, default=0))
        for name, value in {"ignore_eos": True, **self.keys, **keys}.items():
            setattr(config, name, value)
        self.begun += 1
        return self.model.add_request(self.begun, openvino.Tensor(np.array([ids])), config)

    def _step(self) -> list[Flight]:
        """Computes the next tokens of all requests; those whose answers are complete by then."""
        with out_of_memory():
            self.model.step()
        ended = []
        for flight in self.flights:
            self._read(flight)
            if flight.answer is not None:
                ended.append(flight)
        self.flights = [one for one in self.flights if one.answer is None]
        return ended

    def _read(self, flight: Flight) -> None:
        """Reads the tokens of a step, and the clock once the host has them."""
        new: list[int] = []
        while flight.handle.can_read():
            new += [token for one in flight.handle.read().values() for token in one.generated_ids]
        ns = time.perf_counter_ns() - flight.start_ns
        for at, token in enumerate(new, start=1):
            flight.tokens.append(token)
            flight.token_ns.append(ns)
            # The last token of a step is the model's own, and those before it were drafted.
            flight.accepted += at < len(new)
            if self._ends(flight):
                self._end(flight)
                return
        if flight.handle.get_status() == GenerationStatus.IGNORED:
            raise OutOfMemoryError("there is no memory for the key-value cache of a request")

    def _ends(self, flight: Flight) -> bool:
        """Whether the last token ends an answer."""
        request, tokens = flight.request, flight.tokens
        return (
            tokens[-1] in self.prompting.eos
            or len(tokens) >= request.max_new_tokens
            or self.prompting.stopped(tokens, request.stop)
        )

    def _end(self, flight: Flight) -> None:
        answer = self.prompting.answer(
            len(flight.ids), flight.tokens, flight.token_ns, flight.start_ns, flight.request.stop
        )
        if self.speculates:
            answer = replace(answer, accepted_tokens=flight.accepted)
        flight.answer = answer
        flight.handle.cancel()

    def _clear(self) -> None:
        """Drops what earlier requests have left; a step without requests computes nothing."""
        for flight in self.flights:
            flight.handle.cancel()
        self.flights = []
        while self.model.has_non_finished_requests():
            self.model.step()

    def choose(self, request: Choose) -> Choice:
        """The choices' log-likelihoods, by the pipeline's own `echo` of a text that it reads."""
        self._clear()
        start = time.perf_counter_ns()
        pairs = self._pairs(request)
        sums = [self._logprob([*one.before, *one.after], len(one.after)) for one in pairs]
        return Choice(
            logprobs=sums,
            tokens=[len(one.after) for one in pairs],
            prompt_tokens=len(pairs[0].before),
            start_ns=start,
            end_ns=time.perf_counter_ns() - start,
            merged=sum(one.merged for one in pairs),
        )

    def _logprob(self, ids: Sequence[int], last: int) -> float:
        """The sum of ln p of a text's last tokens, each given all before it."""
        handle = self._add(ids, max_new_tokens=0, echo=True, logprobs=1)
        found: list[float] = []
        while handle.get_status() == GenerationStatus.RUNNING:
            with out_of_memory():
                self.model.step()
            while handle.can_read():
                found += [
                    number for one in handle.read().values() for number in one.generated_log_probs
                ]
        if len(found) != len(ids):
            raise RuntimeError(f"{len(found)} log-probabilities of {len(ids)} tokens")
        return float(np.sum(found[-last:], dtype=np.float64))

    def close(self) -> None:
        """Releases the weights and the cache."""
        self._clear()
        super().close()


def _random(sampling: Sampling | None) -> dict[str, Any]:
    """The keys of `GenerationConfig` for random tokens; none for the likeliest."""
    if sampling is None:
        return {}
    own = {"temperature": sampling.temperature, "top_p": sampling.top_p}
    return {"do_sample": True, "rng_seed": sampling.seed, **own}
