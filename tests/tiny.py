"""A study so small that the whole workflow runs in a minute: models of a few training steps."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import yaml
from filelock import FileLock

from workspace import Workspace, copy_project

PROMPTS = {"arithmetic": "{question} ="}
BUSY = {"max_background_cores": 64, "max_drift": 1000, "max_slowed": 1, "attempts": 1}
"""Keys of a device on a machine where other tests run at the same time: whatever their load does to
its times, cells are valid and each request is asked once."""


def recipe(architecture: str, seed: int = 0) -> dict[str, Any]:
    """A model that has learned next to nothing, in seconds."""
    return {
        "architecture": architecture, "hidden": 32, "layers": 1, "heads": 2, "intermediate": 64,
        "vocabulary": 300, "steps": 3, "learning_rate": 0.001, "seed": seed,
        "corpora": {
            grammar: {"prompt": prompt, "examples": 200, "rows": 4}
            for grammar, prompt in PROMPTS.items()
        },
    }  # fmt: skip


def catalogue(data: Path) -> dict[str, dict[str, Any]]:
    """The files of config/ for the tiny study; `data` holds a local SST-2 file."""
    models = {
        f"tiny-{architecture}": {"grow": recipe(architecture), "label": f"Tiny {architecture}"}
        for architecture in ("llama", "gpt2")
    }
    quantizations = {
        "native": {"method": "native"},
        "int8": {"method": "quanto", "weights": "int8", "label": "INT8"},
    }
    warmup = {"minimum": 2, "maximum": 40, "tolerance": 50.0}
    cpu = {"accelerator": "cpu", "threads": 1, "warmup": warmup, **BUSY}
    datasets = {
        "demo": {"loader": "demo", "source": {"generator": "demo"}},
        "reviews": {"loader": "sst2", "source": {"path": str(data)}},
    }
    sentiment = {"kind": "classification", "labels": ["negative", "positive"]}
    tasks = {
        "reviews": {
            "dataset": "reviews", "sample": {"size": 8, "split": "validation"},
            "prompt": "{sentence} =>", "max_new_tokens": 3, "stop": ["\n"], "scorer": sentiment,
        },
        "sums": {
            "dataset": "demo", "sample": {"size": 8, "grammar": "arithmetic"},
            "prompt": "{question} =", "max_new_tokens": 4, "scorer": {"kind": "mathematics"},
        },
    }  # fmt: skip
    study = {
        "models": list(models), "quantizations": list(quantizations),
        "devices": ["cpu"], "tasks": list(tasks),
    }  # fmt: skip
    return {
        "models": {"models": models},
        "quantizations": {"quantizations": quantizations},
        "techniques": {"techniques": {}},
        "devices": {"devices": {"cpu": cpu}},
        "tasks": {"datasets": datasets, "tasks": tasks},
        "config": {"title": "Tiny", "study": study},
    }


def reviews(folder: Path) -> Path:
    """A folder with an SST-2 validation file of twenty invented rows."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = "".join(
        f"a film numbered {n} that is {'good' if n % 2 else 'bad'} \t{n % 2}\n" for n in range(20)
    )
    (folder / "dev.tsv").write_text("sentence\tlabel\n" + rows, encoding="utf-8")
    return folder


def workspace(folder: Path) -> Workspace:
    """A checkout whose study is the tiny one."""
    built = Workspace(copy_project(folder / "checkout"))
    for name, content in catalogue(reviews(folder / "reviews")).items():
        text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True)
        built.path(f"config/{name}.yaml").write_text(text, encoding="utf-8")
    return built


def finished(folder: Path) -> Path:
    """The finished tiny study, for copies only: built in `folder` by the process that comes first."""
    end = folder.with_suffix(".finished")
    with FileLock(folder.with_suffix(".lock")):
        if not end.exists():
            shutil.rmtree(folder, ignore_errors=True)
            workspace(folder).build()
            end.touch()
    return folder


def copied(finished: Path, folder: Path) -> Workspace:
    """A copy in `folder` of the finished study, with its own reviews: it has nothing to do."""
    shutil.copytree(finished, folder, symlinks=True, dirs_exist_ok=True)
    for link in filter(Path.is_symlink, folder.rglob("*")):
        target = link.readlink()
        if target.is_relative_to(finished):
            link.unlink()
            link.symlink_to(folder / target.relative_to(finished))
    built = Workspace(folder / "checkout")
    built.set("tasks", "datasets/reviews/source/path", str(folder / "reviews"))
    return built


def grown(finished: Path, folder: Path) -> Workspace:
    """A copy of the finished study in which nothing has been measured yet, only its models grown."""
    built = copied(finished, folder)
    for name in ("results", ".snakemake"):
        shutil.rmtree(built.path(name))
    return built
