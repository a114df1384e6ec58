"""The likelihood of a text after a prompt, as servers give it: with the tokens of the prompt.

Context and continuation are tokenized together here and sent as ids, so that no tokenizer of the
server decides where one ends; the logarithms of the continuation's tokens are added up.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from typing import Any

from frontier.dialects import Logprobs
from frontier.engines import Choice, Choose
from frontier.engines.common.sending import Sending, as_json
from frontier.errors import UnsupportedError

FIELDS: dict[Logprobs, dict[str, Any]] = {
    "prompt_logprobs": {"prompt_logprobs": 1, "max_tokens": 1},
    "echo": {"echo": True, "logprobs": 1, "max_tokens": 1},
}
"""The fields that ask for the likelihood of the prompt's tokens."""


def choice(sending: Sending, request: Choose, ask: Callable[[bytes], bytes]) -> Choice:
    """The choices' log-likelihoods, one request each. Raises UnsupportedError, and what `ask` does.

    `ask` returns the body of the answer to a request.
    """
    way, start = sending.dialect.logprobs, time.perf_counter_ns()
    if way is None:
        raise UnsupportedError("the server does not give the likelihood of a text")
    pairs = [sending.continued(request.prompt, text) for text in request.choices]
    found = []
    for before, after in pairs:
        ids = [*before, *after]
        content = ask(as_json(body(sending.model, ids, way)))
        found.append(logprob(content, ids, len(after), way))
    return Choice(
        logprobs=found,
        tokens=[len(after) for _, after in pairs],
        prompt_tokens=len(pairs[0][0]),
        start_ns=start,
        end_ns=time.perf_counter_ns() - start,
    )


def body(model: str, ids: Sequence[int], way: Logprobs) -> dict[str, Any]:
    """The request for the likelihoods of a prompt's tokens."""
    return {"model": model, "prompt": [*ids], "temperature": 0, "stream": False, **FIELDS[way]}


def logprob(content: bytes, ids: Sequence[int], last: int, way: Logprobs) -> float:
    """The sum of the logarithms of the `last` tokens of a prompt, from a server's answer.

    Raises UnsupportedError if the answer does not have them.
    """
    try:
        choice = json.loads(content)["choices"][0]
        each = _by_id(choice, ids) if way == "prompt_logprobs" else _echoed(choice, ids)
        found = [float(one) for one in each[len(ids) - last : len(ids)]]
    except (ValueError, LookupError, TypeError, AttributeError):
        raise UnsupportedError("the server gives no likelihoods of a prompt") from None
    return sum(found)


def _by_id(choice: dict[str, Any], ids: Sequence[int]) -> list[Any]:
    """vLLM's: for each token but the first one a mapping from ids to their likelihood."""
    entries = choice["prompt_logprobs"]
    if len(entries) != len(ids):
        raise ValueError("another number of tokens")
    return [one and one[str(token)]["logprob"] for token, one in zip(ids, entries, strict=True)]


def _echoed(choice: dict[str, Any], ids: Sequence[int]) -> list[Any]:
    """OpenAI's first form: a list, with the generated token at its end."""
    each: list[Any] = choice["logprobs"]["token_logprobs"]
    if len(each) not in (len(ids), len(ids) + 1):
        raise ValueError("another number of tokens")
    return each
