"""The ways in which servers give the likelihood of a prompt's tokens: requests, and their answers.

An answer is used only if it shows that its numbers are those of the very tokens that were meant: by
their ids, or by their number where a server names none.
"""

from __future__ import annotations

import json
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from frontier.dialects import Logprobs
from frontier.errors import UnsupportedError, one_line

NEVER = -9000.0
"""A logarithm below it stands for one that a server does not know (-9999)."""
ROUNDING = 1e-3


@dataclass(frozen=True)
class Continued:
    """A prompt with a text after it."""

    model: str
    prompt: str | tuple[int, ...]
    """Both as the server takes them: as text, or as ids."""
    ids: tuple[int, ...]
    """Those of both."""
    after: int
    """The number of ids of the text after the prompt."""
    begun: int
    """The number of ids that begin every text, which a server may not list."""
    merged: bool = False
    """Whether the first of those ids has the end of the prompt too."""


class NoLikelihoodError(UnsupportedError):
    """An answer lacks the likelihoods that were asked for."""


class Way(ABC):
    """One way; `path` is None for the protocol's own, else that of a server's own interface."""

    path: ClassVar[str | None] = None
    text: ClassVar[bool] = False
    """Whether it takes a prompt as text only."""

    @abstractmethod
    def fields(self, asked: Continued) -> dict[str, Any]:
        """The request's JSON."""

    @abstractmethod
    def each(self, answer: Any, asked: Continued) -> Sequence[Any]:
        """The logarithms of the likelihoods of all tokens from the text after the prompt on.

        Raises ValueError, LookupError, TypeError or AttributeError if the answer lacks them.
        """


class PromptLogprobs(Way):
    """vLLM's: for each token but the first one a mapping from ids to their likelihood."""

    def fields(self, asked: Continued) -> dict[str, Any]:
        """The request's JSON."""
        return _completion(asked) | {"prompt": [*asked.ids], "prompt_logprobs": 1}

    def each(self, answer: Any, asked: Continued) -> Sequence[Any]:
        """The entries of the tokens themselves."""
        entries = answer["choices"][0]["prompt_logprobs"]
        _check(len(entries) == len(asked.ids))
        pairs = zip(entries[-asked.after :], asked.ids[-asked.after :], strict=True)
        return [entry[str(token)]["logprob"] for entry, token in pairs]


class Echo(Way):
    """OpenAI's first form: a list, with the generated token at its end.

    llama-cpp-python does not list a token that begins the text. Without such a token its numbers
    are those of other tokens, and it lists one less: then they are not used.
    """

    def fields(self, asked: Continued) -> dict[str, Any]:
        """The request's JSON."""
        return _completion(asked) | {"echo": True, "logprobs": 1}

    def each(self, answer: Any, asked: Continued) -> Sequence[Any]:
        """Those before the last one."""
        listed: Sequence[Any] = answer["choices"][0]["logprobs"]["token_logprobs"]
        read = (answer.get("usage") or {}).get("prompt_tokens", len(asked.ids))
        _check(read == len(asked.ids))
        _check(len(listed) in (len(asked.ids) + 1, len(asked.ids) + 1 - asked.begun))
        return listed[-1 - asked.after : -1]


class InputTokenLogprobs(Way):
    """SGLang's own interface: triples of a logarithm, an id and a text."""

    path = "/generate"

    def fields(self, asked: Continued) -> dict[str, Any]:
        """The request's JSON."""
        sampling = {"max_new_tokens": 1, "temperature": 0}
        ours = {"return_logprob": True, "logprob_start_len": 0, "stream": False}
        return {"input_ids": [*asked.ids], "sampling_params": sampling, **ours}

    def each(self, answer: Any, asked: Continued) -> Sequence[Any]:
        """The last ones, whose ids are known."""
        entries = answer["meta_info"]["input_token_logprobs"]
        return _named([(one[1], one[0]) for one in entries], asked)


class Prefill(Way):
    """TGI's own interface, where a server was started with --enable-prefill-logprobs."""

    path = "/generate"
    text = True

    def fields(self, asked: Continued) -> dict[str, Any]:
        """The request's JSON."""
        wanted = {"details": True, "decoder_input_details": True}
        parameters = {"max_new_tokens": 1, "do_sample": False, **wanted}
        return {"inputs": asked.prompt, "parameters": parameters}

    def each(self, answer: Any, asked: Continued) -> Sequence[Any]:
        """The last ones, whose ids are known: the server has tokenized the text itself."""
        entries = answer["details"]["prefill"]
        return _named([(one["id"], one["logprob"]) for one in entries], asked)


WAYS: Mapping[Logprobs, Way] = {
    "prompt_logprobs": PromptLogprobs(),
    "echo": Echo(),
    "input_token_logprobs": InputTokenLogprobs(),
    "prefill": Prefill(),
}


def logprob(content: bytes, asked: Continued, way: Way) -> float:
    """ln P(text | prompt) from a server's answer, the sum over the tokens of the text.

    Raises NoLikelihoodError if the answer does not have it.
    """
    try:
        return math.fsum(known(one) for one in way.each(json.loads(content), asked))
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise NoLikelihoodError(f"no likelihoods of a prompt: {one_line(error)[:120]}") from None


def known(value: Any) -> float:
    """A logarithm of a likelihood, as sent. Raises ValueError or TypeError for another value."""
    if isinstance(value, bool) or not NEVER < (found := float(value)) <= ROUNDING:
        raise ValueError(f"{value!r} is not the logarithm of a likelihood")
    return min(found, 0.0)


def _completion(asked: Continued) -> dict[str, Any]:
    prompt = asked.prompt if isinstance(asked.prompt, str) else [*asked.prompt]
    ours = {"max_tokens": 1, "temperature": 0, "stream": False}
    return {"model": asked.model, "prompt": prompt, **ours}


def _named(entries: Sequence[tuple[Any, Any]], asked: Continued) -> Sequence[Any]:
    """The logarithms of the text after the prompt, by the ids that a server names."""
    _check([token for token, _ in entries] == [*asked.ids])
    return [value for _, value in entries[-asked.after :]]


def _check(same: bool) -> None:
    if not same:
        raise ValueError("the server read other tokens than its tokenizer here")
