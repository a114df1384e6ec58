"""A place to measure in without Snakemake: a catalogue, checkpoints, samples, and measure.py."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pynvml
import yaml

from frontier.catalogue import configuration
from frontier.machine import hardware
from frontier.planning.cells import Cell
from frontier.planning.steps import Steps
from frontier.results.records import Record
from frontier.results.records import read as read_records

SCRIPTS = Path(__file__).resolve().parents[2] / "workflow" / "scripts"
PROBES = Path(__file__).with_name("probes.py")
READ_S = 0.05


class CheckError(Exception):
    """A step of a check that did not end well; the message is its last line."""


@dataclass(frozen=True)
class Run:
    """A measurement: its facts, its records, and joules while requests were timed."""

    facts: dict[str, Any]
    records: list[Record]
    joules: float | None
    log: str


@dataclass
class Meter:
    """NVML's energy counter of the first GPU, read while a block runs."""

    joules: list[tuple[int, float]] = field(default_factory=list)
    missing: str | None = None

    @contextmanager
    def reading(self) -> Iterator[Meter]:
        """Reads it every READ_S seconds; `missing` says why there is nothing to read."""
        ended = threading.Event()
        thread = threading.Thread(target=self._read, args=(ended,), daemon=True)
        thread.start()
        try:
            yield self
        finally:
            ended.set()
            thread.join()

    def _read(self, ended: threading.Event) -> None:
        try:
            pynvml.nvmlInit()
            handle = pynvml.nvmlDeviceGetHandleByIndex(0)
            while not ended.wait(READ_S):
                total = pynvml.nvmlDeviceGetTotalEnergyConsumption(handle) / 1000
                self.joules.append((time.perf_counter_ns(), total))
        except pynvml.NVMLError as error:
            self.missing = str(error)

    def between(self, start_ns: int, end_ns: int) -> float | None:
        """Joules between two times of the monotonic clock; None where it was not read."""
        inside = [joules for at, joules in self.joules if start_ns <= at <= end_ns]
        return inside[-1] - inside[0] if len(inside) > 1 else None


class Workbench:
    """A folder with a catalogue of its own."""

    def __init__(self, folder: Path, catalogue: dict[str, dict[str, Any]]) -> None:
        """Writes the catalogue, files of config/ by their names, and reads it as any run does."""
        self.folder = folder
        (folder / "config").mkdir(parents=True, exist_ok=True)
        engines = SCRIPTS.parents[1] / "config" / "engines.yaml"
        (folder / "config" / engines.name).write_bytes(engines.read_bytes())
        for name, content in catalogue.items():
            text = yaml.safe_dump(content, sort_keys=False)
            (folder / "config" / f"{name}.yaml").write_text(text, encoding="utf-8")
        self.catalogue = configuration.read_catalogue(folder / "config")
        study = configuration.read_study([folder / "config" / "config.yaml"], [], self.catalogue)
        self.steps = Steps(self.catalogue, study, hardware.memory_bytes)

    def run(self, *command: str, **environment: str) -> str:
        """A Python program's output. Raises CheckError with its last line where it fails."""
        done = subprocess.run(
            [sys.executable, *command],
            cwd=self.folder,
            env=os.environ | environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise CheckError(
                (done.stderr.strip() or f"exit code {done.returncode}").splitlines()[-1]
            )
        return done.stdout

    def probe(self, name: str, *arguments: str) -> Any:
        """The result of a probe."""
        return json.loads(self.run(str(PROBES), name, *arguments).splitlines()[-1])

    def program(self, name: str, *arguments: str) -> None:
        """Runs one of workflow/scripts."""
        self.run(str(SCRIPTS / f"{name}.py"), *arguments)

    @contextmanager
    def growing(self, *models: str) -> Iterator[dict[str, Path]]:
        """Grows models of the catalogue during the block, to its end; gives their checkpoints.

        Raises CheckError for one that did not grow.
        """
        outputs = {model: self.folder / "models" / model for model in models}
        with ExitStack() as stack:
            running = []
            for model, output in outputs.items():
                spec = self.steps.model(model).spec_with_identity
                command = (str(SCRIPTS / "grow_model.py"), "--spec", spec, "--output", str(output))
                running.append(stack.enter_context(self.background(*command)))
            yield outputs
            for process in running:
                errors = process.communicate()[1]
                if process.returncode:
                    raise CheckError(errors.strip().splitlines()[-1])

    def sample(self, task: str) -> Path:
        """Draws a task's sample; returns its file."""
        data, output = self.folder / "data", self.folder / "samples" / task / "sample.jsonl"
        dataset = self.steps.dataset(self.catalogue.tasks[task].dataset)
        if not data.exists():
            self.program(
                "fetch_dataset", "--spec", dataset.spec_with_identity, "--output", str(data)
            )
        spec = self.steps.sample(task).spec_with_identity
        places = ("--output", str(output), "--lock", str(output.with_name("lock.json")))
        self.program("sample", "--spec", spec, "--dataset", str(data), *places)
        return output

    def cell(self, variant: str, device: str, task: str) -> Cell:
        """A cell as the plan sees it."""
        return self.steps.cell(variant, device, task)

    def measuring(
        self, cell: Cell, model: Path, sample: Path, *, name: str = "", **spec: Any
    ) -> tuple[Path, list[str]]:
        """The folder of a cell's measurement, and the command for it; `spec` overrides its keys."""
        folder = self.folder / "results" / cell.name / (name or "run")
        folder.mkdir(parents=True)
        (folder / "spec.json").write_text(
            json.dumps(json.loads(self.steps.measure(cell).spec_with_identity) | spec),
            encoding="utf-8",
        )
        paths = {
            "spec": folder / "spec.json", "model": model, "sample": sample,
            "requests": folder / "requests.jsonl", "measurement": folder / "measurement.json",
        }  # fmt: skip
        options = [part for key, path in paths.items() for part in (f"--{key}", str(path))]
        return folder, [str(SCRIPTS / "measure.py"), *options]

    def measure(
        self,
        cell: Cell,
        model: Path,
        sample: Path,
        *,
        name: str = "",
        within: int | None = None,
        environment: dict[str, str] | None = None,
    ) -> Run:
        """Measures a cell in a separate process, `within` so many bytes of the device's memory."""
        cpu = self.catalogue.devices[cell.device].accelerator == "cpu"
        spec = {"memory_bytes": within} if within and cpu else {}
        folder, command = self.measuring(cell, model, sample, name=name, **spec)
        if within and not cpu:
            command = [str(PROBES), "limited", "--bytes", str(within), "--", *command]
        with Meter().reading() as meter:
            log = self.run(*command, **(environment or {}))
        return self.read(folder, meter, log)

    def read(self, folder: Path, meter: Meter | None = None, log: str = "") -> Run:
        """The results of a measurement."""
        facts = json.loads((folder / "measurement.json").read_text(encoding="utf-8"))
        records = read_records(folder / "requests.jsonl")
        joules = None
        if records and meter:
            last = records[-1]
            joules = meter.between(records[0].start_ns, last.start_ns + last.end_ns)
        return Run(facts, records, joules, log)

    @contextmanager
    def background(self, *command: str) -> Iterator[subprocess.Popen[str]]:
        """A Python program that runs during the block and is ended with it."""
        process = subprocess.Popen(
            [sys.executable, *command],
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            yield process
        finally:
            with suppress(ProcessLookupError):
                process.kill()
            process.communicate()
