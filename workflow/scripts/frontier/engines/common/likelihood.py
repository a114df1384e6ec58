"""The likelihood of a text after a prompt, as servers give it.

Where there is a tokenizer here, context and continuation are tokenized together, so that no
tokenizer of the server decides where one ends.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from frontier.dialects.common import top_logprobs
from frontier.dialects.common.likelihoods import WAYS, logprob
from frontier.dialects.common.top_logprobs import Label
from frontier.engines import Choice, Choose, Generate
from frontier.engines.common.asking import named_alike
from frontier.engines.common.sending import Sending, as_json
from frontier.engines.server import Server
from frontier.errors import UnsupportedError, UserError


class Ask(Protocol):
    """Sends a request that is no stream."""

    def __call__(self, body: bytes, texts: Sequence[str], path: str | None = None) -> bytes:
        """The body of its answer; `texts`: its prompt; `path`: of a server's own interface."""


def choice(sending: Sending, request: Choose, ask: Ask, block: Server) -> Choice:
    """The choices' log-likelihoods. Raises UnsupportedError, and what `ask` does; UserError if
    another model has answered.
    """
    start = time.perf_counter_ns()
    if sending.dialect.logprobs is None:
        raise UnsupportedError("the server does not give the likelihood of a text")
    labels = sending.dialect.logprobs == "top_logprobs"
    name = block.reported(sending.model)

    def asked(body: bytes, texts: Sequence[str], path: str | None = None) -> bytes:
        content = ask(body, texts, path)
        if others := [one for one in _models(content) if name and not named_alike(one, name)]:
            raise UserError(f"asked for {name!r}, answered by {others[0]!r}")
        return content

    found = (_labels if labels else _texts)(sending, request, asked)
    return replace(found, start_ns=start, end_ns=time.perf_counter_ns() - start)


def _models(content: bytes) -> list[str]:
    """The model's name in an answer, if it has one."""
    try:
        return [str(json.loads(content)["model"])]
    except (ValueError, LookupError, TypeError):
        return []


def _texts(sending: Sending, request: Choose, ask: Ask) -> Choice:
    """The answer, without times: one request for each choice."""
    assert sending.dialect.logprobs
    way = WAYS[sending.dialect.logprobs]
    each = [sending.continued(request.prompt, text, as_text=way.text) for text in request.choices]
    found = []
    for asked in each:
        body = as_json(way.fields(asked))
        content = ask(body, (sending.render(request.prompt), *request.choices), way.path)
        found.append(logprob(content, asked, way))
    before, merged = len(each[0].ids) - each[0].after, sum(one.merged for one in each)
    return Choice(found, [one.after for one in each], before, 0, 0, merged)


def _labels(sending: Sending, request: Choose, ask: Ask) -> Choice:
    """The answer for labels of one token each, without times: one request for all of them."""
    sent = sending.sent(Generate(request.prompt, 1))
    labels: list[Label]
    if sending.by_checkpoint:
        pairs = [sending.continued(request.prompt, text) for text in request.choices]
        before = tuple(sending.prompting.encode(request.prompt, 1)) if sending.prompting else ()
        if any(one.after != 1 or one.ids[:-1] != before for one in pairs):
            raise UnsupportedError(_one_token(sending))
        labels = [(text, one.ids[-1]) for text, one in zip(request.choices, pairs, strict=True)]
    else:  # an answer in a chat begins without a space
        labels = [(text.lstrip(), None) for text in request.choices]
    if len({token if token is not None else text for text, token in labels}) < len(labels):
        raise UnsupportedError(_one_token(sending))
    body = as_json(top_logprobs.fields(sent.fields, sending.dialect))
    found = top_logprobs.logprobs(ask(body, sent.texts), labels)
    return Choice(found, [1] * len(labels), sent.prompt_tokens or 0, 0, 0)


def _one_token(sending: Sending) -> str:
    return (
        f"{sending.model}: the server gives likelihoods of single tokens only, and the choices are "
        "not one token each, all of them different"
    )
