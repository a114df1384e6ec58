"""Writes cells (results/VARIANT/DEVICE/TASK.json and .parquet) as score.py lays them out."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from frontier import figures
from frontier.catalogue.ids import SINGLE_STREAM
from frontier.planning.cells import variant_id
from frontier.results import layout
from frontier.results.layout import Place
from frontier.scorers import ScoredItem
from frontier.scorers.translation import Translation
from frontier.values import sha256
from measurements import measurement

ROOT = Path(__file__).resolve().parents[1]
SCORERS = (
    {"kind": "classification", "options": {"labels": ["positive", "negative"]}},
    {"kind": "translation", "options": {"target": "en"}},
)
Z = 1.959963984540054


@dataclass(frozen=True)
class Cell:
    """The properties of a cell; the figures in its JSON are computed from its requests."""

    model: str
    quantization: str = "native"
    device: str = "cpu"
    task: str = "demo-sentiment"
    scenario: str = SINGLE_STREAM
    techniques: tuple[str, ...] = ()
    outcome: str = "measured"
    reason: str | None = None
    quality: float = 0.9
    seconds: float = 0.02
    requests: int = 200
    tokens: int = 5
    weights_bytes: int = 4_000_000
    metric: str = "accuracy"
    metrics: dict[str, Any] = field(default_factory=dict)
    text: Callable[[int, bool], str] = lambda row, right: "positive" if right else "negative"
    reference: Callable[[int], str] = lambda row: "positive"
    simulated: bool = False
    random_weights: bool = False
    mbu: float | None = 0.31
    provenance: dict[str, Any] = field(default_factory=dict)
    figures: dict[str, Any] = field(default_factory=dict)
    identity: dict[str, Any] = field(default_factory=dict)
    load: dict[str, Any] | None = None

    @property
    def variant(self) -> str:
        """The model's id, the quantization's unless native, and each technique's."""
        return variant_id(self.model, self.quantization, self.techniques)

    @property
    def place(self) -> Place:
        """Its place in results/."""
        return Place(self.variant, self.device, self.task, self.scenario)

    def seed(self) -> int:
        """Differs between cells, the same in every run."""
        return sum(ord(letter) * 31**place for place, letter in enumerate(self.variant)) % 2**32


def frame(cell: Cell) -> pl.DataFrame:
    """One row a request."""
    random = np.random.default_rng(cell.seed())
    # Whether request i is hard is a property of the request, so variants fail on the same ones.
    hard = np.random.default_rng(0).random(cell.requests)
    right = hard + random.normal(0, 0.02, cell.requests) < cell.quality
    count = random.integers(max(1, cell.tokens - 3), cell.tokens + 1, cell.requests)
    step = cell.seconds / cell.tokens * random.lognormal(0, 0.15, cell.requests)
    first = step * 1.6
    exact = cell.metric != "chrf2"
    score = (
        right.astype(float)
        if exact
        else np.clip(random.normal(cell.quality, 0.1, len(right)), 0, 1)
    )
    built = pl.DataFrame(
        {
            "id": [f"{cell.task}-test-{row:06d}" for row in range(cell.requests)],
            "tokens": count,
            "prompt_tokens": random.integers(8, 30, cell.requests),
            "finish_reason": ["stop"] * cell.requests,
            "latency_s": first + step * (count - 1),
            "ttft_s": first,
            "choice_s": pl.Series([None] * cell.requests, dtype=pl.Float64),
            "tpot_s": [each if n > 1 else None for each, n in zip(step, count, strict=True)],
            "prediction": [cell.text(row, bool(ok)) for row, ok in enumerate(right)],
            "input": [f"question {row}" for row in range(cell.requests)],
            "reference": [cell.reference(row) for row in range(cell.requests)],
            "score": score,
        }
    )
    none = [name for name in ("latency_s", "ttft_s", "tpot_s") if cell.simulated]
    none += ["score"] * cell.random_weights
    return built.with_columns(pl.lit(None, pl.Float64).alias(name) for name in none)


def quantile(values: np.ndarray, q: float) -> dict[str, float | None] | None:
    """An order-statistic quantile and interval; None where the sample is too small for it."""
    ordered, n = np.sort(values), len(values)
    if n == 0 or n * (1 - q) < 1:
        return None
    spread = Z * math.sqrt(n * q * (1 - q))
    low, high = math.floor(n * q - spread) - 1, math.ceil(n * q + spread)
    return {
        "value": float(np.quantile(ordered, q)),
        "low": float(ordered[low]) if low >= 0 else None,
        "high": float(ordered[high]) if high < n else None,
    }


def wilson(hits: float, n: int) -> tuple[float, float]:
    """Wilson's interval of a proportion."""
    p, z2 = hits / n, Z * Z
    middle, half = p + z2 / (2 * n), Z * math.sqrt(p * (1 - p) / n + z2 / (4 * n * n))
    return (middle - half) / (1 + z2 / n), (middle + half) / (1 + z2 / n)


def score_of(cell: Cell, rows: pl.DataFrame) -> dict[str, Any]:
    """The "score" of the cell's JSON."""
    mean = float(rows["score"].mean() or 0.0)
    low, high = wilson(mean * rows.height, rows.height)
    if cell.metric == "chrf2":
        metric = {"value": 100 * mean, "low": 100 * mean - 2.5, "high": 100 * mean + 2.2}
        metric |= {"method": "paired bootstrap over sentences", "unit": "chrF2 points"}
    else:
        metric = {"value": mean, "low": low, "high": high}
        metric |= {"method": "Wilson", "unit": "proportion"}
    invalid = {"value": 0.0, "low": 0.0, "high": 0.02, "method": "Wilson", "unit": "proportion"}
    metrics = {cell.metric: metric, "invalid_rate": invalid} | cell.metrics
    score = {"primary": cell.metric, "requests": rows.height, "metrics": metrics, "details": {}}
    return score | {"scorer": SCORERS[cell.metric == "chrf2"]}


def summary(cell: Cell, rows: pl.DataFrame | None) -> dict[str, Any]:
    """The cell's JSON."""
    names = ("variant", "model", "quantization", "techniques", "device", "task", "scenario")
    built: dict[str, Any] = {
        "layout": layout.VERSION,
        "cell": {name: getattr(cell, name) for name in names},
        "outcome": cell.outcome,
        "reason": cell.reason,
        "identity": {"digest": f"{cell.seed():016x}", **cell.identity},
        "measurement": f"{cell.seed():016x}",
        "simulated": None if rows is None else cell.simulated,
        "random_weights": None if rows is None else cell.random_weights,
        "score": None if rows is None or cell.random_weights else score_of(cell, rows),
        "figures": figures_of(cell, rows) | cell.figures,
        "load": cell.load,
        "provenance": {
            "hardware": {"cpu": "Example CPU", "cores": 2, "memory_bytes": 8_000_000_000},
            "packages": {"torch": "2.13.0", "transformers": "5.23.0"},
            "sample_sha256": "0" * 64,
            "weights_sha256": "1" * 64,
            "warmup": {"requests": 8, "settled": True, "last_change": 0.04},
            "contention": {
                "foreign_cores": 0.04,
                "foreign_gpu_processes": None,
                "load_average": {"before": [0.2, 0.3, 0.3], "after": [1.9, 0.8, 0.4]},
            },
        }
        | cell.provenance,
    }
    return built


def figures_of(cell: Cell, rows: pl.DataFrame | None) -> dict[str, Any]:
    """The "figures" of the cell's JSON."""
    built: dict[str, Any] = dict.fromkeys(figures.whole(figures.columns()))
    built |= {"host_peak_bytes": 900_000_000, "threads": 2, "dtype": "float32"}
    if rows is None:
        return built
    built |= {"weights_bytes": cell.weights_bytes}
    built |= {"requests": None if cell.random_weights else rows.height}
    if cell.outcome != "measured" or cell.simulated:
        return built
    rate = float(rows["tokens"].sum() / rows["latency_s"].sum())
    return built | {
        **{
            f"{prefix}_p{q}_s": quantile(rows[f"{of}_s"].drop_nulls().to_numpy(), q / 100)
            for prefix, of in (("latency",) * 2, ("ttft",) * 2, ("tpot",) * 2, ("itl", "tpot"))
            for q in (50, 90, 99)
        },
        "output_tokens_per_s": {"value": rate, "low": rate * 0.97, "high": rate * 1.03},
        "requests_per_s": {"value": rate / cell.tokens, "low": None, "high": None},
        "load_s": 1.25,
        "mbu": cell.mbu,
    }


def measured(results: Path, cell: Cell) -> Path:
    """Writes a cell with the measurement that it was scored from; gives the path of its JSON."""
    path = write(results, cell)
    run = path.with_suffix("") / f"{cell.seed():016x}"
    run.mkdir(parents=True)
    (run / "requests.jsonl").write_text('{"id": "one", "text": "positive"}\n', encoding="utf-8")
    digest = sha256(run / "requests.jsonl")
    recorded = measurement(requests_sha256=digest)
    (run / "measurement.json").write_text(json.dumps(recorded), encoding="utf-8")
    summary = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(summary | {"requests_sha256": digest}), encoding="utf-8")
    return path


def write(results: Path, cell: Cell) -> Path:
    """Writes a cell under `results`; gives the path of its JSON."""
    path = cell.place.summary_in(results)
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = frame(cell) if cell.outcome in ("measured", "invalid") else None
    path.write_text(json.dumps(summary(cell, rows)), encoding="utf-8")
    (pl.DataFrame() if rows is None else rows).write_parquet(path.with_suffix(".parquet"))
    return path


def translated(path: Path) -> Path:
    """Gives the requests next to a cell's JSON the scores and counts of the translation scorer."""
    at = path.with_suffix(".parquet")
    rows = pl.read_parquet(at)
    given = [
        ScoredItem(*row, {}) for row in rows.select("id", "prediction", "reference").iter_rows()
    ]
    found = Translation(target="en").score(given)
    rows.with_columns(pl.DataFrame(found.requests).get_columns()).write_parquet(at)
    return path
