"""score.py on a measurement: what is published of it, and what never is."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import score
from conftest import ROOT
from frontier.arrivals import one_by_one
from frontier.errors import UserError
from frontier.exchange.parquet_check import fault_of
from frontier.results.records import Record
from frontier.scorers import CHOSEN, ScoredItem
from frontier.scoring.rows import scored_items
from frontier.specs.score import ScoreSpec
from frontier.values import checked_spec
from measurements import WARM_UP, measurement, session

REQUESTS = 40
SPEC = {
    "cell": {
        "variant": "llama-int4", "model": "llama", "quantization": "int4", "device": "cpu",
        "task": "sst2",
    },
    "scorer": {
        "kind": "classification",
        "options": {"labels": ["positive", "negative"], "positive": "positive"},
    },
    "model": {},
    "device": {"max_background_cores": 0.5, "bandwidth_gb_s": 50, "price_per_hour": 3.6},
    "identity": {"digest": "cafe"},
}  # fmt: skip


def scored(
    folder: Path,
    scorer: dict[str, Any] | None = None,
    reference: str = "positive",
    wrong: str = "negative",
    later: tuple[int, ...] = (),
    also: tuple[str, ...] = (),
    **facts: Any,
) -> tuple[dict[str, Any], pl.DataFrame]:
    """The cell and its table of requests, a quarter of them wrong, some asked `later`."""
    spec = SPEC if scorer is None else SPEC | {"scorer": scorer}
    rows = [
        {
            "id": f"r{n}",
            "reference": reference,
            "fields": {"sentence": f"text {n}"},
            **({"also_accepted": also} if also else {}),
        }
        for n in range(REQUESTS)
    ]
    records = [
        Record(f"r{n}", "", wrong if n % 4 == 0 else reference, 3, 9, "stop", 0, 0,
               one_by_one([10**6, 2 * 10**6, 3 * 10**6 + n]), 4 * 10**6 + n, int(n in later))
        for n in range(REQUESTS)
    ]  # fmt: skip
    for name, lines in (("sample", rows), ("requests", map(vars, records))):
        text = "".join(f"{json.dumps(line)}\n" for line in lines)
        (folder / f"{name}.jsonl").write_text(text, encoding="utf-8")
        facts[f"{name}_sha256"] = hashlib.sha256(text.encode()).hexdigest()
    (folder / "measurement.json").write_text(json.dumps(measurement(**facts)), encoding="utf-8")
    names = {
        "requests": "requests.jsonl",
        "measurement": "measurement.json",
        "sample": "sample.jsonl",
    }
    given = [part for name, file in names.items() for part in (f"--{name}", file)]
    subprocess.run(
        [sys.executable, str(ROOT / "workflow/scripts/score.py"), "--spec", json.dumps(spec),
         *given, "--cell", "cell.json", "--table", "cell.parquet"],
        cwd=folder, check=True,
    )  # fmt: skip
    cell = json.loads((folder / "cell.json").read_text(encoding="utf-8"))
    return cell, pl.read_parquet(folder / "cell.parquet")


def test_the_table_is_in_the_order_of_time(tmp_path: Path) -> None:
    """Comparisons look there for dependence between one request and the next."""
    _, requests = scored(tmp_path, later=(0, 7))
    assert requests["id"].to_list()[-2:] == ["r0", "r7"]
    assert requests["input"].to_list()[-2:] == ["text 0", "text 7"]
    assert requests["id"].to_list()[:3] == ["r1", "r2", "r3"]


TIMES = (
    "latency_p50_s", "output_tokens_per_s", "mbu", "cost_per_1000_requests", "load_s",
)  # fmt: skip


def test_a_measurement_is_scored_and_timed(tmp_path: Path) -> None:
    recorded = {"engine": "openvino", "environment": "openvino", "kernel": "int8 mm"}
    cell, requests = scored(tmp_path, **recorded)
    assert (cell["outcome"], cell["simulated"], cell["random_weights"]) == (
        "measured",
        False,
        False,
    )
    assert cell["score"]["metrics"]["accuracy"]["value"] == 0.75
    assert cell["score"]["scorer"] == SPEC["scorer"]
    assert all(cell["figures"][name] is not None for name in TIMES)
    assert {name: cell["figures"][name] for name in recorded} == recorded
    assert requests["latency_s"].null_count() == 0


@pytest.mark.parametrize(
    ("scorer", "reference", "metric"),
    [
        (SPEC["scorer"], "positive", "accuracy"),
        ({"kind": "mathematics", "options": {}}, "7", "equivalent"),
        ({"kind": "translation", "options": {"target": "en"}}, "A cat sits here.", "chrf2"),
    ],
    ids=["classification", "mathematics", "translation"],
)
def test_a_lone_surrogate_is_a_wrong_letter_and_no_fault(
    tmp_path: Path, scorer: dict[str, Any], reference: str, metric: str
) -> None:
    """JSON spells it, and neither UTF-8 nor Parquet can hold it; a pair of them is a letter."""
    wrong = "\ud83d, \udca9 and \ud83d\ude00"
    cell, requests = scored(tmp_path, scorer, reference, wrong)
    value = cell["score"]["metrics"][metric]["value"]
    assert value == 0.75 if metric != "chrf2" else 0 < value < 100
    assert requests["prediction"][0] == "\ufffd, \ufffd and \U0001f600"
    assert requests["prediction"][1] == reference


def test_further_references_are_accepted_and_stored(tmp_path: Path) -> None:
    """Another machine can count a corpus metric again; without them its counts would be refused."""
    scorer = {"kind": "translation", "options": {"target": "en"}}
    cell, requests = scored(
        tmp_path, scorer, "A cat sits here.", "A dog ran.", also=("A dog ran!",)
    )
    assert cell["score"]["metrics"]["chrf2"]["value"] > 90
    assert set(map(tuple, requests["also_accepted"])) == {("A dog ran!",)}
    path = tmp_path / "cell.parquet"
    assert fault_of(path, CHOSEN.read(scorer)) is None
    others = requests.with_columns(also_accepted=pl.lit(["Something else."]))
    others.write_parquet(path)
    assert "not counted from the texts" in (fault_of(path, CHOSEN.read(scorer)) or "")
    _, plain = scored(tmp_path, scorer, "A cat sits here.")
    assert "also_accepted" not in plain.columns


def test_further_references_are_not_ignored() -> None:
    item = ScoredItem("r1", "positive", "positive", {}, also_accepted=("negative",))
    spec = ScoreSpec.model_validate(SPEC)
    with pytest.raises(UserError, match="request r1: has several references; classification takes"):
        score.scored(spec, [item], [], {})


def test_what_was_asked_reaches_the_scorer() -> None:
    """Answers that repeat the question are no answers."""
    question = "text 4\nIs it positive or negative?"
    assert scored_items([], [], "{sentence}") == []
    record = Record("r4", "", question, 3, 9, "stop", 0, 0, one_by_one([1, 2, 3]), 4, 0)
    row = {"id": "r4", "reference": "positive", "fields": {"sentence": "text 4"}}
    (answer,) = scored_items([record], [row], "{sentence}\nIs it positive or negative?")
    assert answer.prompt == question
    found, _ = score.scored(checked_spec(json.dumps(SPEC), ScoreSpec), [answer], [], {})
    assert found["metrics"]["invalid_rate"]["value"] == 1


def test_what_was_simulated_has_a_score_and_no_time(tmp_path: Path) -> None:
    """Background load does not matter: no time is published that it could affect."""
    busy = {"foreign_cores": 1.5, "foreign_gpu_processes": None}
    cell, requests = scored(tmp_path, simulated=True, contention=busy)
    assert (cell["outcome"], cell["simulated"]) == ("measured", True)
    assert cell["score"]["metrics"]["accuracy"]["value"] == 0.75
    assert cell["figures"]["weights_bytes"] == 1_000_000
    assert [cell["figures"][name] for name in TIMES] == [None] * len(TIMES)
    for name in ("latency_s", "ttft_s", "tpot_s"):
        assert requests[name].dtype == pl.Float64
        assert requests[name].null_count() == REQUESTS


def test_random_weights_have_times_and_never_a_score(tmp_path: Path) -> None:
    cell, requests = scored(tmp_path, random_weights=True)
    assert (cell["outcome"], cell["random_weights"]) == ("measured", True)
    assert cell["score"] is None
    assert all(cell["figures"][name] is not None for name in TIMES)
    assert requests["score"].dtype == pl.Float64
    assert requests["score"].null_count() == REQUESTS


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        (
            {"sessions": [session(0, loaded={"warmup": WARM_UP | {"settled": False}})]},
            "warm-up: latency had not settled",
        ),
        ({"contention": {"foreign_cores": 0.9, "foreign_gpu_processes": None}}, "0.90 cores"),
    ],
)
def test_a_gate_that_failed_keeps_the_score_alone(
    tmp_path: Path, facts: dict[str, Any], words: str
) -> None:
    cell, _ = scored(tmp_path, **facts)
    assert cell["outcome"] == "invalid"
    assert words in cell["reason"]
    assert cell["score"] is not None
    assert cell["figures"]["latency_p50_s"] is None
