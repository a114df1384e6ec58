"""Measure one cell: load a variant, warm it up, time every request of a task's sample.

Requests are decoded greedily, and reach the engine as the scenario says. The only step that needs a
device. Each request is recorded at once, so a killed run resumes where it stopped.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from dataclasses import asdict
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).parent))  # PYTHONSAFEPATH leaves it out

from frontier import scenarios
from frontier.checkpoints.own_code import raised_by_own_code
from frontier.engines import LoadedModel, Settings
from frontier.errors import OutOfMemoryError, Reason, UnsupportedError, UserError, one_line, run
from frontier.host import locks, presence
from frontier.machine import gpus, hardware
from frontier.machine.limits import Limits, OutOfTimeError, limited_memory, limited_time
from frontier.measuring import contention, reuse, roofline, sessions, speculation
from frontier.measuring.energy import Energy
from frontier.measuring.facts import expert_facts, failed_job, loaded_in, lock_facts, lock_of
from frontier.measuring.pauses import Pauses
from frontier.prompts import Question
from frontier.results import checksums, layout
from frontier.results.journal import Journal
from frontier.results.measurement import Attempt, Measurement
from frontier.results.session import Peaks, Run
from frontier.scenarios import Bench
from frontier.scenarios.common import asked, repeating
from frontier.serving import memory, servers
from frontier.specs.measure import MeasureSpec
from frontier.values import checked_spec, read_lines, read_spec, sha256


def settings_of(
    spec: MeasureSpec, adapter: Path | None, folder: Path, draft: Path | None = None
) -> Settings:
    """The engine's settings from a cell's specification; `folder`: that of its measurement."""
    model, device = spec.model, spec.device
    return Settings(
        accelerator=device.accelerator,
        dtype=spec.dtype,
        threads=(
            spec.engine.threads_on(hardware.cores()) if device.threads == "auto" else device.threads
        ),
        prompt=model.prompt,
        quantizer=spec.quantization,
        trust_remote_code=model.trust_remote_code,
        gpus=device.gpus,
        adapter=adapter,
        template_arguments=model.template_arguments,
        template_date=model.template_date,
        published=model.published,
        served=model.served,
        system=spec.task.system or model.system,
        prefix_cache=device.prefix_cache,
        engine_id=spec.engine_id,
        techniques=spec.techniques,
        draft=draft,
        log=folder / layout.SERVER_LOG,
        budget=spec.budget(folder),
    )


def run_cell(
    spec: MeasureSpec,
    settings: Settings,
    checkpoint: Path | None,
    questions: dict[str, Question],
    journal: Journal,
    limits: Limits,
    machines: Path | None = None,
) -> tuple[Attempt, int | None]:
    """Loads, warms up and times; returns the outcome, and the session with the facts of loading.

    `machines`: the folder of the limits of machines, which are unknown without it.
    Raises UserError for an outcome that a larger, later attempt may avoid.
    """
    cell = spec.cell.place.name
    attempt = Attempt(
        layout=layout.VERSION,
        outcome="measured",
        reason=None,
        dtype=settings.dtype,
        engine=spec.engine_id,
        environment=spec.environment,
    )
    origin = lock_of(checkpoint)
    if failed := failed_job(origin, lock_of(settings.draft)):
        return attempt.ended(*failed), None
    scenario = scenarios.load(spec.cell.scenario, spec.scenario_keys)
    known = scenario.answered(journal, questions)
    if known is not None and journal.facts[known].loaded.room is None:
        journal.withdraw()
        return attempt, known
    known = None
    if not (checkpoint and spec.engine.starts_servers):
        servers.end_kept()
    pauses = Pauses()  # before the engine's threads
    engine = spec.engine.only("measure")
    engine.prepare()
    start_s = time.time() - psutil.Process().create_time()
    ceilings = roofline.limits(spec, settings.threads, machines, limits.memory_bytes)
    journal.loaded(Run(start_s=start_s, threads=settings.threads, ceilings=ceilings))
    model: LoadedModel | None = None
    limited = settings.accelerator, spec.memory_bytes, limits.memory_bytes, checkpoint
    try:
        with limited_time(limits.seconds), limited_memory(*limited), pauses:
            started = time.perf_counter_ns()
            model = engine.load(checkpoint, settings) if checkpoint else engine.connect(settings)
            loaded = time.perf_counter_ns()
            paused = pauses.during(started, loaded)
            served = model.loaded.server
            began = not paused and not (served and served.kept)
            journal.loaded(Run(load_s=(loaded - started) / 1e9 if began else None))
            facts = lock_facts(origin, model.loaded) | expert_facts(checkpoint, model.loaded)
            journal.loaded(Run.of(asdict(model.loaded) | facts))
            asked.check_prompts(model, questions)
            requests = asked.requests_for(questions, spec.task, model)
            journal.make_room(model.reserve(list(requests.values())))
            known = scenario.answered(journal, questions)
            if known is None:
                energy = Energy(settings.accelerator)
                journal.loaded(Run(metered=energy.rest()))
                watch = contention.Watch(settings.accelerator, model.processes(), energy)
                paid = bool(spec.costs)
                bench = Bench(
                    model, requests, journal, watch, pauses, cell, paid, questions, spec.task
                )
                journal.loaded(scenarios.warmed(scenario, bench, spec.device.warmup))
                with energy:
                    repeating.timed(scenario, bench)
                    repeating.until_sound(spec, scenario, bench)
                journal.loaded(Run(metered=energy.facts()))
    except UnsupportedError as error:
        attempt = attempt.ended("unsupported", str(error))
    except (OutOfMemoryError, OutOfTimeError) as error:
        attempt = attempt.ended(**limits.outcome(cell, error))
    except Exception as error:
        if not raised_by_own_code(error):
            if model:  # its server holds the device, which is another job's in a moment
                model.close()
            raise
        reason: Reason = (
            f"the checkpoint's own code failed: {type(error).__name__}: {one_line(error)}"
        )
        attempt = attempt.ended("unsupported", reason[:300])
    device_peak_bytes = model.device_peak_bytes() if model else None
    host_peak_bytes = model.host_peak_bytes() if model else memory.own_peak_bytes()
    peaks = Peaks(device_peak_bytes=device_peak_bytes, host_peak_bytes=host_peak_bytes)
    journal.loaded(Run(memory=peaks))
    if model:
        model.close()
    if known is None:
        return attempt, journal.session
    journal.withdraw()  # all requests were asked by earlier processes
    return attempt, known


def measure(arguments: argparse.Namespace, spec: MeasureSpec, limits: Limits) -> None:
    """Measures the requests missing in the journal; writes requests and measurement."""
    rows = read_lines(arguments.sample)
    questions = spec.task.questions(rows)
    weights = lock_of(arguments.model).get("weights_sha256")
    here = sessions.here(spec.request, weights, spec.references)
    path = arguments.requests.with_name(layout.JOURNAL)
    apart = scenarios.load(spec.cell.scenario).INDEPENDENT
    if apart and not path.exists() and not arguments.requests.exists():  # else it is timed again
        reuse.take_over(path, spec, questions, here)
    journal = Journal(path, here, spec.digest)
    folder = arguments.requests.parent
    settings = settings_of(spec, arguments.adapter, folder, arguments.draft)
    attempt, session = run_cell(
        spec, settings, arguments.model, questions, journal, limits, arguments.machines
    )
    records = contention.with_loads(journal)
    attempt = speculation.checked(attempt, settings.techniques, records)
    facts = loaded_in(journal, session, records)
    if settings.budget.spent is not None:
        facts["spent"] = settings.budget.spent
    # Never requests of one measurement next to sessions of another.
    arguments.measurement.unlink(missing_ok=True)
    journal.finish(arguments.requests, records, list(questions))
    checksums.write(
        arguments.measurement,
        Measurement(
            **attempt.given(),
            **facts,
            spec=spec.model_dump(mode="json", exclude_unset=True),
            sessions=journal.sessions,
            requests=len(journal.records),
            requests_sha256=sha256(arguments.requests),
            sample_sha256=sha256(arguments.sample),
            weights_sha256=weights,
        ).as_json(),
    )


def main() -> None:
    """Reads the arguments, reserves the device, measures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--spec", required=True, help="the cell's specification: JSON, or a file")
    parser.add_argument("--model", type=Path, help="checkpoint folder; none for an endpoint")
    parser.add_argument("--adapter", type=Path, help="PEFT adapter folder")
    parser.add_argument("--draft", type=Path, help="checkpoint folder of a technique's draft")
    parser.add_argument("--sample", required=True, type=Path, help="sample.jsonl")
    parser.add_argument("--requests", required=True, type=Path, help="requests.jsonl to write")
    parser.add_argument("--measurement", required=True, type=Path, help="measurement.json to write")
    parser.add_argument(
        "--machines", type=Path, help="folder of the limits of machines: measured if missing"
    )
    parser.add_argument(
        "--limits", default="{}", help="a scheduler's limits for this attempt: JSON"
    )
    arguments = parser.parse_args()
    spec = checked_spec(arguments.spec, MeasureSpec)
    if bool(spec.model.served) == bool(arguments.model):
        what = "an endpoint serves this model" if arguments.model else "required"
        raise UserError(f"--model: {what}")
    device, name = spec.device, spec.cell.device
    hardware.require(name, device.accelerator, device.gpu, device.gpus)
    if reason := spec.engine.why_not_here(device.accelerator):
        raise UserError(f"device {name!r}: {reason}")
    os.environ["HF_HUB_OFFLINE"] = "1"  # everything is local; a timed job uses no network
    folders = (arguments.sample.parent, arguments.model, arguments.adapter, arguments.draft)
    for folder in folders:
        if folder:
            locks.check_lock(folder)
    limits = Limits(**read_spec(arguments.limits))
    folder = arguments.requests.parent
    folder.mkdir(parents=True, exist_ok=True)
    count = device.gpus if device.accelerator != "mps" else 0
    busy = UserError(f"{folder}: another process is measuring this cell")
    with (
        presence.exclusive(folder / layout.JOURNAL_LOCK, busy),
        gpus.reserved(f"device {name!r}", device.gpu, count, device.accelerator),
    ):
        measure(arguments, spec, limits)


if __name__ == "__main__":
    run(main)
