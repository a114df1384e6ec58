"""The scenario `server` in the report: the answer, the charts and the table of rates."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from test_several_scenarios import parsed, rendered

from cells import Cell
from frontier.report.drawing import load_charts, svg
from frontier.report.naming import Naming, RenderSpec
from frontier.results.cell_load import Loads

TIMES = ("latency", "ttft", "ttft_sent", "tpot")


def bound(value: float, known: bool = True) -> dict[str, Any]:
    ends = {"low": value * 0.9, "high": value * 1.2} if known else {}
    return {"value": value, "method": "order statistics", **ends}


def rate(arrivals: float, ttft: float, holds: bool | None, **more: Any) -> dict[str, Any]:
    """The figures of a rate."""
    quantiles = {
        name: bound(ttft * factor) for name, factor in (("p50", 1), ("p90", 2), ("p99", 3))
    }
    tpot = {name: bound(0.01 * (1 + arrivals / 100)) for name in quantiles}
    return {
        "rate": arrivals, "share": arrivals / 100, "requests": 800, "answered": 800, "within": 799,
        "seconds": 800 / arrivals, "holds": holds, "stopped": False,
        "goodput": bound(arrivals), "output_tokens_per_s": 5 * arrivals,
        **dict.fromkeys(TIMES, quantiles), "tpot": tpot,
    } | more  # fmt: skip


def loads(factor: float = 1.0) -> dict[str, Any]:
    """Three rates; at the highest one the queue grew without end."""
    rates = [
        rate(10 * factor, 0.05, True),
        rate(40 * factor, 0.2, True),
        rate(80 * factor, 3.0, False, stopped=True),
    ]
    return {
        "ttft_s": 2.0, "tpot_s": 0.1, "percentile": 99.0, "at_once_per_s": 100 * factor,
        "max_rate": 40 * factor, "fails_at": 80 * factor, "rates": rates,
    }  # fmt: skip


def served(cell: Cell, factor: float) -> Cell:
    """The same cell under load: no latency of its own, but a highest rate."""
    found = loads(factor)
    times = {"max_rate_per_s": found["max_rate"], "fails_at_per_s": found["fails_at"]}
    none = dict.fromkeys(("latency_p50_s", "latency_p90_s", "latency_p99_s", "mbu"))
    return replace(cell, scenario="server", figures=none | times, load=found)


NATIVE = Cell("llama", quality=0.9)
INT8 = replace(NATIVE, quantization="int8", quality=0.93)
INT4 = replace(NATIVE, quantization="int4", quality=0.6)
STUDY = [served(NATIVE, 1.0), served(INT8, 2.0), served(INT4, 9.0)]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return rendered(tmp_path_factory.mktemp("served"), STUDY)


def test_the_answer_is_the_highest_rate_within_two_points_of_the_best(built: Path) -> None:
    """The variant with the highest rate of all is not the answer, as its score is too low."""
    html = (built / "report.html").read_text(encoding="utf-8")
    plain = re.sub(r"<[^>]+>", " ", html.replace("\N{WORD JOINER}", ""))
    text = " ".join(plain.split())
    assert re.search(
        r"fastest within 2 points of the best is\W+llama int8\W+80\.0 requests/s arriving at "
        r"random, within the limits of latency \(between the highest rate that holds and the "
        r"lowest that does not: 80\.0–160\)", text,
    ), text[:1500]  # fmt: skip
    assert "Highest rate of arrivals within the limits, in requests per second" in text
    assert "Median seconds per request" not in text


def test_rates_are_drawn_and_listed(built: Path) -> None:
    """There are the limits and a row for each rate; the one that was stopped is marked."""
    page = parsed(built)
    html = (built / "report.html").read_text(encoding="utf-8")
    for kind in ("load", "throughput"):
        [chart] = (built / "charts").glob(f"{kind}-*.svg")
        assert chart.stat().st_size > 5000
        legend = chart.read_text(encoding="utf-8").split("role-legend-symbol")[1:]
        assert not any('fill="white"' in one.partition("</g>")[0] for one in legend)
    assert html.partition("<script")[0].count("stopped: the queue grew without end") == 3
    assert "TTFT" in html
    assert "99.88 %" in html
    assert page


def test_other_studies_have_no_such_section(tmp_path: Path) -> None:
    html = (rendered(tmp_path, [NATIVE, INT8]) / "report.html").read_text(encoding="utf-8")
    charts = tmp_path / "results/charts"
    for section in ("load", "lengths"):  # and their prompts have like lengths
        assert f'id="{section}"' not in html
        assert not list(charts.glob(f"{section}-*"))


def test_a_rate_of_cached_prompts_is_marked(tmp_path: Path) -> None:
    """The answer says so, and each rate, with the server's own count."""
    cached = served(INT8, 2.0)
    assert cached.load
    load = cached.load | {"prompts": "cached"}
    load["rates"] = [one | {"cached_prompt_share": 0.75} for one in load["rates"]]
    marked = replace(cached, figures=cached.figures | {"server_prompts": "cached"}, load=load)
    page = rendered(tmp_path, [served(NATIVE, 1.0), marked]) / "report.html"
    html = page.read_text(encoding="utf-8").replace("\N{WORD JOINER}", "")
    text = " ".join(re.sub(r"<[^>]+>", " ", html).split())
    assert "its repeated prompts were in a prefix cache" in text
    assert re.findall(r"prompts cached \(75\W*% by its own count\)", text)


def naming(*variants: str) -> Naming:
    """The labels of a study with these variants of one model."""
    rows = [
        {"model": "llama", "quantization": one, "device": "cpu", "task": "t", "techniques": None,
         "variant": one, "scenario": "server"} for one in variants
    ]  # fmt: skip
    return Naming(RenderSpec(), rows)


def of(value: dict[str, Any]) -> Loads:
    return Loads.model_validate(value, strict=False)


def test_only_what_is_known_is_drawn() -> None:
    """The highest quantile that is known but none above the limits'; no chart of nothing."""
    plain = of(loads())
    assert load_charts.quantile([plain]) == "p99"
    assert load_charts.quantile([plain.model_copy(update={"percentile": 90.0})]) == "p90"
    few = [rate(10, 0.05, None) | {"ttft": {"p50": bound(0.05)}}]
    assert load_charts.quantile([of(loads() | {"rates": few})]) == "p50"
    nothing: dict[str, Any] = {time: {} for time in TIMES}
    none = [rate(10, 0.05, None, invalid="contention") | nothing]
    silent = {"a": of(loads() | {"rates": none, "max_rate": None})}
    assert load_charts.latency(silent, naming("a"), "t") is None
    assert load_charts.throughput(silent, naming("a"), "t") is None


def test_charts_name_the_variants_of_cached_prompts() -> None:
    """A line for each mark, in both charts; none where no prompt was cached."""
    marks = {"a": "cached", "b": None, "c": "may be cached", "d": "cached"}
    several = {name: of(loads() | {"prompts": mark}) for name, mark in marks.items()}
    for draw in (load_charts.latency, load_charts.throughput):
        chart = draw(several, naming(*several), "t")
        assert chart is not None
        marked = chart["title"]["subtitle"][2:]
        assert [line.partition(":")[0] for line in marked] == [
            "Prompts cached",
            "Prompts may be cached",
        ]
        assert [name in marked[0] for name in ("llama a", "llama b", "llama d")] == [
            True, False, True,
        ]  # fmt: skip
        assert "Prompts may be cached: llama c" in svg.render(chart).replace("\N{WORD JOINER}", "")
        plain = draw({"b": several["b"]}, naming("b"), "t")
        assert plain is not None
        assert len(plain["title"]["subtitle"]) == 2


def test_a_limit_is_a_dashed_line() -> None:
    """It is left out if it is far above all times, which it would flatten."""
    for limit, drawn in ((2.0, True), (2000.0, False)):
        chart = load_charts.latency({"a": of(loads() | {"ttft_s": limit})}, naming("a"), "t")
        assert chart is not None
        marks = [layer["mark"] for layer in chart["vconcat"][0]["layer"]]
        assert any("strokeDash" in mark for mark in marks) == drawn
        assert svg.render(chart).startswith("<svg")
