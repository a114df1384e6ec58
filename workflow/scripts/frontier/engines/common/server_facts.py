"""The facts about a server that its answers, and the client's own conduct, add up to."""

from __future__ import annotations

from dataclasses import asdict, replace

from frontier.client.process import Conduct
from frontier.dialects.common.streams import Stream
from frontier.engines import ServerFacts

SUMS = ("fresh", "processor_s", "passed_s", "timers")


def noted(facts: ServerFacts, stream: Stream) -> ServerFacts:
    """The facts with the names of the model that an answer gave."""
    models = dict.fromkeys([*facts.models, *stream.models])
    fingerprints = dict.fromkeys([*facts.fingerprints, *stream.fingerprints])
    return replace(facts, models=tuple(models), fingerprints=tuple(fingerprints))


def conducted(facts: ServerFacts, conduct: Conduct) -> ServerFacts:
    """The facts with the client's own load: sums over all requests, and its latest timer."""
    now, before = asdict(conduct), facts.client
    for name in SUMS:
        now[name] += before.get(name, 0)
    now["timer_most_ns"] = max(now["timer_most_ns"], before.get("timer_most_ns", 0))
    return replace(facts, client=now)
