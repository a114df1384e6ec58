"""The client of a server: requests are sent, and their streams read once they have ended."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from frontier.client import Call, Exchange
from frontier.client.client import Client
from frontier.engines import Loaded, LoadedModel, ServerFacts, Settings
from frontier.engines.common import asking, reading
from frontier.engines.common.asking import OK, NoAnswer
from frontier.engines.common.gpu_memory import held
from frontier.engines.common.secrecy import masked, without_key
from frontier.engines.common.sending import Sending, Sent
from frontier.engines.common.server_facts import conducted, noted
from frontier.engines.loaded import server_choices
from frontier.engines.server import Server
from frontier.errors import OutOfMemoryError, UnsupportedError, UserError
from frontier.host import presence
from frontier.host.budget import Reservation
from frontier.prompts import Prompt
from frontier.requests import WITHHELD, Choice, Choose, Due, Failed, Generate, Generation, Request
from frontier.serving.readiness import NotReadyError
from frontier.serving.server import Server as Running

FEW = 3
"""Requests asked one after another that all had no answer, after which asking ends."""
OPEN = 64
"""Connections that are open before the first of several requests is due."""
END_S = 2.0
"""The time until the end of a server that broke a connection is noticed."""


class ServerModel(LoadedModel):
    """A model that a server answers for: one started here, or an endpoint's."""

    def __init__(
        self,
        block: Server,
        settings: Settings,
        client: Client,
        headers: Mapping[str, str],
        sending: Sending,
        loaded: Loaded,
        server: Running | None = None,
    ) -> None:
        """`server`: the one that was started here; None for an endpoint."""
        self.block, self.client, self.sending = block, client, sending
        self.headers = {"Content-Type": "application/json", **headers}
        self.budget, self.loaded, self.server = settings.budget, loaded, server
        self.accelerator = settings.accelerator
        self.speculates = any(one.SPECULATES for one in settings.techniques)
        self.path = sending.protocol.PATH + (f"?{block.query}" if block.query else "")
        self._asking = self._unsure = False
        self.answers = 0
        """The number of requests that were answered, or withheld by a filter."""
        self._in_a_row = 0

    @property
    def name(self) -> str:
        """The server's, for messages."""
        return self.loaded.server.name if self.loaded.server else self.block.kind

    def render(self, prompt: Prompt) -> str:
        """The prompt in the chat template of the checkpoint, or as the server's own gets it."""
        return self.sending.render(prompt)

    def fits(self, request: Request) -> bool:
        """Whether the server has room for a request, as far as is known before it is asked."""
        return self.sending.fits(request)

    def generate(self, request: Generate) -> Generation:
        """The answer to one request. Raises UserError too if there is none."""
        [(_, found)] = self.answer([Due("", request, 0)])
        if isinstance(found, Failed) and not found.withheld:
            raise UserError(f"{self.name}: {found.reason}")
        return found if isinstance(found, Generation) else found.empty()

    def probe(self, request: Generate) -> None:
        """Asks one request once. Raises NotReadyError while the server cannot answer it yet."""
        sent = self.sending.sent(request)
        exchange = self.client.ask(Call("", self.path, self.headers, sent.body))
        found = self._read(exchange, sent, request, self.budget.reserve((), 0))
        if isinstance(found, NoAnswer):
            if found.meaning == "again" or found.broken:
                raise NotReadyError(without_key(found.reason, self.headers))
            raise self._refusal(found)

    def answer(self, requests: Sequence[Due]) -> Iterator[tuple[str, Generation | Failed]]:
        """Sends each request when it is due, whether others are answered or not.

        One that failed before the first byte of its answer is sent again, after all others; its
        times are those of its last attempt. Raises UserError if nothing is answered.
        """
        by_id = {one.id: one for one in requests}
        sent = {one.id: self.sending.sent(one.request) for one in requests}
        due = {one.id: one.due_ns for one in requests}
        attempts, before, reason = Counter[str](), self.answers, ""
        while due:
            again: dict[str, float] = {}
            for exchange, reserved in self._play(due, sent, by_id):
                name = exchange.call.id
                found = self._read(exchange, sent[name], by_id[name].request, reserved)
                if isinstance(found, Generation):
                    yield name, replace(found, retries=attempts[name])
                    continue
                self.check(found)
                if found.meaning == "again" and attempts[name] < self.block.retries:
                    again[name] = found.wait_s(attempts[name])
                    attempts[name] += 1
                    continue
                if found.withheld or len(requests) == 1:
                    self.count_in_a_row(found)
                start = exchange.sent_ns or exchange.due_ns
                reason, took = without_key(found.reason, self.headers), exchange.end_ns - start
                yield name, Failed(reason, start, took, attempts[name], found.withheld)
            self._know(conducted, self.client.conduct)
            due = dict.fromkeys(again, 0)
            presence.wait(max(again.values(), default=0), self.name)
        if len(requests) > 1 and self.answers == before:
            raise UserError(
                f"{self.name}: none of {len(requests)} requests was answered, the last one "
                f"because: {reason}"
            )

    def _play(
        self, due: Mapping[str, int], sent: Mapping[str, Sent], requests: Mapping[str, Due]
    ) -> Iterator[tuple[Exchange, Reservation]]:
        """Sends requests, and yields each with the money that is set aside for it."""
        most = {name: (sent[name].texts, requests[name].request.max_new_tokens) for name in due}
        reserved = self.budget.reserve_all(most)
        calls = [Call(one, self.path, self.headers, sent[one].body, at) for one, at in due.items()]
        now = time.perf_counter_ns()
        at_once = sum(call.due_ns <= now for call in calls)
        connections = max(at_once, min(OPEN, len(calls)))
        self._asking = True
        for exchange in self.client.play(calls, connections, self.block.connections):
            yield exchange, reserved[exchange.call.id]
        self._asking = False

    def _read(
        self, exchange: Exchange, sent: Sent, request: Generate, reserved: Reservation
    ) -> Generation | NoAnswer:
        """The answer in an exchange, cut at the stop texts; settles what it cost."""
        exchange = masked(exchange, self.headers)
        stream = asking.answered(exchange, self.sending.protocol)
        if isinstance(stream, NoAnswer):
            free = exchange.status not in (None, OK) or not exchange.sent_ns
            if free and not stream.withheld:  # for which an endpoint may charge
                reserved.release()
            return stream
        try:
            read = reading.whole(stream, exchange, self.sending, sent, request)
        except ValueError as error:
            return NoAnswer("withheld" if stream.finish == WITHHELD else "invalid", str(error))
        if stream.counts.prompt is not None:  # otherwise all that was set aside counts
            reserved.settle(read.prompt_tokens, read.tokens, read.cached_tokens)
        own = sent.prompt_tokens
        name = self.block.reported(self.sending.model)
        if refused := asking.not_as_asked(read, request, own, stream, name):
            return refused
        self.answered()
        self._know(noted, stream)
        doubts = (*read.doubts, *self.sending.doubts(stream, read, request, own))
        doubts += (*reading.cache_doubts(read, self.loaded.server),)
        if self.speculates:
            read = reading.with_drafts(read, stream.counts, self.block.dialect)
        return replace(reading.cut(read, request, self.headers), doubts=doubts)

    def answered(self) -> None:
        """Notes that a request was answered."""
        self.answers += 1
        self._in_a_row = 0

    def check(self, found: NoAnswer) -> None:
        """Raises the error for a failure that ends the measurement."""
        self._unsure = True
        if self.server:
            self.server.check(END_S if found.broken else 0)
        reason = f"{self.name}: {without_key(found.reason, self.headers)}"
        if found.meaning == "too-long":
            raise UnsupportedError(reason)
        if found.meaning == "memory":
            raise OutOfMemoryError(reason)
        if found.meaning == "refused" or (found.meaning == "invalid" and not self.answers):
            key = self.block.key
            named = f" (its key is that in ${key.variable})" if key and "HTTP 40" in reason else ""
            raise UserError(f"{reason}{named}")

    def count_in_a_row(self, found: NoAnswer) -> None:
        """Raises UserError once several single requests had no answer, one after another.

        One that is withheld is an answer of the server's.
        """
        if found.withheld:
            self.answered()
            return
        self._in_a_row += 1
        if self._in_a_row >= FEW:
            raise UserError(
                f"{self.name}: {FEW} requests in a row had no answer, the last one because: "
                f"{without_key(found.reason, self.headers)}; what was measured is saved"
            )

    def _know(self, more: Callable[[ServerFacts, Any], ServerFacts], what: Any) -> None:
        """Adds to the facts about the server."""
        if (known := self.loaded.server) and what is not None:
            self.loaded = replace(self.loaded, server=more(known, what))

    def choose(self, request: Choose) -> Choice | Failed:
        """The choices' log-likelihoods, or why there are none. Raises errors as `answer` does."""
        return server_choices.choice(self, request)

    def _refusal(self, found: NoAnswer) -> UserError:
        """The error for a single request without an answer. Raises a graver one itself."""
        self.check(found)
        return UserError(f"{self.name}: {without_key(found.reason, self.headers)}")

    def processes(self) -> frozenset[int]:
        """This process, the client's, and the server's."""
        own = frozenset(pid for pid in (os.getpid(), self.client.pid) if pid)
        return own | self.server.pids() if self.server else own

    def host_peak_bytes(self) -> int | None:
        """The peak of the server's processes; None for an endpoint."""
        return self.server.peak_bytes() if self.server else None

    def device_peak_bytes(self) -> int | None:
        """The server's memory on its GPUs now: servers allocate once, and release at their end."""
        return held(self.accelerator, self.server.pids()) if self.server else None

    def close(self) -> None:
        """Ends the client, then the server, unless the next cell of the run may need the same one.

        A server is only kept if every request was answered, so that it works on none.
        """
        self.client.close()
        idle = not (self._asking or self._unsure)
        if self.server and not (idle and self.server.keep()):
            self.server.stop()
