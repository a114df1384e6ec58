"""Measure one cell: load a variant, warm it up, time every request of a task's sample.

Requests run one at a time (MLPerf's SingleStream), decoded greedily. The only step that needs a
device. What has been measured is kept at once: a killed run goes on where it stopped.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import math
import os
import platform
import resource
import statistics
import time
from importlib import metadata
from pathlib import Path
from typing import Any

import filelock
import psutil

from frontier import hardware, presence
from frontier.engines import Engine, Generation, OutOfMemoryError, Settings, UnsupportedError
from frontier.errors import UserError, run
from frontier.files import check_lock, read_json, read_lines, read_spec, sha256, write_json
from frontier.progress import Progress
from frontier.quantizers import load as load_quantizer
from frontier.records import Journal, Record

# As long as a process may need to notice that the Snakemake that started it was killed.
LOCK_WAIT_S = 60
RECORDED_PACKAGES = ("torch", "transformers", "tokenizers", "optimum-quanto", "accelerate")


def settings_of(spec: dict[str, Any]) -> Settings:
    """What the engine needs to know, out of a cell's specification."""
    model, device, quantization = spec["model"], spec["device"], spec["quantization"]
    options = {key: value for key, value in quantization.items() if key != "method"}
    quantizer = load_quantizer(quantization["method"])
    native = device.get("dtype") or model["dtype"]
    threads = device["threads"]
    return Settings(
        accelerator=device["accelerator"],
        dtype=quantizer.compute_dtype(quantizer.Options(**options), native),
        threads=hardware.cores() if threads == "auto" else threads,
        prompt=model["prompt"],
        method=quantization["method"],
        quantization=options,
        trust_remote_code=model["trust_remote_code"],
        gpus=device["gpus"],
    )


def warm_up(
    engine: Engine, prompts: list[str], task: dict[str, Any], limits: dict[str, Any]
) -> dict[str, Any]:
    """Untimed rounds over the same few requests until a round is as fast as the one before.

    Rounds are compared request by request, so that long and short ones count alike. Returns how
    many requests it took, whether latency settled and by how much it changed last.
    """
    few = prompts[: limits["minimum"]]
    started = time.perf_counter_ns()
    before: list[int] = []
    change, done = math.inf, 0
    while change >= limits["tolerance"] and done < limits["maximum"]:
        now = [ask(engine, prompt, task).end_ns for prompt in few]
        done += len(few)
        if before:
            ratios = (later / earlier for later, earlier in zip(now, before, strict=True))
            change = abs(statistics.median(ratios) - 1)
        before = now
    return {
        "requests": done,
        "settled": change < limits["tolerance"],
        "last_change": None if math.isinf(change) else change,
        "seconds": (time.perf_counter_ns() - started) / 1e9,
    }


def ask(engine: Engine, prompt: str, task: dict[str, Any]) -> Generation:
    """One request with the task's limits."""
    return engine.generate(prompt, task["max_new_tokens"], tuple(task["stop"]))


def measure(
    engine: Engine, prompts: dict[str, str], task: dict[str, Any], journal: Journal, label: str
) -> None:
    """Time every request that the journal has not yet."""
    finished = {record.id for record in journal.records}
    progress = Progress(label, len(prompts), "requests", done=len(finished))
    runner = presence.Runner()
    for identifier, prompt in prompts.items():
        if identifier in finished:
            continue
        if runner.gone():
            # Going on would disturb what the next run measures.
            raise UserError(f"{label}: Snakemake has ended; what was measured is kept")
        generation = ask(engine, prompt, task)
        journal.append(
            Record(
                id=identifier,
                prompt_sha256=hashlib.sha256(prompt.encode()).hexdigest(),
                text=generation.text,
                tokens=len(generation.token_ns),
                prompt_tokens=generation.prompt_tokens,
                finish_reason=generation.finish_reason,
                start_ns=generation.start_ns,
                token_ns=generation.token_ns,
                end_ns=generation.end_ns,
                session=journal.session,
            )
        )
        progress.step()


def host_peak_bytes() -> int:
    """Most memory that this process has held; Linux counts in KiB, macOS in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if platform.system() == "Darwin" else peak * 1024


def limit_memory(most: int) -> None:
    """Let an allocation beyond `most` bytes fail here, not by the kernel's killing the job.

    Only Linux counts a process's memory against this limit.
    """
    if platform.system() == "Linux":
        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(resource.RLIMIT_DATA, (most, hard))


def run_cell(
    spec: dict[str, Any], checkpoint: Path, prompts: dict[str, str], journal: Journal
) -> dict[str, Any]:
    """Load, warm up and time; returns the measurement's facts, whatever the outcome."""
    settings = settings_of(spec)
    cell = "/".join(spec["cell"][key] for key in ("variant", "device", "task"))
    facts: dict[str, Any] = {"outcome": "measured", "reason": None, "dtype": settings.dtype}
    module = importlib.import_module(f"frontier.engines.{spec['device']['engine']}")
    facts["start_s"] = time.time() - psutil.Process().create_time()
    engine: Engine | None = None
    try:
        started = time.perf_counter_ns()
        engine = module.load(checkpoint, settings)
        facts |= {"load_s": (time.perf_counter_ns() - started) / 1e9, **vars(engine.loaded)}
        facts["warmup"] = warm_up(
            engine, list(prompts.values()), spec["task"], spec["device"]["warmup"]
        )
        contention = hardware.Contention()
        measure(engine, prompts, spec["task"], journal, cell)
        facts["contention"] = contention.stop(settings.accelerator)
    except UnsupportedError as error:
        facts |= {"outcome": "unsupported", "reason": str(error)}
    except OutOfMemoryError as error:
        facts |= {"outcome": "out-of-memory", "reason": str(error)}
    facts["memory"] = {
        "device_peak_bytes": engine.device_peak_bytes() if engine else None,
        "host_peak_bytes": host_peak_bytes(),
    }
    facts["threads"] = settings.threads
    if engine:
        engine.close()
    return facts


def weights_sha256(checkpoint: Path) -> str | None:
    """The weights' digest, as the lock beside them tells it; None for a folder without a lock."""
    lock = checkpoint / "lock.json"
    return read_json(lock)["weights_sha256"] if lock.exists() else None


def versions() -> dict[str, str]:
    """Versions of the packages that a measurement should name."""
    installed = {}
    for package in RECORDED_PACKAGES:
        try:
            installed[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return installed


def main() -> None:
    """Read the arguments, measure, write requests and measurement."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--spec", required=True, help="the cell's specification: JSON, or a file")
    parser.add_argument("--model", required=True, type=Path, help="checkpoint folder")
    parser.add_argument("--sample", required=True, type=Path, help="sample.jsonl")
    parser.add_argument("--requests", required=True, type=Path, help="requests.jsonl to write")
    parser.add_argument("--measurement", required=True, type=Path, help="measurement.json to write")
    arguments = parser.parse_args()
    spec = read_spec(arguments.spec)
    device = spec["device"]
    chosen = hardware.require(
        spec["cell"]["device"], device["accelerator"], device.get("gpu"), device["gpus"]
    )
    if chosen:
        os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(gpu.uuid for gpu in chosen)
    os.environ["HF_HUB_OFFLINE"] = "1"  # all is here; a timed job asks nobody
    for folder in (arguments.sample.parent, arguments.model):
        check_lock(folder)
    template = spec["task"]["prompt"]
    rows = read_lines(arguments.sample)
    prompts = {row["id"]: template.format_map(row["fields"]) for row in rows}
    if device["accelerator"] == "cpu" and spec["memory_bytes"]:
        # The weights' files are mapped into memory, which counts but takes none.
        mapped = sum(path.stat().st_size for path in arguments.model.glob("*.safetensors"))
        limit_memory(spec["memory_bytes"] + mapped)

    path = arguments.requests.with_name("journal.jsonl")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with filelock.FileLock(path.with_suffix(".lock"), timeout=LOCK_WAIT_S):
            facts = {"hardware": hardware.describe(), "packages": versions()}
            journal = Journal(path, facts)
            result = run_cell(spec, arguments.model, prompts, journal)
            journal.finish(arguments.requests, list(prompts))
            write_json(
                arguments.measurement,
                {
                    **result,
                    "spec": spec,
                    "sessions": journal.sessions,
                    "requests": len(journal.records),
                    "requests_sha256": sha256(arguments.requests),
                    "sample_sha256": sha256(arguments.sample),
                    "weights_sha256": weights_sha256(arguments.model),
                },
            )
    except filelock.Timeout:
        raise UserError(f"{path.parent}: another process is measuring this cell") from None


if __name__ == "__main__":
    run(main)
