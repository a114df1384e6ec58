"""A model behind a name through the whole workflow: planned, paid for, measured once, compared."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import pretend
from conformance_server import ConformanceServer
from pretend import COST, calls
from workspace import Workspace, refused

CELL = "results/named/endpoint/sums.json"
REQUESTS, WARM_UP = 8, 2


@pytest.fixture
def endpoint(place: Workspace) -> Workspace:
    """The finished tiny study with an endpoint, and its model as the reference."""
    pretend.add(place)
    place.set("config", "study", {
        "models": ["tiny-llama"], "quantizations": ["native", "int8"],
        "devices": ["cpu", "endpoint"], "tasks": ["sums"], "reference": "named",
    })  # fmt: skip
    return place


def result(place: Workspace) -> dict[str, Any]:
    """The endpoint's cell."""
    found: dict[str, Any] = json.loads(place.path(CELL).read_text(encoding="utf-8"))
    return found


def ledger(place: Workspace) -> Path:
    """The ledger of the endpoint's cell."""
    (found,) = place.path("results/named/endpoint/sums").glob("*/spent.jsonl")
    return found


def test_a_reference_behind_a_name(endpoint: Workspace) -> None:
    """Measured without a checkpoint, paid for once, compared with; then there is nothing to do."""
    printed = endpoint.program("plan")
    assert "2 planned" not in printed.stdout
    assert "named" in printed.stdout
    assert "paid: named/endpoint/sums: 10 calls, about " in printed.stderr
    assert "at most 40 out, at most about 0.00" in printed.stderr
    assert "without a max_cost" in printed.stderr
    jobs = {"measure named sums", "score named sums", "aggregate", "compare", "render"}
    assert endpoint.would_run() == jobs
    log = endpoint.build()
    assert log.index("paid in all: 10 calls") < log.index("localrule measure")
    assert calls(endpoint) == REQUESTS + WARM_UP
    found = result(endpoint)
    assert found["outcome"] == "measured"
    assert found["figures"]["spent"] == pytest.approx(COST * (REQUESTS + WARM_UP))
    assert found["figures"]["cost_per_1000_requests"]["value"] == pytest.approx(COST * 1000)
    assert found["figures"]["dtype"] is None
    assert found["provenance"]["weights_sha256"] is None
    spec = found["identity"]["upstream"]["measurement"]
    assert spec["spec"]["model"] == {"served": "named-1", "prompt": "plain"}
    assert set(spec["inputs"]) == {"sample"}
    assert not list(endpoint.path("resources/models").glob("named*"))
    compared = pl.read_parquet(endpoint.path("results/comparisons.parquet"))
    assert compared["reference_outcome"].to_list() == ["measured"] * 2
    report = endpoint.path("results/report.html").read_text(encoding="utf-8")
    assert "Each variant against named, the study" in report
    assert endpoint.jobs() == set()
    assert endpoint.would_run() == set()


def test_nothing_paid_is_asked_twice(endpoint: Workspace) -> None:
    """Scoring may fail, a price change, or the process be killed; a new name is another request."""
    endpoint.set("tasks", "tasks/sums/scorer/time_limit_s", 1.5)
    score = endpoint.path("workflow/scripts/score.py")
    whole = score.read_text(encoding="utf-8")
    score.write_text("raise SystemExit(3)\n", encoding="utf-8")
    assert endpoint.snakemake(CELL).returncode != 0
    assert calls(endpoint) == REQUESTS + WARM_UP
    assert len(list(endpoint.path("results/named/endpoint/sums").glob("*/requests.jsonl"))) == 1
    score.write_text(whole, encoding="utf-8")
    endpoint.build(CELL)
    assert calls(endpoint) == REQUESTS + WARM_UP
    endpoint.set("models", "models/named/price_per_million_tokens/output", 20.0)
    endpoint.set("models", "models/named/shutdown", "2199-01-01")
    endpoint.set("devices", "devices/endpoint/max_cost", 100.0)
    endpoint.set("config", "study/max_cost", 100.0)
    assert endpoint.would_run(CELL) == {"score named sums"}
    endpoint.build(CELL)
    found = result(endpoint)["figures"]
    assert found["cost_per_1000_requests"]["value"] == pytest.approx((20 + 40) / 1000)
    assert found["spent"] == pytest.approx(COST * (REQUESTS + WARM_UP))
    assert calls(endpoint) == REQUESTS + WARM_UP
    for keys, value in (
        ("models/named/served", "named-2"), ("models/named/prompt", "Q: {prompt}"),
    ):  # fmt: skip
        before = endpoint.get("models", "models/named")
        endpoint.set("models", keys, value)
        assert endpoint.would_run(CELL) == {"measure named sums", "score named sums"}
        endpoint.set("models", "models/named", before)
    endpoint.set("engines", "engines/pretend/base_url", "http://127.0.0.1:10")
    assert endpoint.would_run(CELL) == {"measure named sums", "score named sums"}


@pytest.mark.parametrize("whose", ["devices/devices/endpoint/max_cost", "config/study/max_cost"])
def test_a_limit_stops_a_cell_before_it_is_passed(endpoint: Workspace, whose: str) -> None:
    """One line says so; with a larger one it continues from there, and repeats only the warm-up."""
    file, _, key = whose.partition("/")
    most = 10 * COST
    endpoint.set(file, key, most)
    planned = endpoint.program("plan").stderr
    assert "it may stop there" in planned
    done = endpoint.snakemake(CELL)
    log = done.stdout + done.stderr
    assert done.returncode != 0
    assert "error: named/endpoint/sums: max_cost of " in log
    assert "could be passed" in log
    assert "Traceback" not in log
    asked = calls(endpoint)
    assert WARM_UP < asked < REQUESTS + WARM_UP
    spent = sum(
        json.loads(line).get("cost", 0) for line in ledger(endpoint).read_text().splitlines()
    )
    assert spent == pytest.approx(asked * COST)
    assert spent <= most
    endpoint.set(file, key, 1.0)
    endpoint.build(CELL)
    assert calls(endpoint) == REQUESTS + 2 * WARM_UP
    figures = result(endpoint)["figures"]
    assert figures["spent"] == pytest.approx(COST * (REQUESTS + 2 * WARM_UP))


def test_what_is_shut_down_cannot_be_measured_again(endpoint: Workspace) -> None:
    """One line before any job; what is measured stays, and says so."""
    endpoint.build()
    endpoint.set("models", "models/named/shutdown", "2020-01-01")
    said = "models.named: was shut down on 2020-01-01: what is measured stays valid"
    assert endpoint.program("plan").stderr.count(said) == 1
    assert endpoint.would_run() == set()
    assert said in endpoint.build()
    endpoint.set("tasks", "tasks/sums/max_new_tokens", 3)
    asked = calls(endpoint)
    for flags in ([], ["--dry-run"]):
        done = endpoint.snakemake(*flags)
        refused(done, "models.named.shutdown: named was shut down on 2020-01-01", "successor")
        assert "localrule" not in done.stdout + done.stderr
    assert calls(endpoint) == asked
    assert "named was shut down on 2020-01-01" in endpoint.program("plan").stdout


def test_what_is_wrong_is_said_before_any_job(endpoint: Workspace) -> None:
    """A reference that is unknown or runs nowhere, a model that nothing serves, a key."""
    for value, words in (
        ("name", ["study.reference: unknown variant 'name'", "did you mean 'named'"]),
        ("named-int8", ["study.reference: 'named-int8' has no cell"]),
    ):
        endpoint.set("config", "study/reference", value)
        refused(endpoint.program("plan"), *words)
    endpoint.set("config", "study/reference", None)
    endpoint.set("config", "study/models", ["tiny-llama", "named"])
    endpoint.set("config", "study/devices", ["cpu"])
    refused(endpoint.snakemake("-n"), "study.models: 'named' has no cell")
    endpoint.set("config", "study/devices", ["cpu", "endpoint"])
    endpoint.set("models", "models/named/price_per_million_tokens", None)
    assert "not priced: named/endpoint/sums: 10 calls" in endpoint.program("plan").stderr
    endpoint.set("config", "study/max_cost", 3)
    refused(endpoint.snakemake("-n"), "study.max_cost: cannot be enforced for named/endpoint/sums")
    endpoint.set("engines", "engines/pretend/base_url", "https://me:secret-canary@example.org/")
    done = endpoint.snakemake("-n")
    refused(done, "engines.yaml: line ", "looks like a key or a token")
    assert "canary" not in done.stdout + done.stderr


@pytest.fixture
def dialect(place: Workspace) -> Iterator[ConformanceServer]:
    """A server that speaks as OpenAI's endpoint does, with the tokenizer of a grown model."""
    (checkpoint,) = place.path("resources/models/tiny-llama").glob("*/tokenizer.json")
    with ConformanceServer(checkpoint.parent) as running:
        yield running


def test_openais_block_in_a_study(place: Workspace, dialect: ConformanceServer) -> None:
    """The shipped block against its dialect: system message, fingerprints, money; no key anywhere."""
    key = "canary-0123456789abcdef"
    said = {"key": key, "lists": ["gpt-4o"], "reported": "gpt-4o-2024-08-06", "reports_cached": 2}
    url = dialect.speaks("openai", **said, fingerprint="fp_first")
    place.set("engines", "engines/openai/base_url", f"{url}/v1")
    place.set("devices", "devices/openai", pretend.DEVICE | {"engine": "openai", "max_cost": 1.0})
    place.set("models", "models/gpt-4o", {
        "served": "gpt-4o", "endpoints": ["openai"], "prompt": "chat",
        "price_per_million_tokens": {"input": 2.5, "cached_input": 1.25, "output": 10},
    })  # fmt: skip
    place.set("tasks", "tasks/sums/system", "Be brief.")
    place.set("config", "study", {
        "models": ["gpt-4o"], "devices": ["openai"], "tasks": ["sums", "reviews"],
    })  # fmt: skip
    cells = [f"results/gpt-4o/openai/{task}.json" for task in ("sums", "reviews")]
    logs = [place.build(cells[0], OPENAI_API_KEY=key)]
    (first, *_) = dialect.seen(url)
    assert first["fields"]["messages"][0] == {"role": "system", "content": "Be brief."}
    asked = len(dialect.seen(url))
    dialect.changes(url, "openai", **said, fingerprint="fp_second")
    logs.append(place.build(OPENAI_API_KEY=key))
    assert asked == REQUESTS + WARM_UP
    for cell, fingerprint in zip(cells, ("fp_first", "fp_second"), strict=True):
        found = json.loads(place.path(cell).read_text(encoding="utf-8"))
        assert found["outcome"] in ("measured", "invalid"), found["reason"]
        provenance = found["provenance"]
        assert provenance["repeatable"] is False
        assert provenance["servers"][0]["models"] == ["gpt-4o-2024-08-06"]
        assert provenance["servers"][0]["fingerprints"] == [fingerprint]
        assert provenance["servers"][0]["template"] == "server"
        rows = pl.read_parquet(place.path(cell).with_suffix(".parquet"))
        timed = (rows["prompt_tokens"] - 2).sum() * 2.5 + 16 * 1.25 + rows["tokens"].sum() * 10
        spent = found["figures"]["spent"]
        assert timed / 1e6 < spent < 2 * timed / 1e6
    report = place.path("results/report.html").read_text(encoding="utf-8")
    assert "different fingerprints: fp_first (sums); fp_second (reviews)." in report
    assert "cannot be repeated bit for bit" in report
    assert place.jobs(OPENAI_API_KEY=key) == set()
    for log in logs:
        assert key not in log
    for path in place.root.rglob("*"):
        if path.is_file() and not path.is_symlink():
            assert key.encode() not in path.read_bytes(), path
