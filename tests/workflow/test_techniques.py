"""Techniques, through the real Snakemake: planned, measured, compared with their parent."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import tiny
from frontier import words
from frontier.figures import FIGURES
from workspace import Workspace, refused

LOOKUP = {"kind": "prompt_lookup", "tokens": 3, "ngram": 1}
DRAFT = {"kind": "draft", "draft": "tiny-draft", "tokens": 3}
TECHNIQUES = {
    "lookup": LOOKUP,
    "draft": DRAFT,
    "static": {"kind": "static_cache"},
    "eager": {"kind": "attention", "implementation": "eager", "label": "Eager"},
    "sdpa": {"kind": "attention", "implementation": "sdpa"},
    "flash": {"kind": "attention", "implementation": "flash_attention_2"},
}


@pytest.fixture(scope="module")
def place(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The tiny study of one model with techniques; its draft has trained a step longer."""
    place = tiny.grown(finished, tmp_path_factory.mktemp("techniques"))
    grow = tiny.recipe("llama") | {"steps": 4}
    place.set("models", "models/tiny-draft", {"grow": grow})
    place.set("techniques", "techniques", TECHNIQUES)
    place.set(
        "config",
        "study",
        {
            "models": ["tiny-llama"], "quantizations": ["native", "int8"], "devices": ["cpu"],
            "tasks": ["sums"],
            "techniques": ["lookup", "draft", "sdpa", "eager+lookup", "static+lookup", "flash"],
        },
    )  # fmt: skip
    place.build()
    return place


def requests(place: Workspace, variant: str) -> list[dict[str, Any]]:
    """The records of a variant at the sums."""
    (path,) = place.path(f"results/{variant}/cpu/sums").glob("*/requests.jsonl")
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("technique", ["lookup", "draft"])
@pytest.mark.parametrize("variant", ["tiny-llama", "tiny-llama-int8"])
def test_answers_are_the_parents(place: Workspace, variant: str, technique: str) -> None:
    """Each token is one that the model itself would generate; several arrive at once."""
    alone, fast = requests(place, variant), requests(place, f"{variant}+{technique}")
    assert [one["text"] for one in fast] == [one["text"] for one in alone]
    assert {tokens for one in alone for _, tokens in one["arrivals"]} == {1}
    assert max(tokens for one in fast for _, tokens in one["arrivals"]) > 1
    for one, other in zip(alone, fast, strict=True):
        assert sum(n for _, n in one["arrivals"]) == sum(n for _, n in other["arrivals"])
        assert 0 <= other["accepted_tokens"] <= other["drafted_tokens"]
        assert "drafted_tokens" not in one


def test_drafts_are_figures_of_the_study(place: Workspace) -> None:
    """Only of techniques that draft; nobody else's cells have any, and no utilization is wrong."""
    rows = pl.read_parquet(place.path("results/study.parquet")).to_dicts()
    for row in rows:
        if row["techniques"] not in (None, "lookup", "draft"):
            continue
        mine = requests(place, row["variant"])
        drafted = sum(one.get("drafted_tokens", 0) for one in mine)
        assert row["drafted_tokens"] == (drafted if row["techniques"] else None)
        if row["techniques"]:
            accepted = sum(one["accepted_tokens"] for one in mine)
            assert row["accepted_share"] == pytest.approx(accepted / drafted)
            steps = sum(len(one["arrivals"]) for one in mine)
            tokens = sum(one["tokens"] for one in mine)
            assert row["tokens_per_step"] == pytest.approx(tokens / steps)
            assert row["tokens_per_step"] > 1
            assert row["mbu_measured"] is None
    by_variant = {row["variant"]: row for row in rows}
    alone, drafting = by_variant["tiny-llama"], by_variant["tiny-llama+draft"]
    assert drafting["weights_bytes"] == 2 * alone["weights_bytes"]
    assert by_variant["tiny-llama+lookup"]["weights_bytes"] == alone["weights_bytes"]
    page = place.path("results/report.html").read_text(encoding="utf-8")
    assert f" of {drafting['drafted_tokens']} accepted" in page


def test_it_is_compared_with_its_parent(place: Workspace) -> None:
    """The parent is the variant of the same quantization, without it."""
    rows = pl.read_parquet(place.path("results/comparisons.parquet")).to_dicts()
    parents = {row["variant"]: row["parent_variant"] for row in rows}
    parent = {"lookup": "", "draft": "", "eager": "", "eager+lookup": "+eager", "static": ""}
    assert parents == {
        "tiny-llama-int8": "tiny-llama",
        **{
            f"{base}+{name}": f"{base}{other}"
            for base in ("tiny-llama", "tiny-llama-int8")
            for name, other in parent.items()
        },
    }
    assert {row["changed"] for row in rows if row["techniques"]} == {0}


@pytest.mark.parametrize(
    ("variant", "reason"),
    [
        ("tiny-llama+sdpa", "attention changed nothing: sdpa is the default of LlamaForCausalLM"),
        ("tiny-llama+flash", "flash_attention_2 has kernels for CUDA only, not for cpu"),
        ("tiny-llama+static+lookup",
         "the cache of static_cache cannot take back what prompt_lookup drafts"),
    ],
)  # fmt: skip
def test_what_changes_nothing_or_cannot_run_is_unsupported(
    place: Workspace, variant: str, reason: str
) -> None:
    """It is no copy of its parent under another name."""
    cell = json.loads(place.path(f"results/{variant}/cpu/sums.json").read_text(encoding="utf-8"))
    assert (cell["outcome"], cell["reason"]) == ("unsupported", reason)


def test_the_report_names_them(place: Workspace) -> None:
    """Each has a label of its own, and is compared with the variant without it."""
    page = place.path("results/report.html").read_text(encoding="utf-8")
    assert "INT8 + Eager + lookup" in page
    assert "without its last technique" in page


def test_only_its_own_cells_are_measured_again(place: Workspace) -> None:
    """A key of the technique is in no other identity, and a draft's id in none."""
    place.set("models", "models/renamed", {"grow": tiny.recipe("llama") | {"steps": 4}})
    place.set("techniques", "techniques/draft/draft", "renamed")
    assert place.jobs() == set()
    place.set("models", "models/renamed/grow/steps", 5)
    measured = {job for job in place.jobs() if job.startswith("measure ")}
    assert measured == {
        f"measure {variant}+draft sums" for variant in ("tiny-llama", "tiny-llama-int8")
    }
    place.set("techniques", "techniques/draft/draft", "tiny-draft")
    place.set("techniques", "techniques/lookup/tokens", 4)
    measured = {job for job in place.jobs() if job.startswith("measure ")}
    place.set("techniques", "techniques/lookup/tokens", LOOKUP["tokens"])
    assert place.jobs() == set()
    assert measured == {
        f"measure {base}{techniques}+lookup sums"
        for base in ("tiny-llama", "tiny-llama-int8")
        for techniques in ("", "+eager")
    }


def test_what_cannot_run_is_refused_while_planning(place: Workspace) -> None:
    """A mistyped name is refused with the nearest one."""
    unknown = place.snakemake("results/tiny-llama+lokup/cpu/sums.json")
    refused(unknown, "technique", "'lokup'", "did you mean 'lookup'")
    place.set("config", "study/techniques", ["lokup"])
    refused(place.snakemake("--dry-run"), "study.techniques", "'lookup'")
    place.set("techniques", "techniques/draft/draft", "tiny-drift")
    mistyped = place.snakemake("--dry-run")
    refused(mistyped, "techniques.draft.draft", "'tiny-drift'", "did you mean 'tiny-draft'")
    place.set("techniques", "techniques/draft/draft", "tiny-draft")
    place.set("config", "study/techniques", ["lookup", "draft"])


def test_llama_cpps_server_drafts(
    finished: Path, tmp_path: Path, environment: Callable[[str], Path]
) -> None:
    """N-grams, or a draft model that is converted as its model is, draft; a cell in which nothing
    could be drafted is no copy of its parent."""
    environment("llama_server")
    place = tiny.grown(finished, tmp_path)
    place.share_environments()
    device = {"accelerator": "cpu", "engine": "llama-server-cpu", "threads": 1, **tiny.BUSY}
    place.set("devices", "devices", {"cpu": device})
    for model, steps in (("tiny-llama", 3), ("tiny-draft", 4)):
        recipe = tiny.recipe("llama") | {"hidden": 64, "steps": steps}
        place.set("models", f"models/{model}", {"grow": recipe})
    place.set("techniques", "techniques", {"lookup": LOOKUP, "draft": DRAFT})
    place.set("tasks", "tasks/sums/max_new_tokens", 24)
    first = place.get("tasks", "tasks/sums") | {"max_new_tokens": 1}
    place.set("tasks", "tasks/first", first)
    study = {
        "models": ["tiny-llama"], "quantizations": ["native"], "devices": ["cpu"],
        "tasks": ["sums", "first"], "techniques": ["lookup", "draft"],
    }  # fmt: skip
    place.set("config", "study", study)
    place.build()
    rows = pl.read_parquet(place.path("results/study.parquet")).to_dicts()
    compared = pl.read_parquet(place.path("results/comparisons.parquet")).to_dicts()
    by_name = {(row["variant"], row["task"]): row for row in rows}
    alone = requests(place, "tiny-llama")
    assert "drafted_tokens" not in alone[0]
    for name, kind in (("lookup", "prompt_lookup"), ("draft", "draft")):
        fast, row = requests(place, f"tiny-llama+{name}"), by_name[f"tiny-llama+{name}", "sums"]
        assert row["outcome"] in ("measured", "invalid"), row["reason"]
        assert [one["text"] for one in fast] == [one["text"] for one in alone]
        assert [one["tokens"] for one in fast] == [one["tokens"] for one in alone]
        drafted, accepted, tokens = (
            sum(one[f"{key}tokens"] for one in fast) for key in ("drafted_", "accepted_", "")
        )
        assert 0 < accepted <= drafted
        assert row["drafted_tokens"] == drafted
        assert row["tokens_per_step"] == pytest.approx(tokens / (tokens - accepted))
        (shown,) = FIGURES.load("speculation").HEADINGS
        assert shown.text(row).startswith(f"{words.number(row['tokens_per_step'])} tokens/step; ")
        (changed,) = (
            one["changed"] for one in compared
            if (one["variant"], one["task"]) == (f"tiny-llama+{name}", "sums")
        )  # fmt: skip
        assert changed == 0
        idle = by_name[f"tiny-llama+{name}", "first"]
        assert (idle["outcome"], idle["reason"]) == (
            "unsupported", f"{kind} changed nothing: no step verified a draft",
        )  # fmt: skip
    weights = [
        by_name[f"tiny-llama{end}", "sums"]["weights_bytes"] for end in ("", "+lookup", "+draft")
    ]
    assert weights == [weights[0], weights[0], 2 * weights[0]]
    (draft,) = place.root.glob("resources/quantized/tiny-draft/gguf/*/model.gguf")
    assert draft.stat().st_size == weights[0]
