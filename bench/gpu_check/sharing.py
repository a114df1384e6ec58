"""Checks of what happens on a GPU, or a CPU, that others use too: leases, and others' load."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from frontier.machine import hardware
from rows import Finding, row
from workbench import PROBES, CheckError, Workbench

FOREIGN_GB = {"cuda": 10.0, "cpu": 0.1}
"""Another process's use of the device's memory; a GPU is skipped above a twentieth."""


def leases(bench: Workbench, checkpoint: Path, accelerator: str) -> Iterator[Finding]:
    """Two measurements on one GPU come one after the other; CUDA_VISIBLE_DEVICES counts."""
    if accelerator == "cpu":
        yield Finding("leases", "skipped", "no GPU")
        return
    cell = bench.cell("grown-llama", "here", "arithmetic")
    sample = bench.sample("arithmetic")
    folder, command = bench.measuring(cell, checkpoint, sample, name="beside")
    with bench.background(*command) as beside:
        run = bench.measure(cell, checkpoint, sample, name="lease")
        errors = beside.communicate()[1]
        if beside.returncode:
            raise CheckError(errors.strip().splitlines()[-1])
    first, second = sorted(
        (one.records[0].start_ns, one.records[-1].start_ns + one.records[-1].end_ns)
        for one in (run, bench.read(folder))
    )
    yield row("two on one GPU", first[1] <= second[0], apart_s=(second[0] - first[1]) / 1e9)
    uuid = hardware.gpus()[0].uuid
    allowed = {uuid: True, uuid[:12]: True, " 0": True, "-1": False, "": False}
    for number, (visible, right) in enumerate(allowed.items()):
        name = f"CUDA_VISIBLE_DEVICES={visible!r}"
        try:
            environment = {"CUDA_VISIBLE_DEVICES": visible}
            bench.measure(cell, checkpoint, sample, name=f"seen {number}", environment=environment)
            yield row(name, right, "measured")
        except CheckError as refused:
            yield row(name, not right and "needs 1 NVIDIA GPU" in str(refused), str(refused))


def others(bench: Workbench, checkpoint: Path, accelerator: str) -> Iterator[Finding]:
    """Somebody else who computes: refused where a GPU is to be leased, counted on a CPU."""
    load = ("load", "--device", accelerator, "--gigabytes", str(FOREIGN_GB[accelerator]))
    cell = bench.cell("grown-llama", "here", "sentiment")
    sample = bench.sample("sentiment")
    with bench.background(str(PROBES), *load) as other:
        assert other.stdout is not None
        other.stdout.readline()  # it holds its memory now
        try:
            run = bench.measure(cell, checkpoint, sample, name="others")
        except CheckError as refused:
            yield row("others are noticed", "needs 1 free GPU" in str(refused), str(refused))
            return
    cores = run.facts["contention"]["foreign_cores"]
    yield row("others are noticed", accelerator == "cpu" and cores > 0.5, foreign_cores=cores)
