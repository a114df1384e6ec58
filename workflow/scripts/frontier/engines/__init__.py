"""Engines: the code that generates. One file each; the file's name is its registration.

An engine module offers `load(checkpoint, settings) -> Engine`, where `checkpoint` is a folder in
the hub's layout and `settings` a `Settings`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, Protocol

from frontier.arrivals import Arrival
from frontier.catalogue import templates


@dataclass(frozen=True)
class Settings:
    """How an engine is to run: the decided part of a cell's specification."""

    accelerator: str
    dtype: str
    threads: int
    prompt: str
    method: str
    quantization: dict[str, Any] = field(default_factory=dict)
    trust_remote_code: bool = False
    gpus: int = 0
    compile: bool = False
    adapter: Path | None = None
    template_arguments: Mapping[str, Any] = field(default_factory=dict)
    template_date: date = templates.TODAY
    published: str | None = None
    """The method that the checkpoint was published quantized by, as the plan knows it."""


@dataclass(frozen=True)
class Generation:
    """One request's outcome. Times are monotonic nanoseconds; all but the start relative to it.

    `arrivals` has every generated token (an end-of-text token too), each at the time at which it
    was known to the host. `end_ns` is when the text was complete.
    """

    text: str
    prompt_tokens: int
    finish_reason: str
    start_ns: int
    arrivals: list[Arrival]
    end_ns: int

    @property
    def tokens(self) -> int:
        """The number of generated tokens."""
        return sum(arrival.tokens for arrival in self.arrivals)


@dataclass(frozen=True)
class Loaded:
    """What an engine holds in memory once loaded."""

    weights_bytes: int
    quantized_layers: int | None
    """None where only the job that made the checkpoint can tell."""
    kv_bytes_per_token: int | None
    kernel: str | None = None
    """What does the work, in words; None where there is nothing to choose from."""


class Engine(Protocol):
    """A loaded variant, answering one request at a time."""

    loaded: Loaded

    def reserve(self, prompts: Sequence[str], max_new_tokens: int) -> int | None:
        """Make room for all requests to come, once, before the warm-up, where that helps.

        Returns for how many tokens, where answers and times depend on that; None otherwise.
        """

    def render(self, prompt: str) -> str:
        """The text that a prompt becomes. Raises UserError where the chat template fails."""

    def generate(self, prompt: str, max_new_tokens: int, stop: tuple[str, ...]) -> Generation:
        """Greedy completion. Raises OutOfMemoryError, UnsupportedError (too long)."""

    def device_peak_bytes(self) -> int | None:
        """Most device memory held so far; None where the device shares the host's memory."""

    def close(self) -> None:
        """Release the weights and the device's memory."""


class Loader(Protocol):
    """An engine module."""

    def load(self, checkpoint: Path, settings: Settings) -> Engine:
        """Load a variant. Raises UnsupportedError, OutOfMemoryError or UserError."""
