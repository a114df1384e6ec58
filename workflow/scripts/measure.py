"""Measure one cell: load a variant, warm it up, time every request of a task's sample.

Requests run one at a time (MLPerf's SingleStream), decoded greedily. The only step that needs a
device. What has been measured is kept at once: a killed run goes on where it stopped.
"""

from __future__ import annotations

import argparse
import importlib
import os
import platform
import resource
import sys
import time
from datetime import date
from importlib import metadata
from pathlib import Path
from typing import Any

import filelock
import psutil

sys.path.insert(0, str(Path(__file__).parent))  # PYTHONSAFEPATH leaves it out

from frontier import checksums, contention, hardware, scenarios, templates
from frontier.engines import Engine, Loaded, Settings, UnsupportedError
from frontier.errors import OutOfMemoryError, UserError, one_line, run
from frontier.host import leases
from frontier.host.files import check_lock, read_json, read_lines, read_spec, sha256
from frontier.limits import Limits, OutOfTimeError, limited_memory, limited_time
from frontier.own_code import raised_by_own_code
from frontier.pauses import Pauses
from frontier.quantizers import load as load_quantizer
from frontier.records import Journal

# As long as a process may need to notice that the Snakemake that started it was killed.
LOCK_WAIT_S = 60
RECORDED_PACKAGES = (
    "torch", "transformers", "tokenizers", "accelerate", "peft", "optimum", "optimum-quanto",
    "bitsandbytes", "torchao", "hqq", "gptqmodel", "compressed-tensors", "llama_cpp_python",
    "onnxruntime", "optimum-onnx", "openvino", "optimum-intel", "nncf",
)  # fmt: skip


def settings_of(spec: dict[str, Any], adapter: Path | None) -> Settings:
    """What the engine needs to know, out of a cell's specification."""
    model, device, quantization = spec["model"], spec["device"], spec["quantization"]
    options = {key: value for key, value in quantization.items() if key != "method"}
    quantizer = load_quantizer(quantization["method"])
    native = device.get("dtype") or model["dtype"]
    threads = device["threads"]
    return Settings(
        accelerator=device["accelerator"],
        dtype=quantizer.compute_dtype(quantizer.Options(**options), native, device["engine"]),
        threads=hardware.cores() if threads == "auto" else threads,
        prompt=model["prompt"],
        method=quantization["method"],
        quantization=options,
        trust_remote_code=model["trust_remote_code"],
        gpus=device["gpus"],
        compile=device["compile"],
        adapter=adapter,
        template_arguments=model["template_arguments"],
        template_date=date.fromisoformat(model["template_date"]),
        published=model.get("published"),
    )


def host_peak_bytes() -> int:
    """Most memory that this process has held; Linux counts in KiB, macOS in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if platform.system() == "Darwin" else peak * 1024


def run_cell(
    spec: dict[str, Any],
    settings: Settings,
    checkpoint: Path,
    prompts: dict[str, str],
    journal: Journal,
    limits: Limits,
) -> dict[str, Any]:
    """Load, warm up and time; returns the measurement's facts, whatever the outcome.

    Raises UserError for an outcome that a larger attempt, which is still to come, may not have.
    """
    cell = "/".join(spec["cell"][key] for key in ("variant", "device", "task"))
    facts: dict[str, Any] = {"outcome": "measured", "reason": None, "dtype": settings.dtype}
    facts |= {"engine": spec["device"]["engine"], "environment": spec["environment"]}
    made = lock_of(checkpoint)
    if "outcome" in made:  # the job that was to make it has said why it could not
        return facts | {key: made[key] for key in ("outcome", "reason")} | {"memory": None}
    pauses = Pauses()  # before the engine's threads
    module = importlib.import_module(f"frontier.engines.{spec['device']['engine']}")
    facts["start_s"] = time.time() - psutil.Process().create_time()
    engine: Engine | None = None
    memory = settings.accelerator, spec["memory_bytes"], limits.memory_bytes, checkpoint
    try:
        with limited_time(limits.seconds), limited_memory(*memory), pauses:
            started = time.perf_counter_ns()
            engine = module.load(checkpoint, settings)
            loaded = time.perf_counter_ns()
            paused = pauses.during(started, loaded)
            facts["load_s"] = None if paused else (loaded - started) / 1e9
            facts |= vars(engine.loaded)
            facts |= made_facts(made, engine.loaded)
            scenarios.check_prompts(engine, prompts)
            engine.reserve(list(prompts.values()), spec["task"]["max_new_tokens"])
            facts["warmup"] = scenarios.warm_up(
                engine, list(prompts.values()), spec["task"], spec["device"]["warmup"]
            )
            watch = contention.Watch(settings.accelerator)
            scenarios.single_stream(engine, prompts, spec["task"], journal, cell, watch, pauses)
            facts["contention"] = {"load_average": watch.load_average()}
    except UnsupportedError as error:
        facts |= {"outcome": "unsupported", "reason": str(error)}
    except (OutOfMemoryError, OutOfTimeError) as error:
        facts |= limits.outcome(cell, error)
    except Exception as error:
        if not raised_by_own_code(error):
            raise
        reason = f"the checkpoint's own code failed: {type(error).__name__}: {one_line(error)}"
        facts |= {"outcome": "unsupported", "reason": reason[:300]}
    facts["memory"] = {
        "device_peak_bytes": engine.device_peak_bytes() if engine else None,
        "host_peak_bytes": host_peak_bytes(),
    }
    facts["threads"] = settings.threads
    if engine:
        engine.close()
    return facts


def lock_of(checkpoint: Path) -> dict[str, Any]:
    """What is known of a checkpoint; nothing of a folder that somebody put there by hand."""
    lock = checkpoint / "lock.json"
    return read_json(lock) if lock.exists() else {}


def made_facts(made: dict[str, Any], loaded: Loaded) -> dict[str, Any]:
    """What only the job that made the checkpoint knows, from its lock."""
    facts: dict[str, Any] = {
        "simulated": made.get("simulated_bytes") is not None,
        "random_weights": made.get("random_weights", False),
    }
    if loaded.quantized_layers is None:
        facts["quantized_layers"] = made.get("quantized_layers")
    if facts["simulated"]:
        # Its weights only carry the rounding; this is what they would take if they were packed.
        facts |= {"weights_bytes": made["simulated_bytes"]}
        facts |= {"quantized_layers": made["quantized_layers"]}
    return facts


def versions() -> dict[str, str]:
    """Versions of the packages that a measurement should name."""
    installed = {}
    for package in RECORDED_PACKAGES:
        try:
            installed[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return installed


def measure(arguments: argparse.Namespace, spec: dict[str, Any], limits: Limits) -> None:
    """Measure what the journal has not yet; write requests and measurement."""
    template = spec["task"]["prompt"]
    rows = read_lines(arguments.sample)
    prompts = {row["id"]: templates.fill(template, row["fields"]) for row in rows}
    facts = {"hardware": hardware.describe(), "packages": versions()}
    identity = spec.get("identity", {}).get("digest", "")
    journal = Journal(arguments.requests.with_name("journal.jsonl"), facts, identity)
    settings = settings_of(spec, arguments.adapter)
    result = run_cell(spec, settings, arguments.model, prompts, journal, limits)
    records = contention.with_loads(journal)
    if "contention" in result:
        result["contention"] |= contention.summary(journal, records)
    journal.finish(arguments.requests, records, list(prompts))
    checksums.write(
        arguments.measurement,
        {
            **result,
            "spec": spec,
            "sessions": journal.sessions,
            "requests": len(journal.records),
            "requests_sha256": sha256(arguments.requests),
            "sample_sha256": sha256(arguments.sample),
            "weights_sha256": lock_of(arguments.model).get("weights_sha256"),
        },
    )


def main() -> None:
    """Read the arguments, take the device, measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--spec", required=True, help="the cell's specification: JSON, or a file")
    parser.add_argument("--model", required=True, type=Path, help="checkpoint folder")
    parser.add_argument("--adapter", type=Path, help="PEFT adapter folder")
    parser.add_argument("--sample", required=True, type=Path, help="sample.jsonl")
    parser.add_argument("--requests", required=True, type=Path, help="requests.jsonl to write")
    parser.add_argument("--measurement", required=True, type=Path, help="measurement.json to write")
    parser.add_argument("--limits", default="{}", help="what a scheduler gives this attempt: JSON")
    arguments = parser.parse_args()
    spec = read_spec(arguments.spec)
    device, name = spec["device"], spec["cell"]["device"]
    hardware.require(name, device["accelerator"], device.get("gpu"), device["gpus"])
    os.environ["HF_HUB_OFFLINE"] = "1"  # all is here; a timed job asks nobody
    for folder in (arguments.sample.parent, arguments.model, arguments.adapter):
        if folder:
            check_lock(folder)
    limits = Limits(**read_spec(arguments.limits))
    folder = arguments.requests.parent
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with filelock.FileLock(folder / "journal.lock", timeout=LOCK_WAIT_S):
            gpus = device["gpus"] if device["accelerator"] != "mps" else 0
            with leases.leased(f"device {name!r}", device.get("gpu"), gpus):
                measure(arguments, spec, limits)
    except filelock.Timeout:
        raise UserError(f"{folder}: another process is measuring this cell") from None


if __name__ == "__main__":
    run(main)
