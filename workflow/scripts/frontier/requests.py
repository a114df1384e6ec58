"""Requests to an engine, and their answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from frontier.arrivals import Arrival
from frontier.prompts import Prompt

CountedBy = Literal["engine", "usage", "tokenizer"]
WITHHELD = "content_filter"
"""The finish reason of an answer of which a server's filter kept something back, or all."""


@dataclass(frozen=True)
class Sampling:
    """A random choice of each token, by its probability, instead of the likeliest one."""

    temperature: float
    """Above 0; probabilities are those of logits divided by it."""
    top_p: float
    """Only the likeliest tokens with this probability together are chosen from."""
    seed: int
    """At least 0, below 2^31."""


@dataclass(frozen=True)
class Generate:
    """A request for the text that greedily follows a prompt, or a sampled one."""

    prompt: Prompt
    max_new_tokens: int
    """Limit of generated tokens."""
    stop: tuple[str, ...] = ()
    """The text ends at the first of these, including special tokens."""
    lost_shots: int = 0
    """Worked examples that the prompt lacks because it would be too long with them."""
    sampling: Sampling | None = None
    """None: each token is the likeliest one."""


@dataclass(frozen=True)
class Choose:
    """A request for the likelihood of each of several texts after a prompt."""

    prompt: Prompt
    choices: tuple[str, ...]
    """At least one; each as it follows the prompt, with its leading space."""
    lost_shots: int = 0
    """Worked examples that the prompt lacks because it would be too long with them."""


Request = Generate | Choose


@dataclass(frozen=True)
class Generation:
    """The answer to `Generate`. Times are monotonic nanoseconds; all but the start relative to it.

    `arrivals` has all generated tokens (including end-of-text), each at the time at which the host
    received it. `end_ns` is the time at which the text was complete. The fields with a default are
    known only of a server's answers, or of a technique's.
    """

    text: str
    prompt_tokens: int
    finish_reason: str
    start_ns: int
    arrivals: list[Arrival]
    end_ns: int
    counted_by: CountedBy = "engine"
    """The source of the number of tokens: the engine, a server's `usage`, or the checkpoint's
    tokenizer where a server reports none."""
    thinking: str = ""
    """A reasoning model's thoughts, which are no part of the text; their tokens arrive as well."""
    first_answer_ns: int | None = None
    """The first token behind the thoughts; None without thoughts, or without an answer."""
    cached_tokens: int | None = None
    """Tokens of the prompt that came from a prefix cache, if the server reports them."""
    drafted_tokens: int | None = None
    """Tokens that speculative decoding drafted; None without it, or if the engine does not say."""
    accepted_tokens: int | None = None
    """Those of them that the answer has; an engine may report these alone."""
    retries: int = 0
    """Attempts before this one, which failed before their first byte."""
    doubts: tuple[str, ...] = ()
    """Reasons why its times or counts may be wrong."""
    late_ns: tuple[int, ...] = ()
    """The bounds of its times' errors, as the client of a server knows them: each of the start, the
    arrivals and the end may have been up to this long before its time; the start, after it. Empty
    for an engine in this process."""
    watermark: tuple[int, ...] = ()
    """Its tokens that belong to a watermark, and all that were tested; empty without one."""

    @property
    def tokens(self) -> int:
        """The number of generated tokens."""
        return sum(arrival.tokens for arrival in self.arrivals)


@dataclass(frozen=True)
class Due:
    """A request with the time at which it is due."""

    id: str
    request: Generate
    due_ns: int
    """Nanoseconds of `time.perf_counter_ns`; a time that has passed means at once."""


@dataclass(frozen=True)
class Failed:
    """A request without an answer, after all permitted attempts."""

    reason: str
    start_ns: int
    """Nanoseconds of `time.perf_counter_ns` at which the last attempt was sent."""
    end_ns: int
    """Relative to the start."""
    retries: int = 0
    withheld: bool = False
    """Whether a filter of the server let no answer pass, for what the prompt or the answer says."""

    def empty(self) -> Generation:
        """An answer without a token, for a warm-up, which has no use for the text."""
        return Generation("", 0, WITHHELD, self.start_ns, [], self.end_ns)


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
    merged: int = 0
    """The choices whose first token has the end of the prompt too."""
    retries: int = 0
    """Attempts before this one, which failed before their first byte."""
