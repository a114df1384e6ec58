"""MLPerf's SingleStream: one request at a time, each sent after the previous answer."""

from __future__ import annotations

import hashlib
from dataclasses import asdict

from frontier.engines import Generate, Generation, LoadedModel
from frontier.errors import UserError
from frontier.host import presence
from frontier.host.progress import Progress
from frontier.measuring.pauses import Pauses
from frontier.results.records import Record, input_sha256
from frontier.scenarios import Bench, Scenario

MOST_ATTEMPTS = 3


class SingleStream(Scenario):
    """The latency for a single user."""

    def measure(self, bench: Bench) -> None:
        """Times the requests in the sample's order."""
        journal, label = bench.journal, bench.label
        finished = {record.id for record in journal.records}
        progress = Progress(label, len(bench.requests), "requests", done=len(finished))
        runner = presence.Runner()
        journal.begin(asdict(bench.watch.read()))
        bench.pauses.beat()
        for identifier, request in bench.requests.items():
            if identifier in finished:
                continue
            if runner.has_exited():
                # Continuing would disturb the next run's measurements.
                raise UserError(f"{label}: Snakemake has ended; what was measured is saved")
            generation, attempts, paused = undisturbed(bench.model, request, bench.pauses)
            journal.append(
                Record(
                    id=identifier,
                    prompt_sha256=_sha256(bench.model.render(request.prompt)),
                    text=generation.text,
                    tokens=generation.tokens,
                    prompt_tokens=generation.prompt_tokens,
                    finish_reason=generation.finish_reason,
                    due_ns=generation.start_ns,  # due when the previous one has ended
                    start_ns=generation.start_ns,
                    arrivals=generation.arrivals,
                    end_ns=generation.end_ns,
                    session=journal.session,
                    attempts=attempts,
                    paused=paused,
                    input_sha256=input_sha256(request.prompt),
                ),
                asdict(bench.watch.read()),
            )
            progress.step()


def undisturbed(
    model: LoadedModel, request: Generate, pauses: Pauses
) -> tuple[Generation, int, bool]:
    """Asks one request, again if this process was paused meanwhile.

    Returns the last answer, the number of attempts, and whether the last one was disturbed as well.
    """
    attempts, paused = 0, True
    while paused and attempts < MOST_ATTEMPTS:
        generation = model.generate(request)
        attempts += 1
        paused = pauses.during(generation.start_ns, generation.start_ns + generation.end_ns)
    return generation, attempts, paused


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
