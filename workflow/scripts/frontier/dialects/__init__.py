"""Dialects: the requests that a server takes, and the streams that it answers with.

Servers speak OpenAI's protocols, each a little differently. A protocol is a class in a file here,
found by the file's name; the differences are the keys of a `dialect:` block. Nothing here knows a
socket: requests are JSON values, and streams are events with the times at which they were read.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, JsonValue, model_validator

from frontier.blocks import Arguments, Block
from frontier.errors import did_you_mean
from frontier.prompts import Chat, Shot
from frontier.registry import Registry
from frontier.requests import Sampling

WHOLE = frozenset(
    {"model", "prompt", "messages", "input", "instructions", "stream", "n", "best_of"}
)
"""Fields without which, or with others of which, a request would be another one."""
OPTIONAL = ("temperature", "stop", "stream_options", "return_token_ids")
Logprobs = Literal["prompt_logprobs", "echo", "input_token_logprobs", "prefill", "top_logprobs"]
Prefill = Literal["continue_final_message", "last_message"]


class Dialect(Block):
    """The dialect of a server: what it takes, and what its answers look like."""

    api: str = "completions"
    """The protocol, frontier/dialects/API.py: `completions` gets the prompt as the checkpoint's
    chat template renders it, `chat` gets messages, which the server's own template renders."""
    prompt_ids: bool = False
    """Whether it takes token ids as prompt, so that no tokenizer of its own can differ."""
    adds_special: bool = True
    """Whether it puts the tokenizer's special tokens before a prompt that is text; if not, the
    prompt has them as text."""
    length: Annotated[str, Field(min_length=1)] = "max_tokens"
    """The field with the limit of generated tokens."""
    add: Arguments = Field(default_factory=dict)
    """Further fields of every request; they take precedence over ours."""
    leave_out: tuple[str, ...] = ()
    """Fields that it refuses, such as `temperature`: without that one an answer is not greedy."""
    most_stops: Annotated[int, Field(ge=0, le=1000)] | None = None
    """The number of stop texts that it takes; its answers are cut at the others here."""
    blank_stops: bool = True
    """Whether it takes stop texts that are white space."""
    usage: Literal["each", "asked", "always", "never"] = "asked"
    """The token counts: in every chunk if asked for, at the end if asked for, always at the end,
    or never; then the checkpoint's tokenizer counts."""
    token_ids: bool = False
    """Whether each chunk has the ids of its tokens if asked for (`return_token_ids`)."""
    drafts: Literal["timings"] | None = None
    """The place of the number of drafted tokens: llama.cpp's `timings`, which leave it out where it
    is 0; unset: nothing is known of an answer without it."""
    stop_text: Literal["left-out", "kept"] = "left-out"
    """Whether the text that ended an answer is in it; it is cut off here."""
    greedy: bool = True
    """Whether it can be made to give the likeliest token at all."""
    logprobs: Logprobs | None = None
    """The source of a text's likelihood: vLLM's `prompt_logprobs`, `echo` with `logprobs`, SGLang's
    own `input_token_logprobs`, TGI's own `prefill`, or, for texts of a single token among the
    likeliest ones only, `top_logprobs`."""
    prefill: Prefill | None = None
    """The way in which a chat's server continues an answer that has begun: if asked to by vLLM's
    `continue_final_message`, or always after the assistant's `last_message`; unset: it cannot. Its
    answers must not repeat the beginning."""

    @model_validator(mode="after")
    def _whole_requests(self) -> Self:
        for name in {*self.add, *self.leave_out} & WHOLE:
            raise ValueError(f"{name}: is what is measured, and cannot be changed or left out")
        for name in {*self.add} & {"stop", self.length}:
            raise ValueError(f"add: {name} is the task's")
        sent = {self.length, *OPTIONAL, *self.add}
        for name in self.leave_out:
            if name not in sent:
                raise ValueError(f"leave_out: {name!r} is not sent{did_you_mean(name, sent)}")
        return self


@dataclass(frozen=True)
class Ask:
    """A request in a server's terms."""

    model: str
    prompt: str | tuple[int, ...]
    """The rendered text, the user's message (chat), or token ids."""
    max_new_tokens: int
    stop: tuple[str, ...] = ()
    system: str | None = None
    """The system message before the user's, in a chat."""
    shots: tuple[Shot, ...] = ()
    """Earlier turns, in a chat."""
    begins: str = ""
    """The beginning of the answer, in a chat."""
    sampling: Sampling | None = None
    """The random choice of tokens; None: the likeliest."""

    @property
    def turns(self) -> list[tuple[str, str]]:
        """The messages of a chat, each with its role. Raises ValueError for token ids."""
        if not isinstance(self.prompt, str):
            raise ValueError("a chat takes text, not token ids")
        turns = Chat(self.prompt, self.shots).turns
        return [*turns, ("assistant", self.begins)] if self.begins else turns


@dataclass(frozen=True)
class Counts:
    """The tokens that a server reports; None if it does not."""

    prompt: int | None = None
    completion: int | None = None
    cached: int | None = None
    """Those of the prompt that came from a prefix cache."""
    thinking: int | None = None
    """Those generated that are thoughts, which an endpoint may count and not show."""
    drafted: int | None = None
    """Those drafted by speculative decoding, by llama.cpp's `timings`; None where those lack it."""
    accepted: int | None = None
    """Those of them that the model accepted."""
    timed: bool = False
    """Whether there are `timings`."""


@dataclass(frozen=True)
class Piece:
    """The content of one event of a stream."""

    text: str = ""
    thinking: str = ""
    ids: tuple[int, ...] | None = None
    """The tokens of the event, if the server names them."""
    finish: str | None = None
    """The reason why the answer ended, in the server's words."""
    counts: Counts | None = None
    model: str | None = None
    fingerprint: str | None = None


class BrokenError(Exception):
    """A stream that is not an answer; the message is the reason, in one line."""


class WithheldError(BrokenError):
    """An answer that the server's filter kept back after it had begun."""


class Protocol(ABC):
    """A protocol: where requests go, and the places of their parts."""

    PATH: ClassVar[str]
    """Appended to the API's root."""

    @abstractmethod
    def prompt(self, ask: Ask) -> dict[str, JsonValue]:
        """The fields with the prompt."""

    @abstractmethod
    def piece(self, event: Mapping[str, Any]) -> Piece:
        """The content of an event. Raises BrokenError, or LookupError, TypeError, AttributeError
        for an event of another shape."""


PROTOCOLS: Registry[Protocol] = Registry("dialects", Protocol)


def protocol(dialect: Dialect) -> Protocol:
    """The protocol of a dialect. Raises UserError with the nearest name for an unknown one."""
    return PROTOCOLS.load(dialect.api, "dialect.api")()
