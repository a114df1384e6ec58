"""transformers' continuous batching: a thread computes, and tokens are read as they come."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import transformers

from frontier.engines import Due, Failed, Generation, Loaded
from frontier.engines.common.batches import SHARE, BatchClock
from frontier.engines.common.generating import OUT_OF_MEMORY
from frontier.engines.common.padding import Row
from frontier.engines.common.prompting import Prompting
from frontier.engines.loaded.generated import TransformersModel
from frontier.errors import OutOfMemoryError, Reason, UnsupportedError, one_line
from frontier.requests import Request
from frontier.techniques import Technique

WAIT_S = 1.0
"""The time after which it is looked whether the thread still runs."""


class ContinuousModel(TransformersModel):
    """A model whose requests share one running batch."""

    first_failure: Reason = "transformers cannot batch it continuously"

    def __init__(
        self, model: Any, prompting: Prompting, loaded: Loaded, accelerator: str,
        techniques: Sequence[Technique] = (), draft: Any = None,
    ) -> None:  # fmt: skip
        super().__init__(model, prompting, loaded, accelerator, techniques, draft)
        self.block: Any = next(one for one in techniques if one.CONTINUES)
        self.bare = model.get_base_model() if hasattr(model, "get_base_model") else model
        self.manager: Any = None
        self.room = 0
        """The tokens for which the cache has room."""
        self.asked = 0

    def reserve(self, requests: Sequence[Request]) -> int | None:
        """Allocates the cache for the longest of these requests together."""
        super().reserve(requests)
        self._start(sorted(map(self._tokens, requests)))
        return None

    def answer(self, requests: Sequence[Due]) -> Iterator[tuple[str, Generation | Failed]]:
        """Answers each request once it is due, all in one batch. Raises OutOfMemoryError."""
        time.sleep(max(0, max(one.due_ns for one in requests) - time.perf_counter_ns()) / 1e9)
        start = time.perf_counter_ns()
        rows = {f"{self.asked + at}": self._row(one) for at, one in enumerate(requests)}
        self.asked += len(rows)
        with self._first():
            self._start(sorted(row.length for row in rows.values()))
            yield from self._answers(rows, BatchClock(self.prompting, start, [*rows.values()]))

    def _row(self, one: Due) -> Row:
        return Row(one.id, one.request, self._ids(one.request), one)

    def _answers(self, rows: dict[str, Row], clock: BatchClock) -> Iterator[tuple[str, Generation]]:
        """The answers in the order of their ends; what is then not asked for any more is ended."""
        for name, row in rows.items():
            self.manager.add_request(
                row.ids, request_id=name, max_new_tokens=row.request.max_new_tokens,
                record_timestamps=True, eos_token_id=[*self.prompting.eos] or -1,
                streaming=bool(row.request.stop),
            )  # fmt: skip
        waiting, spans = dict(rows), []
        try:
            while waiting:
                found = self.manager.get_result(timeout=WAIT_S)
                if found is None and not self.manager.is_running():
                    raise RuntimeError("transformers' thread for continuous batching has ended")
                if found is None or found.request_id not in waiting:
                    continue
                row = waiting[found.request_id]
                if found.error:
                    raise _failure(found.error)
                clock.read(row, found.generated_tokens, found.timestamps)
                if row.answer is None and found.is_finished():
                    clock.end(row)
                if row.answer is None:
                    continue
                del waiting[found.request_id]
                if not found.is_finished():
                    self.manager.cancel_request(found.request_id)
                spans.append((found.lifespan[0], found.timestamps[-1]))
                if not waiting and not self.checked:
                    self._look(spans)
                yield row.id, row.answer
        finally:
            for name in waiting:
                self.manager.cancel_request(name)

    def _start(self, lengths: Sequence[int]) -> None:
        """Starts the thread, with a cache for the longest of these together, if that has no room.

        The cache takes at most half of the free memory; requests wait if it is full.
        """
        each = _bytes_per_token(self.bare.config.get_text_config(), self.model.dtype.itemsize)
        page = self.block.page
        need = sum(-(-(one + 1) // page) * page for one in lengths[-self.block.requests :])
        if self.manager is not None and need <= self.room:
            return
        self._stop()
        self.room = max(lengths[-1] + page, min(need, int(SHARE * self.free_bytes()) // each))
        settings = transformers.ContinuousBatchingConfig(**self.block.settings(self.room))
        ends = [*self.prompting.eos] or -1
        generation = transformers.GenerationConfig(do_sample=False, eos_token_id=ends)
        self.manager = self.bare.init_continuous_batching(
            generation_config=generation, continuous_batching_config=settings
        )
        self.manager.start()

    def _look(self, spans: Sequence[tuple[float, float]]) -> None:
        """Raises UnsupportedError if the pages or the batch were not used; records what they are.

        `spans`: the beginnings and ends of the requests.
        """
        cache = self.manager.batch_processor.cache
        if not bool(cache.cache_tensor.any()):
            raise UnsupportedError(
                f"{self.block.kind} changed nothing: {type(self.bare).__name__} wrote nothing into "
                "its pages"
            )
        ordered = sorted(spans)
        together = any(later[0] < sooner[1] for sooner, later in pairwise(ordered))
        if len(spans) > 1 and not together:
            raise UnsupportedError(
                f"{self.block.kind} changed nothing: no two requests were computed together"
            )
        parts = [
            (one.bytes_per_block / one.tokens_per_page, getattr(one, "sliding_window", None))
            for one in cache.cache_allocators.values()
        ]
        self.loaded = replace(
            self.loaded,
            kv_bytes_per_token=round(sum(each for each, _ in parts)),
            kv_windows=tuple((window, round(each)) for each, window in parts if window),
            batching=f"continuously, at most {self.block.requests} requests, a cache in pages",
        )
        self.checked = len(spans) > 1

    def _stop(self) -> None:
        if self.manager is not None:
            self.manager.stop(block=True, hard_stop=True)
            self.manager.destroy()
            self.manager = None

    def close(self) -> None:
        """Ends the thread, and releases its cache with the weights."""
        self._stop()
        del self.bare
        super().close()


def _bytes_per_token(config: Any, width: int) -> int:
    """The bytes of a token in all layers' caches, by the model's configuration."""
    heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
    size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    return int(2 * config.num_hidden_layers * heads * size * width)


def _failure(text: str) -> Exception:
    """The exception for a request that failed in transformers' thread."""
    if any(words in text for words in OUT_OF_MEMORY):
        return OutOfMemoryError(one_line(Exception(text)))
    return RuntimeError(text)
