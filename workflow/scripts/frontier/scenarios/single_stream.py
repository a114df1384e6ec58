"""MLPerf's SingleStream: one request at a time, each sent after the previous answer."""

from __future__ import annotations

import time
from dataclasses import asdict, replace
from typing import ClassVar

from frontier.client.exactness import is_exact
from frontier.engines import Choice, Choose, Due, Failed, Generation, LoadedModel
from frontier.errors import UserError
from frontier.host import presence
from frontier.host.progress import Progress
from frontier.measuring import turns
from frontier.measuring.pauses import Pauses
from frontier.requests import Request
from frontier.results.times import tpot_s, ttft_s
from frontier.scenarios import MOST_ATTEMPTS, Bench, Scenario
from frontier.scenarios.common.recording import recorded


class SingleStream(Scenario):
    """The latency for a single user."""

    CHOICES: ClassVar[bool] = True

    def measure(self, bench: Bench) -> None:
        """Times the requests in the sample's order, in which a conversation's turns follow."""
        journal, label = bench.journal, bench.label
        journal.discard(list(turns.outdated(bench.questions, journal.records)))
        finished = journal.answered_ids - {*bench.again}
        progress = Progress(label, len(bench.requests), "requests", done=len(finished))
        runner = presence.Runner()
        journal.begin(asdict(bench.watch.read()))
        bench.pauses.beat()
        known = {record.id: record for record in journal.records}
        for identifier in bench.requests:
            if identifier in finished:
                continue
            if runner.has_exited():
                # Continuing would disturb the next run's measurements.
                raise UserError(f"{label}: Snakemake has ended; what was measured is saved")
            request = bench.current(identifier, known)
            answer, attempts, paused = undisturbed(
                bench.model, identifier, request, bench.pauses, bench.paid
            )
            if isinstance(answer, Failed) and identifier in journal.answered_ids:
                progress.step()
                continue  # the answer that it has is not lost
            record = recorded(bench, identifier, answer, before=known)
            known[identifier] = replace(record, attempts=attempts, paused=paused)
            journal.append(known[identifier], asdict(bench.watch.read()))
            progress.step(ttft=ttft_s(known[identifier]), tpot=tpot_s(known[identifier]))


def undisturbed(
    model: LoadedModel, name: str, request: Request | Failed, pauses: Pauses, once: bool = False
) -> tuple[Generation | Choice | Failed, int, bool]:
    """Asks one request, again if this process was paused meanwhile, or the client of a server late.

    `once`: never again, as it costs money.
    Returns the last answer, the number of attempts, and whether the last one was paused as well;
    for one that cannot be asked, its failure.
    """
    if isinstance(request, Failed):
        return request, 1, False
    attempts, paused, late = 0, True, False
    while (paused or late) and attempts < (1 if once else MOST_ATTEMPTS):
        answer = _answer(model, name, request)
        attempts += 1
        paused = pauses.during(answer.start_ns, answer.start_ns + answer.end_ns)
        late = isinstance(answer, Generation) and _is_late(answer, model)
    return answer, attempts, paused


def _answer(model: LoadedModel, name: str, request: Request) -> Generation | Choice | Failed:
    if isinstance(request, Choose):
        return model.choose(request)
    [(_, answer)] = model.answer([Due(name, request, time.perf_counter_ns())])
    return answer


def _is_late(answer: Generation, model: LoadedModel) -> bool:
    """Whether the client was late for an answer that costs nothing but time."""
    first_ns = answer.arrivals[0].ns if answer.arrivals else answer.end_ns
    if is_exact(answer.late_ns, first_ns):
        return False
    server = model.loaded.server
    return server is None or server.base_url is None  # nothing paid is asked twice
