"""The checks of a host with a GPU, one method each, and the rows that they find."""

from __future__ import annotations

import importlib.util
import json
import statistics
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import cells
import sharing
from frontier.planning import cells as planning
from frontier.planning.placement import Placement, kv_cache_bytes
from frontier.results import times
from rows import Finding, row
from workbench import Run, Workbench

PROMPT_BYTES = 256
NEAR = 0.10
"""The accepted deviation of the plan's memory from the measured peak."""


class GpuChecks:
    """The checks, in the order of what they are worth."""

    def __init__(self, bench: Workbench, accelerator: str, *, small: bool, requests: int) -> None:
        """Creates nothing yet."""
        self.bench, self.accelerator, self.small = bench, accelerator, small
        self.shape = cells.SMALL if small else cells.BIG
        self.model = bench.folder / "models" / "shaped"
        self.sample = bench.folder / "samples" / "long" / "sample.jsonl"
        self.requests = requests
        self.bytes_s = 0.0
        self.grown: dict[str, Path] = {}

    def checks(self) -> Iterator[tuple[str, Callable[[], Iterator[Finding]]]]:
        """Every check by its name."""
        yield "copy bandwidth", self.bandwidth
        yield "checkpoints", self.checkpoints
        quick = [name for name in cells.QUANTIZATIONS if name not in cells.COMPILES]
        for quantization in quick:
            yield _name(quantization), partial(self.route, quantization)
        yield "memory", self.memory
        yield "answers", self.answers
        yield "leases", lambda: sharing.leases(*self.shared)
        yield "others", lambda: sharing.others(*self.shared)
        yield "attention", self.attention
        yield "bf16 compiled", partial(self.route, "native", ("compiled",))
        for quantization in cells.COMPILES:
            yield _name(quantization), partial(self.route, quantization)

    @property
    def shared(self) -> tuple[Workbench, Path, str]:
        """The parts for the checks of sharing. Raises KeyError if the model was not trained."""
        return self.bench, self.grown["grown-llama"], self.accelerator

    def bandwidth(self) -> Iterator[Finding]:
        """The bandwidth that a copy in the device's memory reaches."""
        size = str(1 << (28 if self.small else 32))
        self.bytes_s = self.bench.probe("copy", "--device", self.accelerator, "--bytes", size)[
            "bytes_s"
        ]
        yield row("copy bandwidth", self.bytes_s > 0, GB_s=self.bytes_s / 1e9)

    def checkpoints(self) -> Iterator[Finding]:
        """Random weights of the shape, and two small models that are trained meanwhile.

        The shape's prompts have so many bytes, which are as many tokens.
        """
        shape = ("--shape", json.dumps(self.shape))
        places = ("--device", self.accelerator, "--output", str(self.model))
        with self.bench.growing("grown-llama", "grown-gpt2") as grown:
            built = self.bench.probe("llama", *places, *shape)["parameters"]
        self.grown = grown
        self.sample.parent.mkdir(parents=True)
        texts = [f"{n} little words " * 99 for n in range(self.requests)]
        rows = [
            {"id": f"long-{n}", "fields": {"question": text[:PROMPT_BYTES]}, "reference": ""}
            for n, text in enumerate(texts)
        ]
        self.sample.write_text("".join(json.dumps(one) + "\n" for one in rows), encoding="utf-8")
        planned = cells.parameters(self.shape)
        yield row("checkpoints", built == planned, parameters=built, grown=len(grown))

    def route(self, quantization: str, techniques: tuple[str, ...] = ()) -> Iterator[Finding]:
        """Latency next to what bandwidth allows, and peak memory next to the plan's."""
        name = " ".join([_name(quantization), *techniques])
        method = cells.QUANTIZATIONS[quantization]["method"]
        wheel = cells.WHEELS.get(method)
        if wheel and not _has(wheel):
            yield Finding(name, "skipped", f"{wheel} is not installed")
            return
        variant = planning.variant_id("shaped", quantization, techniques)
        cell = self.bench.cell(variant, "here", "long")
        if not cell.planned:
            yield Finding(name, "skipped", f"{cell.outcome}: {cell.reason}")
            return
        run = self.bench.measure(cell, self.model, self.sample)
        outcome = run.facts["outcome"]
        if outcome == "unsupported":
            yield Finding(name, "skipped", f"unsupported: {run.facts['reason']}")
            return
        if outcome != "measured":
            yield row(name, False, f"{outcome}: {run.facts['reason']}")
            return
        yield row(name, len(run.records) == self.requests, **self.latency(run))
        peak = run.facts["memory"]["device_peak_bytes"]
        if peak is not None:
            placement = self.bench.steps.placement("shaped", quantization, "here")
            planned = self.planned(placement)
            yield row(
                f"{name}: the plan's memory",
                abs(planned / peak - 1) <= NEAR and peak <= planned + planning.MARGIN_BYTES,
                peak_GB=peak / 1e9, planned_GB=planned / 1e9, ratio=planned / peak,
            )  # fmt: skip

    def planned(self, placement: Placement) -> int:
        """Bytes of weights and cache as the plan has them, without its margin."""
        new = self.bench.catalogue.tasks["long"].new_tokens
        cache = kv_cache_bytes(placement.model, placement.engine, placement.dtype, new) or 0
        return (placement.weight_bytes or 0) + cache

    def latency(self, run: Run) -> dict[str, Any]:
        """Medians in ms, the bandwidth's limit of TPOT, and what a token took in joules."""
        tpot = [value for value in map(times.tpot_s, run.records) if value is not None]
        ttft = [value for value in map(times.ttft_s, run.records) if value is not None]
        weights = run.facts["weights_bytes"]
        limit = (weights + PROMPT_BYTES * (run.facts["kv_bytes_per_token"] or 0)) / self.bytes_s
        tokens = sum(record.tokens for record in run.records)
        return {
            "TTFT_ms": 1000 * statistics.median(ttft),
            "TPOT_ms": 1000 * statistics.median(tpot) if tpot else None,
            "limit_ms": 1000 * limit,
            "MBU": limit / statistics.median(tpot) if tpot else None,
            "weights_GB": weights / 1e9,
            "kernel": run.facts["kernel"],
            "J_token": run.joules / tokens if run.joules is not None else None,
        }

    def memory(self) -> Iterator[Finding]:
        """A tenth less than the plan's memory is not enough, a tenth and the margin more is."""
        cell = self.bench.cell("shaped", "here", "long")
        planned = self.planned(self.bench.steps.placement("shaped", "native", "here"))
        less = round(planned * (1 - NEAR))
        more = round(planned * (1 + NEAR)) + planning.MARGIN_BYTES
        for within, expected in ((less, "out-of-memory"), (more, "measured")):
            if self.accelerator == "cpu" and within == less:
                yield Finding(expected, "skipped", "torch itself takes more than a small shape")
                continue
            run = self.bench.measure(cell, self.model, self.sample, name=expected, within=within)
            found, reason = run.facts["outcome"], run.facts["reason"] or ""
            name = f"within {within / 1e9:.1f} GB"
            yield row(name, found == expected, reason, outcome=found, planned_GB=planned / 1e9)

    def answers(self) -> Iterator[Finding]:
        """The GPU's float32 answers are the CPU's."""
        for model, checkpoint in self.grown.items():
            for task in cells.TASKS[:1] if self.small else cells.TASKS:
                sample = self.bench.sample(task)
                given = [
                    {one.id: one.text for one in run.records}
                    for device in ("cpu", "here")
                    for run in [
                        self.bench.measure(
                            self.bench.cell(model, device, task),
                            checkpoint,
                            sample,
                            name=f"to {device}",
                        )
                    ]
                ]
                differ = sum(given[0][key] != given[1][key] for key in given[0])
                yield row(
                    f"{model}, {task}",
                    bool(given[0]) and not differ,
                    differ=differ,
                    of=len(given[0]),
                )

    def attention(self) -> Iterator[Finding]:
        """SDPA's kernels at the model's shape; the flash-attn package is looked for."""
        heads, tokens = str(self.shape["num_attention_heads"]), str(128 if self.small else 2048)
        found = self.bench.probe(
            "attention", "--device", self.accelerator, "--heads", heads, "--tokens", tokens
        )
        for name, one in found.items():
            if one["ms"] is None:
                yield Finding(f"SDPA {name}", "skipped", one["reason"])
            else:
                yield row(f"SDPA {name}", one["error"] < 0.05, ms=one["ms"], error=one["error"])
        if not _has("flash_attn"):
            yield Finding("flash_attention_2", "skipped", "flash_attn is not installed")


def _name(quantization: str) -> str:
    return "bf16" if quantization == "native" else quantization


def _has(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False
