"""A study in several scenarios, from cells to the page: nothing mixes one scenario with another.

The cells of the second one, `offline`, are invented.
"""

from __future__ import annotations

import contextlib
import json
import re
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import polars as pl
import pytest
from test_report import Page

import aggregate
import cells
import compare
import plan
import render
from cells import ROOT, Cell, frame
from frontier import words
from frontier.catalogue import configuration
from frontier.catalogue.question import Config
from frontier.errors import UserError
from frontier.exchange import adding, packing, parquet_check
from frontier.planning import caches
from frontier.planning import cells as planned
from frontier.planning.freshness import Freshness
from frontier.planning.pending import pending
from frontier.planning.steps import Steps
from frontier.results import bundles
from frontier.results import cell as results
from frontier.results.outputs import Axes
from frontier.tables import comparisons, study

NATIVE = Cell("llama", quality=0.9, seconds=0.02)
INT8 = replace(NATIVE, quantization="int8", quality=0.95, seconds=0.01)
OFFLINE = replace(NATIVE, scenario="offline", seconds=0.005)
OFFLINE_INT8 = replace(INT8, scenario="offline", quality=0.6, seconds=0.015)
HARDWARE = {"hardware": {"cpu": "Another CPU", "cores": 64, "memory_bytes": 8_000_000_000}}
ADOPTED = {"adopted": [{"because": "only a comment differs", "when": "2026-01-02", "differs": []}]}
CELLS = [
    NATIVE, INT8, OFFLINE, OFFLINE_INT8,
    replace(OFFLINE, device="a6000", seconds=0.001, provenance=ADOPTED),
    replace(OFFLINE, device="cpu@server", provenance=HARDWARE),
    Cell("falcon", quality=0.5),
    Cell("falcon", "int8", scenario="offline"),  # its native variant exists in another scenario only
]  # fmt: skip


@contextlib.contextmanager
def there_are(*scenarios: str) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patched:
        for module in (results, planned, configuration):
            patched.setattr(module, "scenarios", lambda: scenarios)
        yield


@pytest.fixture(autouse=True, scope="module")
def two() -> Iterator[None]:
    with there_are("offline", "server", "single-stream"):
        yield


def run(program: ModuleType, folder: Path, *arguments: str) -> None:
    with pytest.MonkeyPatch.context() as patched, contextlib.chdir(folder):
        patched.setattr(sys, "argv", [program.__name__, *arguments])
        program.main()


def rendered(folder: Path, study_of: list[Cell], *given: str) -> Path:
    """The results of these cells, with the study, the comparisons and the page."""
    paths = [cells.write(folder / "results", cell) for cell in study_of]
    (folder / "cells.txt").write_text("\n".join(map(str, paths)), encoding="utf-8")
    given = given or ("--cells-from", "cells.txt")
    tables = []
    for program, name in ((aggregate, "study"), (compare, "comparisons")):
        files = [f"results/{name}.{ending}" for ending in ("parquet", "csv", "lock.json")]
        named = zip(("--parquet", "--csv", "--lock"), files, strict=True)
        run(program, folder, *given, *(word for pair in named for word in pair))
        tables += [f"--{name}", files[0]]
    output = "--output results/report.html --charts results/charts --lock results/report.lock.json"
    run(render, folder, *given, *tables, *output.split())
    return folder / "results"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return rendered(tmp_path_factory.mktemp("two"), CELLS)


def parsed(built: Path) -> Page:
    page = Page()
    page.feed((built / "report.html").read_text(encoding="utf-8"))
    page.close()
    return page


@pytest.fixture(scope="module")
def page(built: Path) -> Page:
    return parsed(built)


def test_the_study_has_a_row_for_each(built: Path) -> None:
    found = pl.read_parquet(built / "study.parquet")
    keys = sorted((cell.task, cell.scenario, cell.device, cell.variant) for cell in CELLS)
    assert found.select("task", "scenario", "device", "variant").rows() == keys
    assert found.columns[found.columns.index("task") + 1] == "scenario"
    assert found["techniques"].null_count() == len(CELLS)
    for cell in (NATIVE, OFFLINE):
        here = found.filter(variant="llama", device="cpu", scenario=cell.scenario)
        assert here["latency_p50_s"].item() == pytest.approx(frame(cell)["latency_s"].median())
    assert pl.read_csv(built / "study.csv", schema=found.schema).equals(found)


def test_comparisons_pair_within_one(built: Path) -> None:
    found = pl.read_parquet(built / "comparisons.parquet").drop_nulls("parent_variant")
    assert found.select("scenario", "variant", "parent_variant").rows() == [
        ("offline", "llama-int8", "llama"), ("single-stream", "llama-int8", "llama"),
    ]  # fmt: skip
    for row, (native, other) in zip(
        found.rows(named=True), ((OFFLINE, OFFLINE_INT8), (NATIVE, INT8)), strict=True
    ):
        ratios = frame(other)["latency_s"] / frame(native)["latency_s"]
        offline = row["scenario"] == "offline"
        assert row["latency_ratio"] == (None if offline else pytest.approx(ratios.median()))
        assert (row["throughput_ratio"] is None) != offline
        lost = (frame(native)["score"] > frame(other)["score"]).sum()
        assert row["lost"] == lost
    assert found["latency_verdict"].to_list() == [None, "faster"]


def test_every_heading_says_which(page: Page) -> None:
    text = page.words()
    assert "in the scenarios single-stream and offline: 8 measured." in text
    assert "requests in the scenarios single-stream and offline of MLPerf" in text
    # Each scenario has its own answer, the fastest over all devices of that scenario.
    answers = text.split("The latency-accuracy frontier")[0]
    first, second = answers.split("demo-sentiment · offline")
    assert "demo-sentiment · single-stream" in first
    assert "Over all devices" not in first
    assert "points of the best is llama int8: " in first
    assert "Over all devices, the fastest within 2 points of the best is llama on a6000" in second
    # Each scenario has a table of the figure by which it is fast, and all share that of scores.
    alone, at_once, scores = page.tables[:3]
    assert alone[:2] == [["Variant", "demo-sentiment · single-stream"], ["cpu"]]
    assert at_once[:2] == [["Variant", "demo-sentiment · offline"], ["a6000", "cpu", "cpu@server"]]
    assert scores[:2] == [[*alone[0], *at_once[0][1:]], [*alone[1], *at_once[1]]]
    (shown,) = [row[1] for row in alone if row[0] == "llama"]
    assert shown.startswith(words.significant(float(frame(NATIVE)["latency_s"].median())))  # type: ignore[arg-type]
    (shown,) = [row[2] for row in at_once if row[0] == "llama"]
    rows = frame(OFFLINE)
    rate = rows["tokens"].sum() / rows["latency_s"].sum() / OFFLINE.tokens
    assert shown.startswith(words.significant(float(rate)))
    assert "demo-sentiment · offline · cpu@server" in text


def test_names_that_read_the_same_joined_have_charts_of_their_own(tmp_path: Path) -> None:
    """Task a on b-c and task a-b on c; a server's device and one named like it; parts of a chart."""
    pairs = [
        ("a", "b-c"), ("a-b", "c"), ("a", "b@c"), ("a", "b_c"), ("a", "title"), ("a", "title-title"),
    ]  # fmt: skip
    made = [replace(NATIVE, task=task, device=device) for task, device in pairs]
    built = rendered(tmp_path, [*made, *(replace(one, quantization="int8") for one in made)])
    charts = {path.stem for path in (built / "charts").glob("frontier--*.svg")}
    assert charts == {f"frontier--{task}--{device}" for task, device in pairs}
    ids = [attributes["id"] for _, attributes in parsed(built).tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert charts <= set(ids)


def test_the_charts_and_filters_tell_them_apart(built: Path, page: Page) -> None:
    charts = {path.stem for path in (built / "charts").glob("*.svg")}
    assert {"frontier--demo-sentiment--cpu", "frontier--demo-sentiment.offline--cpu"} <= charts
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert charts <= set(ids)
    captions = page.text.split("Does not show: ")
    assert any("one at a time" in each for each in captions)
    assert any("scenario offline, greedy" in each for each in captions)
    sections = [a["class"] for tag, a in page.tags if tag == "section" and "id" not in a]
    assert {"part t0 s0 d1", "part t0 s1 d1"} <= set(sections)
    assert "Scenario" in page.text
    assert {"s0", "s1"} <= {a.get("value") for tag, a in page.tags if tag == "option"}


def test_other_machines_are_compared_within_one(page: Page) -> None:
    (conflict,) = [
        table for table in page.tables if table[0] == ["Cell", "Device", "Figures", "Differences"]
    ]
    assert [row[0] for row in conflict[1:]] == ["llamademo-sentiment · offline", "cpu@server"]
    (adopted,) = [table for table in page.tables if "Adopted" in table[0]]
    assert adopted[1][:3] == ["llama", "demo-sentiment · offline", "a6000"]


def test_one_scenario_is_not_named(tmp_path: Path) -> None:
    """Only the introduction and the method name it, unless it is the default."""
    page = parsed(rendered(tmp_path / "default", [NATIVE, INT8])).text
    before = page[: page.rindex("Definitions")].replace("(MLPerf's SingleStream scenario)", "")
    assert "single-stream" not in before
    assert "cenario" not in before
    axes = {"variants": {"cpu": ["llama", "llama-int8"]}, "tasks": ["demo-sentiment"]}
    spec = json.dumps({"study": {**axes, "scenarios": ["offline"]}})
    text = parsed(rendered(tmp_path / "offline", [OFFLINE, OFFLINE_INT8], "--spec", spec)).words()
    assert "in the scenario offline: 2 measured." in text
    assert "demo-sentiment · offline" not in text


def test_the_order_is_the_studys() -> None:
    axes = Axes(variants={"d": ("v",)}, tasks=("t",), scenarios=("single-stream", "offline"))
    assert [str(path) for path in axes.paths(Path("r"))] == ["r/v/d/t.json", "r/v/d/t.offline.json"]


def test_a_cell_given_twice_is_named_with_its_scenario(tmp_path: Path) -> None:
    paths = [cells.write(tmp_path, cell) for cell in (NATIVE, OFFLINE)]
    assert study.table(paths)[0].height == 2
    with pytest.raises(
        UserError, match=r"llama on cpu for demo-sentiment\.offline was given twice"
    ):
        study.table([*paths, paths[1]])


def test_a_technique_is_compared_with_the_variant_without_it(tmp_path: Path) -> None:
    """The native one is not its parent; where that is missing, there is no comparison."""
    fast = cells.write(tmp_path, replace(NATIVE, techniques=("lookup",)))
    faster = cells.write(tmp_path, replace(NATIVE, techniques=("lookup", "kv-int8")))
    assert faster == tmp_path / "llama+lookup+kv-int8/cpu/demo-sentiment.json"
    native = cells.write(tmp_path, NATIVE)
    found = comparisons.table([fast, faster, native]).to_dicts()
    assert {row["variant"]: row["parent_variant"] for row in found} == {
        "llama+lookup": "llama",
        "llama+lookup+kv-int8": "llama+lookup",
    }
    assert comparisons.table([native, faster]).is_empty()


def test_bundles_have_cells_of_every_scenario(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parquet_check, "check", lambda _: None)  # which needs a process
    there, here, bundle = tmp_path / "there", tmp_path / "here", tmp_path / "there.tar.gz"
    for cell in (NATIVE, OFFLINE):
        cells.measured(there, cell)
    cells.measured(here, replace(OFFLINE, provenance=HARDWARE))
    assert packing.pack(there, bundle) == 2
    added, conflicts = adding.add(bundle, "server", here)
    assert added == ["llama/cpu/demo-sentiment", "llama/cpu/demo-sentiment.offline"]
    assert list(conflicts) == ["llama/cpu/demo-sentiment.offline"]
    bundles.check_added(here)
    read, _ = study.table(bundles.added_cells(here))
    assert read.select("device", "scenario").rows() == [
        ("cpu@server", "offline"), ("cpu@server", "single-stream"),
    ]  # fmt: skip
    with there_are("single-stream"), pytest.raises(UserError, match="unknown id 'offline'"):
        adding.add(bundle, "elsewhere", here)
    assert not (here / "added/elsewhere.json").exists()


@pytest.mark.parametrize("scenarios", [["single-stream"], ["single-stream", "offline"]])
def test_the_plan_names_them(scenarios: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Only where not all are the default."""
    study = {"models": ["gpt2"], "devices": ["cpu"], "tasks": ["sst2"], "scenarios": scenarios}
    catalogue = configuration.read_catalogue(ROOT / "config")
    steps = Steps(catalogue, Config.model_validate({"study": study}), lambda *_: 64_000_000_000)
    plan.show(steps, steps.cells)
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    if len(scenarios) == 1:
        assert lines[0] == ["variant", "device", "task", "state", "reason"]
        assert lines[1] == ["gpt2", "cpu", "sst2", "planned"]
    else:
        assert lines[0] == ["variant", "device", "task", "scenario", "state", "reason"]
        assert lines[1] == ["gpt2", "cpu", "sst2", "single-stream", "planned"]
        assert lines[2] == ["gpt2", "cpu", "sst2", "offline", "planned"]
    jobs = pending(Freshness(steps), steps.cells, tables=False)
    assert [job.output for job in jobs if job.rule == "score"] == [
        cell.place.summary for cell in steps.cells
    ]


def test_the_plan_says_how_long_a_load_takes(capsys: pytest.CaptureFixture[str]) -> None:
    """Once for all such cells, and not for others; a limit decides no other scenario's cell."""
    study = {"models": ["gpt2"], "devices": ["cpu"], "tasks": ["sst2"]}
    catalogue = configuration.read_catalogue(ROOT / "config")
    with there_are("offline", "server", "single-stream"):
        for scenarios in (["server"], ["single-stream"]):
            config = Config.model_validate({"study": {**study, "scenarios": scenarios}})
            steps = Steps(catalogue, config, lambda *_: 64_000_000_000)
            plan.show(steps, steps.cells)
            said = re.findall(r"under load: .* about (\d+) minutes", capsys.readouterr().err)
            assert len(said) == (scenarios == ["server"])
            assert all(40 <= int(minutes) < 400 for minutes in said)
    [task] = [catalogue.tasks["sst2"]]
    stricter = task.model_copy(update={"limits": task.limits.model_copy(update={"ttft_s": 1.0})})
    changed = catalogue.model_copy(update={"tasks": catalogue.tasks | {"sst2": stricter}})
    config = Config.model_validate({"study": {**study, "scenarios": ["single-stream", "server"]}})
    before, after = (
        {cell.scenario: steps.measure(cell).identity for cell in steps.cells}
        for steps in (Steps(one, config, lambda *_: None) for one in (catalogue, changed))
    )
    assert before["single-stream"] == after["single-stream"]
    assert before["server"] != after["server"]


@pytest.mark.parametrize(
    ("scenario", "mark"),
    [("server", "server_prompts"), ("offline", "prefix_cache"), ("single-stream", "prefix_cache")],
)
def test_the_plan_says_where_prompts_may_be_cached(
    scenario: str, mark: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Devices with `prefix_cache`, or without a switch for it, are named; no other one is."""
    catalogue = configuration.read_catalogue(ROOT / "config")
    device = catalogue.devices["cpu-llama-server"]
    devices = {
        "with": device.model_copy(update={"prefix_cache": True}),
        "without": device.model_copy(update={"prefix_cache": False}),
        "always": device.model_copy(update={"engine": "ollama"}),
    }
    catalogue = catalogue.model_copy(update={"devices": catalogue.devices | devices})
    study = {"models": ["demo-llama"], "quantizations": ["gguf-f16"], "tasks": ["sst2"]}
    for named, said in ((["with", "without", "always"], "with and always have"), (["without"], "")):
        config = Config.model_validate(
            {"study": {**study, "scenarios": [scenario], "devices": named}}
        )
        steps = Steps(catalogue, config, lambda *_: 64_000_000_000)
        lines = list(caches.lines(steps, steps.cells))
        assert [line.partition(" one, or may have; ")[0] for line in lines] == (
            [f"prefix cache: {said}"] if said else []
        )
        assert all(f"scenario {scenario}" in line and mark in line for line in lines)
