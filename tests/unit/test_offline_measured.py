"""Offline by the real engine, from the measuring program to the cell's figures."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from test_reuse import Cell, answers, cell, checkpoint, counted, measured

import score
from frontier.engines import Due
from frontier.engines.loaded import batched
from frontier.errors import UserError
from frontier.results.records import read
from frontier.specs.score import ScoreSpec

__all__ = ["cell", "checkpoint"]  # fixtures
NAMES = dict.fromkeys(("variant", "model", "quantization", "device", "task"), "x")
OFFLINE = {"cell": NAMES | {"scenario": "offline"}}
SPEC: dict[str, Any] = OFFLINE | {
    "scorer": {"kind": "mathematics", "options": {}}, "device": {"max_background_cores": 1e6},
}  # fmt: skip


def scored(cell: Cell, folder: Path) -> dict[str, Any]:
    """The cell's summary."""
    files = argparse.Namespace(
        measurement=folder / "measurement.json",
        requests=folder / "requests.jsonl",
        sample=cell.folder.parent / f"{folder.name}.jsonl",
        judging=None, said=None, asked=None, pairs=None,
    )  # fmt: skip
    found, _ = score.cell(ScoreSpec.model_validate(SPEC), files)
    return found


def test_a_cell_has_throughput_and_the_answers_of_one_at_a_time(cell: Cell) -> None:
    """The requests are the same, all in one batch; a larger sample asks all of them again."""
    alone = cell.measure(8)
    folder = cell.measure(8, code="offline", **OFFLINE)
    assert answers(folder) == answers(alone)
    found = scored(cell, folder)
    assert (found["outcome"], found["reason"]) == ("measured", None)
    figures = found["figures"]
    passes = measured(folder).sessions[0].loaded.passes
    seconds = sum(one.seconds for one in passes)
    tokens = sum(one.tokens for one in read(folder / "requests.jsonl"))
    assert figures["output_tokens_per_s"]["value"] == pytest.approx(3 * tokens / seconds)
    assert figures["requests_per_s"]["value"] == pytest.approx(24 / seconds)
    assert figures["requests_per_s"]["low"] < figures["requests_per_s"]["value"]
    assert (figures["passes"], figures["passes_changed"]) == (3, 0)
    assert figures["requests_at_once"] == 8
    assert figures["batching"] == "padded on the left"
    assert figures["latency_p50_s"] is figures["ttft_p50_s"] is figures["mbu"] is None
    larger = cell.measure(12, code="offline", **OFFLINE)
    assert counted(larger) == [12]


def test_an_interrupted_pass_is_repeated(cell: Cell, monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole pass is repeated, in a session of its own."""
    run, left = batched.BatchedModel.answer, [2]  # the warm-up's rounds, then the first pass

    def ended(self: Any, requests: Sequence[Due]) -> Iterator[Any]:
        for number, one in enumerate(run(self, requests)):
            if left[0] == 0 and number == 5:
                raise UserError("Snakemake has ended")
            yield one
        left[0] -= 1

    monkeypatch.setattr(batched.BatchedModel, "answer", ended)
    with pytest.raises(UserError, match="Snakemake has ended"):
        cell.measure(8, **OFFLINE)
    left[0] = 1000
    folder = cell.measure(8, **OFFLINE)
    assert counted(folder) == [8]
    assert [len(one.loaded.passes) for one in measured(folder).sessions] == [3]
