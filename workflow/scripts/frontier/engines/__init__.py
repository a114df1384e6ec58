"""Engines: the code that generates. A file each, with one class: `class LlamaCpp(Engine)`.

Its fields are the keys of its blocks in config/engines.yaml; `load` returns what answers requests.
A file imports no library of its engine at its top: planning reads the block in an environment that
lacks it. What needs the library lies in engines/loaded/, or is imported by `load`.
"""

from __future__ import annotations

import os
import platform
import resource
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Annotated, Any

from frontier import templates
from frontier.arrivals import Arrival
from frontier.blocks import Decides
from frontier.chosen import Chosen
from frontier.engine_block import EngineBlock
from frontier.errors import UnsupportedError
from frontier.quantizers import Quantizer
from frontier.registry import Registry


@dataclass(frozen=True)
class Settings:
    """How an engine is to run: the decided part of a cell's specification."""

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
    """The method that the checkpoint was published quantized by, as the plan knows it."""


@dataclass(frozen=True)
class Generate:
    """A request for the text that greedily follows a prompt."""

    prompt: str
    max_new_tokens: int
    """The text ends there at the latest."""
    stop: tuple[str, ...] = ()
    """It ends at the first of these, special tokens too."""


@dataclass(frozen=True)
class Choose:
    """A request for how likely each of several texts is to follow a prompt."""

    prompt: str
    choices: tuple[str, ...]
    """At least one; each as it stands behind the prompt, its leading space included."""


@dataclass(frozen=True)
class Generation:
    """The answer to `Generate`. Times are monotonic nanoseconds; all but the start relative to it.

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
class Choice:
    """The answer to `Choose`. Times are as a `Generation`'s."""

    logprobs: list[float]
    """Of each choice: ln P(choice | prompt), the sum over its tokens."""
    tokens: list[int]
    """Of each choice, how many it has."""
    prompt_tokens: int
    start_ns: int
    end_ns: int


@dataclass(frozen=True)
class Loaded:
    """What an engine holds in memory once loaded."""

    weights_bytes: int
    quantized_layers: int | None
    """None where only the job that made the checkpoint can tell."""
    kv_bytes_per_token: int | None
    kernel: str | None = None
    """What does the work, in words; None where there is nothing to choose from."""


class LoadedModel(ABC):
    """A variant that an engine has loaded, answering one request at a time."""

    loaded: Loaded

    def reserve(self, requests: Sequence[Generate]) -> int | None:
        """Make room for all requests to come, once, before the warm-up, where that helps.

        Returns for how many tokens, where answers and times depend on that; None otherwise.
        """
        return None

    @abstractmethod
    def render(self, prompt: str) -> str:
        """The text that a prompt becomes. Raises UserError where the chat template fails."""

    @abstractmethod
    def generate(self, request: Generate) -> Generation:
        """The greedy completion. Raises OutOfMemoryError, UnsupportedError (too long)."""

    def choose(self, request: Choose) -> Choice:
        """The choices' log-likelihoods, for engines that say `choose` in their `asks`.

        Raises OutOfMemoryError, UnsupportedError (too long, or the engine cannot tell them).
        """
        raise UnsupportedError("the engine does not tell how likely a given text is")

    def processes(self) -> frozenset[int]:
        """The ids of the processes that do the work: their load is the measurement's own."""
        return frozenset({os.getpid()})

    def host_peak_bytes(self) -> int:
        """Most host memory that these processes have held."""
        return own_peak_bytes()

    def device_peak_bytes(self) -> int | None:
        """Most device memory held so far; None where the device shares the host's memory."""
        return None

    def close(self) -> None:  # noqa: B027 an engine may hold nothing that is to be released
        """Release the weights and the device's memory."""


def own_peak_bytes() -> int:
    """Most memory that this process has held; Linux counts in KiB, macOS in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if platform.system() == "Darwin" else peak * 1024


class Engine(EngineBlock, ABC):
    """An engine as its block configures it."""

    def prepare(self) -> None:
        """Do what is no part of the time to load: importing a library takes seconds."""

    @abstractmethod
    def load(self, checkpoint: Path, settings: Settings) -> LoadedModel:
        """Load a variant from a folder in the hub's layout.

        Raises UnsupportedError with the reason that the report shows, OutOfMemoryError, UserError.
        """


ENGINES: Registry[Engine] = Registry("engines", Engine, mark=Decides)
CHOSEN = Chosen(ENGINES)
AnyEngine = Annotated[Engine, CHOSEN]
"""An engine with its keys, as a field of a specification."""
