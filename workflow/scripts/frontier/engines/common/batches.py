"""Batches: several requests through one `generate`, as many as the memory and the model permit.

Prompts of different lengths are padded on one side and masked, where the model computes the same
as without padding. That is tried, since it depends on its positions, its state and its code: an
architecture with a recurrent state, for example, may read the padding. Otherwise only prompts of
the same length share a batch. A row that has ended stays until all have, and its tokens after
that count nowhere.
"""

from __future__ import annotations

import time
from bisect import insort
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import torch
import transformers

from frontier.engines import Due, Failed, Generation, LoadedModel
from frontier.engines.common.padding import Row, Way, try_ways
from frontier.engines.common.prompting import Prompting
from frontier.errors import OutOfMemoryError

MOST_ROWS = 128
"""Rows of a batch at most: more gain little once reading the weights costs little of the time."""
MOST_FIXED = 32
"""The same where all batches have as many, so that the last one may be mostly empty."""
SHARE = 0.5
"""Share of the free memory that a batch may take by its estimate."""


class BatchClock(transformers.StoppingCriteria):  # type: ignore[misc]
    """Reads the clock at every step of a batch, and ends each row by itself."""

    def __init__(self, prompting: Prompting, start_ns: int, rows: Sequence[Row]) -> None:
        self.prompting, self.start_ns, self.rows = prompting, start_ns, rows

    def __call__(self, input_ids: torch.Tensor, _scores: Any, **_kwargs: Any) -> torch.Tensor:
        last: list[int] = input_ids[:, -1].tolist()  # waits for the device
        ns = time.perf_counter_ns() - self.start_ns
        for row, token in zip(self.rows, last, strict=False):
            if row.answer is None:
                self._add(row, token, ns)
        # Rows behind these only fill the batch.
        filled = [True] * (len(last) - len(self.rows))
        ended = [row.answer is not None for row in self.rows] + filled
        return torch.tensor(ended, dtype=torch.bool, device=input_ids.device)

    def _add(self, row: Row, token: int, ns: int) -> None:
        row.tokens.append(token)
        row.token_ns.append(ns)
        stop, most = row.request.stop, row.request.max_new_tokens
        if (
            token in self.prompting.eos
            or len(row.tokens) >= most
            or self.prompting.stopped(row.tokens, stop)
        ):
            self.end(row)

    def read(self, row: Row, tokens: Sequence[int], seconds: Sequence[float]) -> None:
        """Reads a row's tokens so far, which came at these moments, until it has ended."""
        for token, moment in zip(
            tokens[len(row.tokens) :], seconds[len(row.tokens) :], strict=True
        ):
            if row.answer is None:
                self._add(row, token, max(0, round(moment * 1e9) - self.start_ns))

    def end(self, row: Row) -> None:
        """Completes the answer of a row."""
        row.answer = self.prompting.answer(
            len(row.ids), row.tokens, row.token_ns, self.start_ns, row.request.stop
        )


class Batched(Protocol):
    """A model whose requests are computed in batches."""

    prompting: Prompting
    fixed_rows: bool
    """Whether all batches have the same number of rows, for which code was compiled."""
    exact: bool
    """Whether it computes in float32, without quantized layers."""

    def run(self, rows: Sequence[Row], clock: BatchClock, count: int) -> None:
        """Generates for the rows, padded to the longest, in a batch of `count`."""

    def next_tokens(self, prompts: Sequence[Sequence[int]]) -> list[torch.Tensor]:
        """The probabilities of the next tokens after each prompt, in one batch, step by step."""

    def free_bytes(self) -> int:
        """Memory that can still be allocated."""

    def release(self) -> None:
        """Returns what a failed batch has allocated."""

    def bytes_per_token(self) -> int:
        """Memory of a token in a batch: its cache, and while its prompt is read."""


@dataclass
class Batches:
    """The batches of one model; what its first ones show is known for the later ones."""

    model: Batched
    way: Way | None = None
    """The way in which they are computed; None until it was tried."""
    rows: int = MOST_ROWS
    tokens: int | None = None
    """Tokens of a batch at most, padding and new ones included."""
    side: str = "left"
    """The side on which prompts are padded."""

    def answer(self, requests: Sequence[Due]) -> Iterator[tuple[str, Generation]]:
        """Answers each request once it is due, the first due first, of those the longest first."""
        waiting = list(reversed(requests))
        ready: list[Row] = []
        while waiting or ready:
            if not ready:
                time.sleep(max(0, waiting[-1].due_ns - time.perf_counter_ns()) / 1e9)
            now = time.perf_counter_ns()
            while waiting and waiting[-1].due_ns <= now:
                insort(ready, self._row(waiting.pop()), key=lambda row: row.order)
            if ready:
                yield from self._next(ready)

    def _row(self, one: Due) -> Row:
        limit = one.request.max_new_tokens
        return Row(one.id, one.request, self.model.prompting.encode(one.request.prompt, limit), one)

    def _next(self, ready: list[Row]) -> Iterator[tuple[str, Generation]]:
        """Answers one batch of these, which are in order, and removes it."""
        if self.way is None:
            longest = max(ready, key=lambda row: row.length)
            self.way = try_ways(
                self.model.next_tokens, longest.ids, exact=self.model.exact, side=self.side
            )
        if self.tokens is None:
            room = int(SHARE * self.model.free_bytes())
            self.tokens = max(1, room // self.model.bytes_per_token())
            if self.model.fixed_rows:
                self.rows = self._fixed(ready)
        batch = self._choose(ready)
        count = self.rows if self.model.fixed_rows and self.way.together else len(batch)
        try:
            self._run(batch, count)
        except OutOfMemoryError:
            if count == 1:
                raise
            self.rows = count // 2
            self.tokens = min(self.tokens, self.rows * max(row.length for row in batch))
            batch = []
        if not batch:
            self.model.release()
            return
        chosen = {id(row) for row in batch}
        ready[:] = [row for row in ready if id(row) not in chosen]
        for row in batch:
            assert row.answer is not None
            yield row.id, row.answer

    def _fixed(self, ready: Sequence[Row]) -> int:
        """The number of rows of all batches: a power of two that fits, and that these fill."""
        assert self.tokens is not None
        longest = max(row.length for row in ready)
        fit = max(1, min(MOST_FIXED, self.tokens // longest))
        return min(1 << (len(ready) - 1).bit_length(), 1 << (fit.bit_length() - 1))

    def _choose(self, ready: Sequence[Row]) -> list[Row]:
        """The first of these, with as many after it as fit into one batch."""
        assert self.way is not None
        assert self.tokens is not None
        first, longest = ready[0], 0
        chosen: list[Row] = []
        most = self.rows if self.way.together else 1
        for row in ready:
            if not self.way.padded and len(row.ids) != len(first.ids):
                continue
            longest = max(longest, row.length)
            if len(chosen) == most or (chosen and (len(chosen) + 1) * longest > self.tokens):
                break
            chosen.append(row)
        return chosen

    def _run(self, batch: Sequence[Row], count: int) -> None:
        for row in batch:
            row.clear()
        clock = BatchClock(self.model.prompting, time.perf_counter_ns(), batch)
        self.model.run(batch, clock, count)
        for row in batch:
            if row.answer is None:  # a model's own `generate` may end sooner
                clock.end(row)


class Batching(LoadedModel):
    """A loaded model that answers several requests in batches."""

    batches: Batches

    def answer(self, requests: Sequence[Due]) -> Iterator[tuple[str, Generation | Failed]]:
        """Answers each request once it is due, several together. Raises OutOfMemoryError."""
        if len(requests) == 1:
            yield from super().answer(requests)
            return
        for name, answer in self.batches.answer(requests):
            if self.batches.way and self.loaded.batching is None:
                self.loaded = replace(self.loaded, batching=self.batches.way.words)
            yield name, answer
