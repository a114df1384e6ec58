"""Engines: the code that generates. A file each, with one class: `class LlamaCpp(Engine)`.

Its fields are the keys of its blocks in config/engines.yaml; `load` returns a model that answers
requests. A file does not import its engine's library at the top: planning reads the block in an
environment that lacks it. Code that needs the library is in engines/loaded/, or imported by `load`.
"""

from __future__ import annotations

import gc
import os
import platform
import resource
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from frontier import templates
from frontier.arrivals import Arrival
from frontier.blocks import Decides
from frontier.chosen import Chosen
from frontier.engine_block import EngineBlock
from frontier.errors import UnsupportedError
from frontier.quantizers import Quantizer
from frontier.registry import Registry

if TYPE_CHECKING:
    from frontier.engines.common.prompting import Prompting


@dataclass(frozen=True)
class Settings:
    """The settings of an engine for a cell, from its specification."""

    accelerator: str
    dtype: str
    threads: int
    prompt: str
    quantizer: Quantizer
    trust_remote_code: bool = False
    gpus: int = 0
    adapter: Path | None = None
    template_arguments: Mapping[str, Any] = field(default_factory=dict)
    template_date: date = templates.TODAY
    published: str | None = None
    """The method by which the checkpoint was published quantized, according to the plan."""


@dataclass(frozen=True)
class Generate:
    """A request for the text that greedily follows a prompt."""

    prompt: str
    max_new_tokens: int
    """Limit of generated tokens."""
    stop: tuple[str, ...] = ()
    """The text ends at the first of these, including special tokens."""


@dataclass(frozen=True)
class Choose:
    """A request for the likelihood of each of several texts after a prompt."""

    prompt: str
    choices: tuple[str, ...]
    """At least one; each as it follows the prompt, with its leading space."""


@dataclass(frozen=True)
class Generation:
    """The answer to `Generate`. Times are monotonic nanoseconds; all but the start relative to it.

    `arrivals` has all generated tokens (including end-of-text), each at the time at which the host
    received it. `end_ns` is the time at which the text was complete.
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
class Choice:
    """The answer to `Choose`. Times are like a `Generation`'s."""

    logprobs: list[float]
    """ln P(choice | prompt) for each choice, the sum over its tokens."""
    tokens: list[int]
    """The number of tokens of each choice."""
    prompt_tokens: int
    start_ns: int
    end_ns: int


@dataclass(frozen=True)
class Loaded:
    """Facts about a loaded model."""

    weights_bytes: int
    quantized_layers: int | None
    """None if only the job that produced the checkpoint knows."""
    kv_bytes_per_token: int | None
    """None if the key-value cache does not grow with each token, or, before the first
    request, if only the cache itself shows it."""
    kernel: str | None = None
    """The kernel in use, as text; None if there is no choice."""


class LoadedModel(ABC):
    """A variant that an engine has loaded, answering one request at a time."""

    model: Any
    """The library's own model; `close` forgets it."""
    prompting: Prompting
    """The checkpoint's tokenizer and prompt style."""
    loaded: Loaded
    """Complete after the first request."""

    def reserve(self, requests: Sequence[Generate]) -> int | None:
        """Allocates room for all requests, once, before the warm-up, if that helps.

        Returns the number of tokens if answers and times depend on it; None otherwise.
        """
        return None

    def render(self, prompt: str) -> str:
        """The prompt in the chat template. Raises UserError if the template fails."""
        return self.prompting.render(prompt)

    @abstractmethod
    def generate(self, request: Generate) -> Generation:
        """The greedy completion. Raises OutOfMemoryError, UnsupportedError (too long)."""

    def choose(self, request: Choose) -> Choice:
        """The choices' log-likelihoods, for engines that say `choose` in their `asks`.

        Raises OutOfMemoryError, UnsupportedError (too long, or not available in the engine).
        """
        raise UnsupportedError("the engine does not give the likelihood of a text")

    def processes(self) -> frozenset[int]:
        """The ids of the processes that do the work, whose load is the measurement's own."""
        return frozenset({os.getpid()})

    def host_peak_bytes(self) -> int:
        """Peak host memory of these processes."""
        return own_peak_bytes()

    def device_peak_bytes(self) -> int | None:
        """Peak device memory so far; None if the device shares the host's memory."""
        return None

    def close(self) -> None:
        """Releases the weights and the device's memory."""
        vars(self).pop("model", None)
        gc.collect()


def own_peak_bytes() -> int:
    """Peak memory of this process; Linux counts in KiB, macOS in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if platform.system() == "Darwin" else peak * 1024


class Engine(EngineBlock, ABC):
    """An engine as its block configures it."""

    def prepare(self) -> None:
        """Does the work that is not part of the load time: importing a library takes seconds."""

    @abstractmethod
    def load(self, checkpoint: Path, settings: Settings) -> LoadedModel:
        """Loads a variant from a folder in the hub's layout.

        Raises UnsupportedError with the reason that the report shows, OutOfMemoryError, UserError.
        """


ENGINES: Registry[Engine] = Registry("engines", Engine, mark=Decides)
CHOSEN = Chosen(ENGINES)
AnyEngine = Annotated[Engine, CHOSEN]
"""An engine with its keys, as a field of a specification."""
