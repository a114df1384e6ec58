"""A copy of the project with a study of one model and task: what this workflow is asked."""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from frontier.errors import UserError
from frontier.results import measurement
from frontier.results.measurement import Measurement
from frontier.values import read_json, sha256
from side_by_side.running import Ran, run

PROJECT = Path(__file__).resolve().parents[2]
COPIED = ("Snakefile", "workflow", "config", "profiles", "resources/report", "resources/judging")
DEVICE = "bench"
LLAMA = "bench-llamacpp"
OWN = "bench-model"
"""The id of a model that is given as a folder."""


@dataclass(frozen=True)
class Choice:
    """The model, by its id or folder; the task; requests; threads."""

    model: str
    task: str
    requests: int
    threads: int
    megabytes: int = 0
    """The size of a model of random weights to be made, instead of a model that exists."""


@dataclass(frozen=True)
class Checkout:
    """The copy, and the model's id in it."""

    root: Path
    model: str
    task: str
    threads: int

    def build(self, device: str, log: Path) -> Ran:
        """Runs Snakemake for the cell, as a user would. Raises FailedError."""
        cell = f"results/{self.model}/{device}/{self.task}.json"
        command = [sys.executable, "-m", "snakemake", "--cores", str(max(2, self.threads)), cell]
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        return run(command, log, self.root, {"PATH": path})

    def forget(self, device: str) -> None:
        """Deletes what was measured, so that the next run measures all of it."""
        shutil.rmtree(self.root / "results" / self.model / device, ignore_errors=True)

    def measured(self, device: str) -> tuple[Measurement, Path]:
        """The cell's measurement, and the folder with its requests."""
        [path] = (self.root / "results" / self.model / device / self.task).glob(
            "*/measurement.json"
        )
        return measurement.read(path), path.parent

    def summary(self, device: str) -> Path:
        """The cell's JSON."""
        return self.root / "results" / self.model / device / f"{self.task}.json"

    def sample(self) -> Path:
        """The rows of the task, of those that earlier comparisons have left too."""
        wanted = self.measured(DEVICE)[0].sample_sha256
        found = (self.root / "resources" / "samples" / self.task).glob("*/sample.jsonl")
        return next(path for path in found if sha256(path) == wanted)

    def checkpoint(self) -> Path:
        """The folder of the model as it was locked, of those that earlier comparisons have left."""
        wanted = self.measured(DEVICE)[0].weights_sha256
        found = (self.root / "resources" / "models" / self.model).glob("*/lock.json")
        return next(one.parent for one in found if read_json(one)["weights_sha256"] == wanted)

    def gguf(self) -> Path | None:
        """The model as llama.cpp's file, the newest, if it has been converted."""
        found = (self.root / "resources" / "quantized").glob(f"{self.model}/*/*/model.gguf")
        return max(found, key=lambda path: path.stat().st_mtime, default=None)


def checkout(folder: Path, choice: Choice) -> Checkout:
    """Copies the project, with the choice as its study; what an earlier run fetched stays."""
    root = folder / "checkout"
    for name in COPIED:
        source, target = PROJECT / name, root / name
        if source.is_dir():
            shutil.rmtree(target, ignore_errors=True)
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            root.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, target)
    environments = root / "resources" / "envs"
    (PROJECT / "resources" / "envs").mkdir(parents=True, exist_ok=True)
    if not environments.exists():
        environments.symlink_to((PROJECT / "resources" / "envs").resolve())
    shutil.rmtree(root / "results", ignore_errors=True)
    model = _add_model(root / "config" / "models.yaml", choice)
    with _edited(root / "config" / "tasks.yaml") as catalogue:
        if choice.task not in catalogue["tasks"]:
            raise UserError(f"task {choice.task!r}: not in config/tasks.yaml")
        sample = catalogue["tasks"][choice.task].setdefault("sample", {})
        sample["size"] = choice.requests
    with _edited(root / "config" / "devices.yaml") as catalogue:
        own = {"threads": choice.threads}
        catalogue["devices"][DEVICE] = {"like": "cpu", **own}
        catalogue["devices"][LLAMA] = {"like": "cpu-llamacpp", **own}
    with _edited(root / "config" / "config.yaml") as study:
        study["study"] = {
            "models": [model],
            "quantizations": ["native"],
            "devices": [DEVICE],
            "tasks": [choice.task],
        }
    return Checkout(root, model, choice.task, choice.threads)


class _edited:  # noqa: N801
    """A file of YAML as a value, which is written back at the end."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> dict[str, Any]:
        value: dict[str, Any] = yaml.safe_load(self.path.read_text(encoding="utf-8"))
        self.value = value
        return value

    def __exit__(self, failed: object, *_: object) -> None:
        if failed is None:
            text = yaml.safe_dump(self.value, sort_keys=False, allow_unicode=True)
            self.path.write_text(text, encoding="utf-8")


def _add_model(path: Path, choice: Choice) -> str:
    """Adds a folder, or a model of random weights, to the catalogue; returns the model's id."""
    with _edited(path) as catalogue:
        models = catalogue["models"]
        if choice.megabytes:
            name = f"bench-random-{choice.megabytes}"
            corpora = models["demo-llama"]["grow"]["corpora"]
            models[name] = {
                "label": "Random weights",
                "grow": random_llama(choice.megabytes, corpora),
            }
            return name
        if Path(choice.model).is_dir():
            models[OWN] = {"path": str(Path(choice.model).resolve()), "label": "Own model"}
            return OWN
        if choice.model not in models:
            raise UserError(
                f"model {choice.model!r}: neither in config/models.yaml nor a folder here"
            )
        return choice.model


def random_llama(megabytes: int, corpora: dict[str, Any]) -> dict[str, Any]:
    """The recipe of a Llama of about so many megabytes in float32, which is not trained."""
    hidden, intermediate = 768, 2048
    layer = 4 * hidden**2 + 3 * hidden * intermediate
    return {
        "architecture": "llama",
        "hidden": hidden,
        "layers": max(1, round(megabytes * 1e6 / 4 / layer)),
        "heads": 12,
        "intermediate": intermediate,
        "steps": 0,
        "learning_rate": 0.001,
        "corpora": corpora,
    }
