"""Engines: the code that generates. A file each, with one class: `class LlamaCpp(Engine)`.

Its fields are the keys of its blocks in config/engines.yaml; `load` returns a model that answers
requests. A file does not import its engine's library at the top: planning reads the block in an
environment that lacks it. Code that needs the library is in engines/loaded/, or imported by `load`.
"""

from __future__ import annotations

import gc
import os
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from frontier import templates
from frontier.blocks import Decides
from frontier.chosen import Chosen
from frontier.engine_block import EngineBlock
from frontier.engines.common.facts import Loaded, ServerFacts
from frontier.errors import Reason, UnsupportedError, UserError
from frontier.host.budget import Budget
from frontier.prompts import Prompt, as_chat
from frontier.quantizers import Quantizer
from frontier.registry import Registry
from frontier.requests import Choice, Choose, Due, Failed, Generate, Generation, Request
from frontier.serving import memory
from frontier.techniques import Technique

__all__ = [
    "AnyEngine", "Choice", "Choose", "Due", "Engine", "Failed", "Generate", "Generation", "Loaded",
    "LoadedModel", "ServerFacts", "Settings",
]  # fmt: skip
"""All that an engine's file needs, the shapes of frontier/requests.py included."""

if TYPE_CHECKING:
    from frontier.engines.common.prompting import Pair, Prompting


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
    served: str | None = None
    """The model's name at an endpoint that runs elsewhere; None: there is a checkpoint."""
    system: str | None = None
    """The text of the system message before each prompt."""
    prefix_cache: bool = False
    """Whether a server may answer from the cached prefix of earlier prompts."""
    engine_id: str = "engine"
    """The engine's id in engines.yaml, for messages."""
    log: Path = Path("server.log")
    """The file for the output of a server that is started."""
    techniques: tuple[Technique, ...] = ()
    draft: Path | None = None
    """The folder of the second model that a technique loads, in the engine's format."""
    budget: Budget = field(default_factory=Budget)
    """The money left; every request to an endpoint reserves some before it is sent."""


class LoadedModel(ABC):
    """A variant that an engine has loaded, answering one request at a time."""

    model: Any
    """The library's own model; `close` forgets it."""
    prompting: Prompting
    """The checkpoint's tokenizer and prompt style."""
    loaded: Loaded
    """Complete after the first request."""

    def reserve(self, requests: Sequence[Request]) -> int | None:
        """Allocates room for all requests, once, before the warm-up, if that helps.

        Returns the number of tokens if answers and times depend on it; None otherwise.
        """
        return None

    def render(self, prompt: Prompt) -> str:
        """The prompt in the chat template. Raises UserError if the template fails."""
        return self.prompting.render(prompt)

    def refusal(self, prompt: Prompt) -> Reason | None:
        """The reason why its chat template has no room for the parts of a prompt; None if it has.

        Only a checkpoint's own template is known.
        """
        chat, own = as_chat(prompt), getattr(self, "prompting", None)
        if not own or not own.chat or not (chat.shots or chat.begins):
            return None
        reason: Reason | None = own.chat.refusal(turns=bool(chat.shots), begins=bool(chat.begins))
        return reason

    def fits(self, request: Request) -> bool:
        """Whether its prompt and answers have room in the model's context, as far as is known."""
        try:
            self._ids(request) if isinstance(request, Generate) else self._pairs(request)
        except UnsupportedError:
            return False
        return True

    def tokens(self, request: Request) -> int:
        """The most tokens of a request and its answer. Raises UnsupportedError if too long."""
        if isinstance(request, Generate):
            return len(self._ids(request)) + request.max_new_tokens
        return max(len(pair.before) + len(pair.after) for pair in self._pairs(request))

    def _ids(self, request: Generate) -> list[int]:
        """The prompt's ids. Raises UnsupportedError if a request is too long."""
        return self.prompting.encode(request.prompt, request.max_new_tokens)

    def _pairs(self, request: Choose) -> list[Pair]:
        """The ids of the prompt and each choice. Raises UnsupportedError if they are too long."""
        return [self.prompting.continued(request.prompt, text) for text in request.choices]

    def ask(self, request: Request) -> Generation | Choice:
        """The answer to a request of either kind. Raises an error as `generate` and `choose`."""
        if isinstance(request, Generate):
            return self.generate(request)
        found = self.choose(request)
        if isinstance(found, Choice):
            return found
        if found.withheld:
            return found.empty()
        raise UserError(found.reason)

    @abstractmethod
    def generate(self, request: Generate) -> Generation:
        """The greedy completion. Raises OutOfMemoryError, UnsupportedError (too long)."""

    def answer(self, requests: Sequence[Due]) -> Iterator[tuple[str, Generation | Failed]]:
        """Answers each request once it is due, and yields its id and answer when complete.

        `requests` are in the order in which they are due. An engine that can answer several at once
        overrides this; here they wait for each other. Raises OutOfMemoryError.
        """
        for one in requests:
            time.sleep(max(0, one.due_ns - time.perf_counter_ns()) / 1e9)
            yield one.id, self.generate(one.request)

    def choose(self, request: Choose) -> Choice | Failed:
        """The choices' log-likelihoods, for engines that say `choose` in their `asks`.

        Raises OutOfMemoryError, UnsupportedError (too long, or not available in the engine).
        """
        raise UnsupportedError("the engine does not give the likelihood of a text")

    def processes(self) -> frozenset[int]:
        """The ids of the processes that do the work, whose load is the measurement's own."""
        return frozenset({os.getpid()})

    def host_peak_bytes(self) -> int | None:
        """Peak host memory of this process and its children; None if the work is done elsewhere."""
        return memory.own_peak_bytes()

    def device_peak_bytes(self) -> int | None:
        """Peak device memory so far; None if the device shares the host's memory."""
        return None

    def close(self) -> None:
        """Releases the weights and the device's memory."""
        vars(self).pop("model", None)
        gc.collect()


class Engine(EngineBlock, ABC):
    """An engine as its block configures it."""

    def prepare(self) -> None:
        """Does the work that is not part of the load time: importing a library takes seconds."""

    @abstractmethod
    def load(self, checkpoint: Path, settings: Settings) -> LoadedModel:
        """Loads a variant from a folder in the hub's layout.

        Raises UnsupportedError with the reason that the report shows, OutOfMemoryError, UserError.
        """

    def connect(self, settings: Settings) -> LoadedModel:
        """The model `settings.served` of an endpoint that runs elsewhere, for engines with one.

        Raises UnsupportedError with the reason that the report shows, UserError.
        """
        raise UnsupportedError(f"{self.kind} drives no endpoint")


ENGINES: Registry[Engine] = Registry("engines", Engine, mark=Decides)
CHOSEN = Chosen(ENGINES)
AnyEngine = Annotated[Engine, CHOSEN]
"""An engine with its keys, as a field of a specification."""
