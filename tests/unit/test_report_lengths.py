"""The length of prompts in the report: TTFT, the KV cache and the score against it."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from test_report import render, study_of

import browser
from cells import Cell, write
from frontier.catalogue.models import Model
from frontier.catalogue.recipe import Recipe
from frontier.report.drawing import length_charts, svg
from frontier.report.naming import Named, Naming, RenderSpec
from frontier.report.reading.prompt_lengths import by_prompt
from frontier.results.session import Loaded

NATIVE = Cell("llama", task="needle", requests=60)
INT8 = replace(NATIVE, quantization="int8")
LENGTHS = (100, 400, 1600)
EACH, WINDOW = 1024, 500
SPEC = {
    "title": "Long prompts", "identity": "cafe",
    "models": [{"id": "llama", "label": "Llama", "heads": 8, "kv_heads": 2}],
}  # fmt: skip
PROBE = """<!DOCTYPE html><body style="margin:0"><script>
const frame = document.createElement("iframe");
frame.style.cssText = "width:1000px;height:900px;border:0";
const say = found => fetch("/found", {method: "POST", body: JSON.stringify(found)});
frame.onload = () => probe().then(say, error => say({error: String(error), at: error.stack}));
const probe = async () => {
  const inside = frame.contentDocument, all = where => [...inside.querySelectorAll(where)];
  const figure = inside.querySelector("figure[id^=lengths]");
  const mark = figure.querySelector("[data-kind=symbol][data-variant=llama-int8]");
  mark.dispatchEvent(new MouseEvent("click", {bubbles: true}));
  const table = inside.querySelector("#lengths ~ details table");
  table.closest("details").open = true;
  return {
    link: inside.querySelector("nav a[href='#lengths']").textContent,
    title: inside.querySelector("#lengths").textContent,
    shown: figure.checkVisibility() && figure.getBoundingClientRect().height > 300,
    texts: [...figure.querySelectorAll("svg text")].map(one => one.textContent),
    caption: figure.querySelector("figcaption").textContent,
    points: figure.querySelectorAll("[data-kind=symbol][data-variant=llama]").length,
    followed: figure.querySelectorAll(".followed").length,
    rows: [...table.querySelectorAll("tbody tr")].map(
      row => [...row.children].map(one => one.firstElementChild?.textContent ?? one.textContent)),
    wide: inside.documentElement.scrollWidth - inside.documentElement.clientWidth,
  };
};
frame.src = "/report.html";
document.body.append(frame);
</script>"""


def lengthened(path: Path, window: int | None = None) -> Path:
    """The cell at this path with prompts of LENGTHS, in turn, and what they cost.

    TTFT grows with the prompt; the cache too, up to a window. Answers to the longest are wrong.
    """
    at = path.with_suffix(".parquet")
    rows = pl.read_parquet(at)
    tokens = np.resize(LENGTHS, rows.height) + np.arange(rows.height) % 7
    held = tokens if window is None else np.minimum(tokens, window)
    rows.with_columns(
        pl.Series("prompt_tokens", tokens),
        pl.Series("ttft_s", tokens * 1e-5),
        pl.Series("kv_cache_bytes", held * EACH),
        pl.Series("score", (tokens < 1000).astype(float)),
    ).write_parquet(at)
    return path


def naming(*cells: Cell) -> Naming:
    rows = [
        {"model": one.model, "quantization": one.quantization, "device": one.device,
         "task": one.task, "techniques": None, "variant": one.variant, "scenario": one.scenario}
        for one in cells
    ]  # fmt: skip
    return Naming(RenderSpec(models=(Named(id="llama", heads=8, kv_heads=2),)), rows)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("lengths")
    study_of(folder, [NATIVE, INT8])
    for cell, window in ((NATIVE, None), (INT8, WINDOW)):
        lengthened(cell.place.summary_in(folder / "results"), window)
    done = render(folder, spec=json.dumps(SPEC))
    assert done.returncode == 0, done.stderr
    return folder / "results" / "report.html"


@pytest.mark.skipif(browser.CHROMIUM is None, reason="no chromium found on the PATH")
def test_lengths_are_drawn_and_listed(report: Path) -> None:
    """Three panels with a point for each length, which can be followed, and a row for each."""
    visited = browser.visit(report, PROBE)
    assert (visited.console, visited.requested) == ([], [])
    found: dict[str, Any] = visited.found
    assert "error" not in found, found
    assert (found["link"], found["title"]) == ("Length of prompts", "The length of prompts")
    assert found["shown"]
    assert found["points"] == 3 * 3
    assert found["followed"] > 0
    assert "Tokens of the prompt (log scale)" in found["texts"]
    assert "KV cache, MB (log scale)" in found["texts"]
    assert "Attention: Llama: GQA, 2 KV of 8 heads." in found["caption"]
    plain = [[re.sub("[\u2060\u00a0]", " ", one) for one in row] for row in found["rows"]]
    assert plain == [
        ["Llama", "GQA, 2 KV of 8 heads", "103", "20", "1.03 ms", "105 kB", "100.0 %"],
        ["Llama", "GQA, 2 KV of 8 heads", "403", "20", "4.03 ms", "413 kB", "100.0 %"],
        ["Llama", "GQA, 2 KV of 8 heads", "1603", "20", "16.0 ms", "1.64 MB", "0.0 %"],
        ["Llama int8", "GQA, 2 KV of 8 heads", "103", "20", "1.03 ms", "105 kB", "100.0 %"],
        ["Llama int8", "GQA, 2 KV of 8 heads", "403", "20", "4.03 ms", "413 kB", "100.0 %"],
        ["Llama int8", "GQA, 2 KV of 8 heads", "1603", "20", "16.0 ms", "512 kB", "0.0 %"],
    ]
    assert found["wide"] == 0


@pytest.mark.parametrize(
    ("lengths", "parts"),
    [
        ((100, 199), 0),  # not twice as long
        ((20, 110), 0),  # not 100 tokens longer
        ((100, 200), 2),
        ((100, 129, 131, 400), 3),  # a part's lengths are within a factor of 1.3
        ((100, 0, 400), 2),
    ],
)
def test_parts_of_prompts(lengths: tuple[int, ...], parts: int, tmp_path: Path) -> None:
    """A part of too few requests is left out; prompts of an unknown length have none."""
    path = write(tmp_path, NATIVE).with_suffix(".parquet")
    rows = pl.read_parquet(path)
    tokens = np.resize(lengths, rows.height)
    tokens[0] = 5000
    rows.with_columns(pl.Series("prompt_tokens", tokens)).write_parquet(path)
    found = by_prompt({"a": path}).get("a", [])
    assert len(found) == parts
    assert all(one.cache_bytes is None for one in found)  # as in earlier releases
    assert all(one.ttft and one.ttft.low is not None for one in found)
    assert sum(one.requests for one in found) <= 59


def test_what_is_not_known_is_not_drawn(tmp_path: Path) -> None:
    """Simulated variants have no times, scores may be no verdicts, and tables be of other types."""
    path = lengthened(write(tmp_path, NATIVE)).with_suffix(".parquet")
    rows = pl.read_parquet(path)
    none = pl.lit(None, pl.Float64)
    rows.with_columns(none.alias("ttft_s"), score=pl.lit(0.5)).write_parquet(path)
    found = by_prompt({"llama": path})
    assert [(one.ttft, one.score) for one in found["llama"]] == [(None, None)] * 3
    chart = length_charts.lengths(found, naming(NATIVE), "t")
    assert chart is not None
    assert len(chart["vconcat"]) == 1
    assert svg.render(chart).startswith("<svg")
    assert length_charts.lengths({}, naming(NATIVE), "t") is None
    rows.with_columns(pl.lit("many").alias("prompt_tokens")).write_parquet(path)
    assert by_prompt({"llama": path}) == {}


@pytest.mark.parametrize(
    ("heads", "kv_heads", "kind"),
    [
        (8, 8, "MHA, 8 heads"), (8, 2, "GQA, 2 KV of 8 heads"), (8, 1, "MQA, 1 KV of 8 heads"),
        (1, 1, "MHA, 1 heads"), (8, None, None),
    ],
)  # fmt: skip
def test_attention_by_its_heads(heads: int, kv_heads: int | None, kind: str | None) -> None:
    assert Named(id="a", heads=heads, kv_heads=kv_heads).attention == kind


def test_heads_of_the_catalogue() -> None:
    """The recipe's of a grown model, else the keys; by default hidden / head_dim."""
    recipe = {
        "architecture": "falcon", "hidden": 64, "layers": 1, "heads": 4, "intermediate": 8,
        "steps": 0, "learning_rate": 0.1,
        "corpora": {"arithmetic": {"prompt": "{question}", "examples": 1, "rows": 1}},
    }  # fmt: skip
    grown = Model.model_validate({"grow": recipe})
    assert grown.attention_heads == {"heads": 4, "kv_heads": 1}
    llama = Recipe.model_validate(recipe | {"architecture": "llama", "kv_heads": 2})
    assert Model(grow=llama).attention_heads == {"heads": 4, "kv_heads": 2}
    with pytest.raises(ValueError, match="only of llama; falcon fixes their number"):
        Recipe.model_validate(recipe | {"kv_heads": 2})
    with pytest.raises(ValueError, match="heads 4 is not a multiple of kv_heads 3"):
        Recipe.model_validate(recipe | {"architecture": "llama", "kv_heads": 3})
    keys = {"path": "/models/a", "hidden": 64, "head_dim": 8, "kv_heads": 2}
    assert Model.model_validate(keys).attention_heads == {"heads": 8, "kv_heads": 2}
    assert Model.model_validate({"path": "/models/a"}).attention_heads == {}


def test_a_window_bounds_the_cache() -> None:
    """300 of the 400 bytes of a token are of layers that hold no more than 99 tokens."""
    facts = Loaded(kv_bytes_per_token=400, kv_windows=((99, 300),))
    assert facts.cache_bytes(99) == 99 * 400
    assert facts.cache_bytes(1000) == 99 * 300 + 1000 * 100
    assert Loaded(kv_bytes_per_token=400).cache_bytes(1000) == 400_000
    assert Loaded().cache_bytes(1000) is None
