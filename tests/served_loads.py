"""An engine under load whose times are computed, not waited for: a queue before some servers."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterator, Sequence

from frontier.arrivals import Arrival
from frontier.engines import Due, Failed, Generate, Generation, LoadedModel

MS = 1_000_000


class Queue(LoadedModel):
    """Answers as `servers` would that each take `service_ns` for a request of three tokens."""

    def __init__(self, servers: int = 1, service_ns: int = 10 * MS, fails: int = 0) -> None:
        """Leaves one of each `fails` requests that arrive without an answer; 0: none."""
        self.servers, self.service_ns, self.fails = servers, service_ns, fails
        self.plays: list[list[Due]] = []
        self.asked = Counter[str]()

    def render(self, prompt: str) -> str:
        return prompt

    def generate(self, request: Generate) -> Generation:
        return self.answered(request, 0)

    def answered(self, request: Generate, start_ns: int) -> Generation:
        """The answer of a server that began at that time."""
        first, step = self.service_ns // 2, self.service_ns // 4
        arrivals = [Arrival(first + step * number, 1) for number in range(3)]
        text = f"re: {request.prompt}"
        return Generation(text, 2, "stop", start_ns, arrivals, arrivals[-1].ns)

    def answer(self, requests: Sequence[Due]) -> Iterator[tuple[str, Generation | Failed]]:
        """Answers in the order in which they are due; each waits for a server."""
        self.plays.append(list(requests))
        free = [0] * self.servers
        for number, one in enumerate(requests):
            self.asked[one.request.prompt] += 1
            start = max(one.due_ns, heapq.heappop(free))
            heapq.heappush(free, start + self.service_ns)
            if self.fails and number % self.fails == self.fails - 1:
                yield one.id, Failed("HTTP 503", one.due_ns, 1)
            else:
                yield one.id, self.answered(one.request, start)
