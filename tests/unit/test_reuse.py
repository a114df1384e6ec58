"""A cell of another sample asks only what no measurement of the cell has asked before."""

from __future__ import annotations

import argparse
import json
import shutil
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

import little
import measure
from frontier import checksums, identity, sampling, scenarios
from frontier.datasets import Row
from frontier.engines import transformers as engine
from frontier.limits import Limits
from frontier.records import read

ROWS = [Row(f"r{n}", {"question": f"{n} + {n % 7}"}, str(n), "ab"[n % 2]) for n in range(40)]
TASK = {"prompt": "What is {question} ?", "max_new_tokens": 4, "stop": ["\n"]}
DEVICE = {
    "accelerator": "cpu", "engine": "transformers", "threads": 1, "gpus": 0, "compile": False,
    "warmup": {"minimum": 2, "maximum": 4, "tolerance": 1e9},
}  # fmt: skip


@dataclass
class Cell:
    """The measurements of one cell, through the real measuring program; counts what is asked."""

    folder: Path
    checkpoint: Path
    loads: int = 0
    asked: Counter[str] | None = None

    def measure(self, size: int = 8, seed: int = 0, **changes: Any) -> Path:
        """Measure a sample; returns its folder. `changes`: to the spec, the code and the rows."""
        rows = changes.pop("rows", None) or sampling.sample(ROWS, size, seed)
        code = changes.pop("code", "one")
        task = TASK | changes.pop("task", {})
        device = DEVICE | changes.pop("device", {})
        request = identity.digest([code, {**task, "prompt": None}, device])
        digest = identity.digest([request, task, [vars(row) for row in rows]])
        folder = self.folder / digest
        sample = self.folder.parent / f"{digest}.jsonl"
        lines = ({"id": row.id, "fields": row.fields, "reference": row.reference} for row in rows)
        sample.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
        names = ("variant", "model", "quantization", "device", "task")
        spec = {
            "cell": dict.fromkeys(names, "x"), "memory_bytes": None, "environment": None,
            "foreign_load": 1e6, "device": device, "task": task,
            "quantization": {"method": "native"},
            "model": {
                "dtype": "float32", "prompt": "plain", "trust_remote_code": False,
                "template_arguments": {}, "template_date": "2026-01-01",
            },
            "identity": {"digest": digest, "request": request},
        } | changes  # fmt: skip
        folder.mkdir(parents=True, exist_ok=True)
        paths = {"requests": folder / "requests.jsonl", "measurement": folder / "measurement.json"}
        arguments = argparse.Namespace(sample=sample, model=self.checkpoint, adapter=None, **paths)
        self.loads, self.asked = 0, Counter()
        measure.measure(arguments, spec, Limits())
        (folder / "journal.jsonl").unlink()  # as scoring does
        return folder


def told(folder: Path) -> dict[str, Any]:
    """A measurement.json."""
    found = checksums.read((folder / "measurement.json").read_bytes())
    assert found
    return found


def answers(folder: Path) -> list[tuple[str, str, int]]:
    """What was answered to each request, in the sample's order."""
    return [(one.id, one.text, one.tokens) for one in read(folder / "requests.jsonl")]


def counted(folder: Path) -> list[int]:
    """How many of its requests each session asked, by the sessions' own facts."""
    found = [one["requests"] for one in told(folder)["contention"]["sessions"]]
    records = Counter(one.session for one in read(folder / "requests.jsonl"))
    assert found == [records[number] for number in sorted(records)]
    return found


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random Llama."""
    return little.checkpoint(tmp_path_factory.mktemp("model") / "llama")


@pytest.fixture
def cell(checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cell:
    """Nothing is measured yet."""
    made = Cell(tmp_path / "task", checkpoint)
    load, undisturbed = engine.load, scenarios.undisturbed

    def counting(*arguments: Any) -> Any:
        made.loads += 1
        return load(*arguments)

    def asking(engine: Any, prompt: str, *rest: Any) -> Any:
        assert made.asked is not None
        made.asked[prompt] += 1
        return undisturbed(engine, prompt, *rest)

    monkeypatch.setattr(engine, "load", counting)
    monkeypatch.setattr(scenarios, "undisturbed", asking)
    return made


def test_a_larger_sample_asks_what_is_new(cell: Cell, tmp_path: Path) -> None:
    """Twelve after eight: four; the same answers as of twelve from nothing."""
    small = cell.measure(8)
    large = cell.measure(12)
    assert cell.asked
    assert cell.asked.total() == 4
    assert counted(large) == [8, 4]
    assert read(large / "requests.jsonl")[:8] == read(small / "requests.jsonl")
    shutil.rmtree(small)
    alone = replace(cell, folder=tmp_path / "alone")
    assert answers(alone.measure(12)) == answers(large)
