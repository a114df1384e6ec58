"""Choices asked of a server: tried again where that may help, else a failure that is counted."""

from __future__ import annotations

import itertools
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from frontier.client import Call
from frontier.dialects.common.likelihoods import NoLikelihoodError
from frontier.engines.common import asking, likelihood
from frontier.engines.common.asking import OK, NoAnswer
from frontier.engines.common.secrecy import masked, without_key
from frontier.host import presence
from frontier.requests import Choice, Choose, Failed

if TYPE_CHECKING:
    from frontier.engines.loaded.server import ServerModel


class _UnansweredError(Exception):
    """One of the requests for a choice had no answer."""

    def __init__(self, found: NoAnswer) -> None:
        super().__init__(found.reason)
        self.found = found


def choice(model: ServerModel, request: Choose) -> Choice | Failed:
    """The choices' log-likelihoods, or why there are none; times are those of the last attempt.

    All that a choice needs is asked again, so that no time has the wait for it. Raises
    UnsupportedError if the server gives no likelihoods, or has none of the very first choice;
    UserError, UnsupportedError and OutOfMemoryError where a single request for a text does too.
    """

    def ask(body: bytes, texts: Sequence[str], path: str | None = None) -> bytes:
        return _whole(model, body, texts, path)

    for attempt in itertools.count():
        start = time.perf_counter_ns()
        try:
            found = likelihood.choice(model.sending, request, ask, model.block)
        except _UnansweredError as error:
            failed = error.found
            model.check(failed)
        except NoLikelihoodError as error:
            if not model.answers:
                raise
            return Failed(str(error), start, time.perf_counter_ns() - start, attempt)
        else:
            model.answered()
            return replace(found, retries=attempt)
        if failed.meaning != "again" or attempt >= model.block.retries:
            model.count_in_a_row(failed)
            reason = without_key(failed.reason, model.headers)
            return Failed(reason, start, time.perf_counter_ns() - start, attempt, failed.withheld)
        presence.wait(failed.wait_s(attempt), model.name)
    raise AssertionError("the loop ends by itself")


def _whole(model: ServerModel, body: bytes, texts: Sequence[str], path: str | None) -> bytes:
    """The body of an answer that is no stream. Raises _UnansweredError for any other response.

    `path`: of an interface of its own. All counts that the request can cost, if answered.
    """
    root = model.client.origin.path.removesuffix(model.block.root) if path else None
    reserved = model.budget.reserve(texts, 1)
    call = Call("", path or model.path, model.headers, body, root=root)
    exchange = masked(model.client.ask(call), model.headers)
    if exchange.failure is None and exchange.status == OK:
        return exchange.body
    if exchange.status not in (None, OK) or not exchange.sent_ns:
        reserved.release()
    raise _UnansweredError(asking.failed(exchange))
