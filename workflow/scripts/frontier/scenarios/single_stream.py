"""How requests reach an engine: MLPerf's SingleStream, one at a time, after a warm-up."""

from __future__ import annotations

import hashlib
import math
import statistics
import time
from dataclasses import asdict
from typing import Any

from frontier.catalogue.devices import Warmup
from frontier.engines import Generate, Generation, LoadedModel
from frontier.errors import UserError
from frontier.host import presence
from frontier.host.progress import Progress
from frontier.measuring.contention import Watch
from frontier.measuring.pauses import Pauses
from frontier.results.journal import Journal
from frontier.results.records import Record, input_sha256
from frontier.specs.measure import MeasuredTask


def warm_up(model: LoadedModel, requests: list[Generate], limits: Warmup) -> dict[str, Any]:
    """Untimed rounds over the same few requests until a round is as fast as the one before.

    Rounds are compared request by request, so that long and short ones count alike. Returns how
    many requests it took, whether latency settled and by how much it changed last.
    """
    few = requests[: limits.minimum]
    started = time.perf_counter_ns()
    before: list[int] = []
    change, done = math.inf, 0
    while change >= limits.tolerance and done < limits.maximum:
        now = [model.generate(request).end_ns for request in few]
        done += len(few)
        if before:
            ratios = (later / earlier for later, earlier in zip(now, before, strict=True))
            change = abs(statistics.median(ratios) - 1)
        before = now
    return {
        "requests": done,
        "settled": change < limits.tolerance,
        "last_change": None if math.isinf(change) else change,
        "seconds": (time.perf_counter_ns() - started) / 1e9,
    }


def requests_for(prompts: dict[str, str], task: MeasuredTask) -> dict[str, Generate]:
    """By id the request for each prompt, with the task's limits."""
    return {
        name: Generate(prompt, task.max_new_tokens, task.stop) for name, prompt in prompts.items()
    }


MOST_ATTEMPTS = 3


def undisturbed(
    model: LoadedModel, request: Generate, pauses: Pauses
) -> tuple[Generation, int, bool]:
    """One request, asked again where this process stood still meanwhile.

    Returns the last answer, how often it was asked, and whether that was disturbed as well.
    """
    attempts, paused = 0, True
    while paused and attempts < MOST_ATTEMPTS:
        generation = model.generate(request)
        attempts += 1
        paused = pauses.during(generation.start_ns, generation.start_ns + generation.end_ns)
    return generation, attempts, paused


def check_prompts(model: LoadedModel, prompts: dict[str, str]) -> None:
    """Raise UserError for the first prompt that the chat template refuses, before any is asked."""
    for identifier, prompt in prompts.items():
        try:
            model.render(prompt)
        except UserError as error:
            raise UserError(f"request {identifier}: {error}") from error


def single_stream(
    model: LoadedModel,
    requests: dict[str, Generate],
    journal: Journal,
    label: str,
    watch: Watch,
    pauses: Pauses,
) -> None:
    """Time every request that the journal has not yet, one at a time.

    Raises UserError where the Snakemake that started this process has ended.
    """
    finished = {record.id for record in journal.records}
    progress = Progress(label, len(requests), "requests", done=len(finished))
    runner = presence.Runner()
    journal.begin(asdict(watch.read()))
    pauses.beat()
    for identifier, request in requests.items():
        if identifier in finished:
            continue
        if runner.has_exited():
            # Going on would disturb what the next run measures.
            raise UserError(f"{label}: Snakemake has ended; what was measured is kept")
        generation, attempts, paused = undisturbed(model, request, pauses)
        journal.append(
            Record(
                id=identifier,
                prompt_sha256=hashlib.sha256(model.render(request.prompt).encode()).hexdigest(),
                text=generation.text,
                tokens=generation.tokens,
                prompt_tokens=generation.prompt_tokens,
                finish_reason=generation.finish_reason,
                due_ns=generation.start_ns,  # each request is due when the one before has ended
                start_ns=generation.start_ns,
                arrivals=generation.arrivals,
                end_ns=generation.end_ns,
                session=journal.session,
                attempts=attempts,
                paused=paused,
                input_sha256=input_sha256(request.prompt),
            ),
            asdict(watch.read()),
        )
        progress.step()
