"""The charts: what is drawn is what was measured, and the images stand on their own."""

from __future__ import annotations

import copy
import itertools
import json
import math
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import altair as alt
import hypothesis.strategies as st
import jsonschema
import numpy as np
import pytest
from hypothesis import given

from cells import Cell, frame, write
from frontier import figures
from frontier.errors import UserError
from frontier.report.deciding.entries import points
from frontier.report.deciding.findings import Group, score_title
from frontier.report.deciding.pareto import front
from frontier.report.drawing import change_chart, charts, svg
from frontier.report.drawing.style import log_domain, log_ticks, nominal, quantitative
from frontier.report.naming import COLOURS, SHAPES, Named, Naming, RenderSpec
from frontier.report.reading.distributions import QUANTILES, quantiles
from frontier.report.reading.gather import groups, read_cells
from frontier.tables.comparisons import table as compared
from frontier.tables.study import table

SCHEMA = "vegalite/v6/schema/vega-lite-schema.json"
HOSTILE = "</text></svg><script>alert(\"x\")</script> & '中文' \x00\u202e"
STUDY = [
    Cell("llama", quality=0.95, seconds=0.02),
    Cell("llama", "int8", quality=0.94, seconds=0.015, weights_bytes=1_200_000),
    Cell("llama", "int4", quality=0.8, seconds=0.03, weights_bytes=700_000),
    Cell("falcon", quality=0.9, seconds=0.012),
    Cell("falcon", "int8", quality=0.9, outcome="invalid", reason="contention"),
    Cell("llama", "fake", quality=0.6, simulated=True),
    Cell("gpt2", outcome="does-not-fit", reason="too big"),
    Cell("random", random_weights=True, seconds=0.001),
]

PLACE = {"device": "d", "task": "t", "scenario": "single-stream", "techniques": None}


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> tuple[Group, Naming]:
    """A study of one task on one device, read as render.py reads it."""
    paths = [write(tmp_path_factory.mktemp("results"), cell) for cell in STUDY]
    rows = table(paths)[0].rows(named=True)
    named = [Named(id="llama", label=HOSTILE), Named(id="falcon", label="Falcon")]
    naming = Naming(RenderSpec(models=tuple(named)), rows)
    comparisons = compared(paths).rows(named=True)
    (group,) = groups(rows, read_cells(paths, rows), naming, comparisons)
    return group, naming


def drawn(study: tuple[Group, Naming]) -> dict[str, dict[str, Any]]:
    group, naming = study
    built = {
        "frontier": charts.frontier(group.entries, naming, "T", score_title(group.rows), 2),
        "distributions": charts.distributions(group.entries, naming, "T"),
        "quantization": change_chart.quantization(group.comparisons, naming, "T"),
    }
    assert all(built.values())
    return {kind: chart for kind, chart in built.items() if chart}


def values(chart: dict[str, Any]) -> list[list[dict[str, Any]]]:
    """The rows of a chart and of every layer that has its own."""
    found = []
    if "values" in chart.get("data", {}):
        found.append(chart["data"]["values"])
    for parts in ("layer", "hconcat", "vconcat"):
        for part in chart.get(parts, []):
            found += values(part)
    return found


def test_only_cells_with_times_are_drawn(study: tuple[Group, Naming]) -> None:
    assert [entry.variant for entry in study[0].entries] == [
        "llama", "llama-int4", "llama-int8", "falcon", "random",
    ]  # fmt: skip
    # Random weights have a latency and no score: among the distributions, not on the frontier.
    assert [point.name for point in points(study[0].entries)] == [
        "llama", "llama-int4", "llama-int8", "falcon",
    ]  # fmt: skip
    layers = values(drawn(study)["distributions"])
    assert all(len({row["variant"] for row in rows}) == 5 for rows in layers)


def test_the_frontier_shows_the_figures_and_their_intervals(study: tuple[Group, Naming]) -> None:
    group, naming = study
    layers = values(drawn(study)["frontier"])
    shown = next(rows for rows in layers if "x_low" in rows[0])
    scored = [entry for entry in group.entries if entry.score is not None]
    for row, entry in zip(shown, scored, strict=True):
        measured = next(each for each in group.rows if each["variant"] == entry.variant)
        for key, column in (("x", ""), ("x_low", "low_"), ("x_high", "high_")):
            assert row[key] == pytest.approx(measured[f"latency_p50_{column}s"] * 1000)
        for key, column in (("y", ""), ("y_low", "_low"), ("y_high", "_high")):
            assert row[key] == pytest.approx(measured[f"score{column}"] * 100)
        assert row["variant"] == naming.variant(entry.variant)
    line = next(rows for rows in layers if len(rows[0]) == 2 and "x" in rows[0] and len(rows) > 1)
    steps = [(row["x"], row["y"]) for row in line[:-1]]
    expected = [(p.latency * 1000, p.score) for p in front(points(group.entries))]
    assert steps == [pytest.approx(pair) for pair in expected]


def test_a_model_has_one_colour_and_a_quantization_one_shape(study: tuple[Group, Naming]) -> None:
    _, naming = study
    assert naming.colour("llama") == naming.colour("llama-int8") == COLOURS[0]
    assert naming.colour("falcon") != naming.colour("llama")
    assert naming.shape("llama-int8") == naming.shape("falcon-int8")
    assert len({naming.shape(variant) for variant in ("llama", "llama-int8", "llama-int4")}) == 3


def test_with_one_model_every_quantization_has_its_own_mark() -> None:
    ids = ["native", *(f"q{number}" for number in range(40))]
    rows = [PLACE | {"model": "m", "variant": f"m-{id_}", "quantization": id_} for id_ in ids]
    naming = Naming(RenderSpec(), rows)
    marks = {(naming.colour(variant), naming.shape(variant)) for variant in naming.variants}
    assert len(marks) == len(ids)


def test_two_models_of_the_same_label_are_distinguished() -> None:
    rows = [
        PLACE | {"model": name, "variant": name, "quantization": "native"} for name in ("a", "b")
    ]
    same = (Named(id="a", label="Same"), Named(id="b", label="Same"))
    naming = Naming(RenderSpec(models=same), rows)
    assert (naming.variant("a"), naming.variant("b")) == ("Same (a)", "Same (b)")


def test_images_are_whole_and_load_nothing(study: tuple[Group, Naming]) -> None:
    ids: list[str] = []
    for kind, chart in drawn(study).items():
        image = svg.render(chart)
        assert svg.png(image).startswith(b"\x89PNG")
        inline = svg.described(image, kind, HOSTILE.replace("\x00", ""), "<b>")
        root = ElementTree.fromstring(inline)
        assert root.get("viewBox")
        assert root.get("width") is None  # it takes the width of its place
        assert root.get("role") == "img"
        tags = {element.tag.split("}")[1] for element in root.iter()}
        assert tags.isdisjoint({"script", "image", "foreignObject", "a", "use", "style"})
        for element in root.iter():
            for name, value in element.attrib.items():
                assert not name.startswith("on")
                assert "href" not in name
                assert not re.search(r"url\((?!#)|https?:", value)
        ids += [element.get("id", "") for element in root.iter() if element.get("id")]
        references = re.findall(r"url\(#([^)]+)\)", inline)
        assert set(references) <= set(ids)
    assert len(ids) == len(set(ids))  # also across charts: they share a page


def test_charts_are_what_vega_lites_schema_allows(study: tuple[Group, Naming]) -> None:
    """An option misspelt would be passed over in silence. The schema is that of what draws."""
    assert alt.SCHEMA_VERSION.startswith(f"v{svg.VEGA_LITE}.")
    schema = json.loads((Path(alt.__file__).parent / SCHEMA).read_text(encoding="utf-8"))
    held = jsonschema.Draft7Validator(schema)
    for chart in map(copy.deepcopy, drawn(study).values()):
        del chart["config"]["legend"]["layout"]  # Vega's own
        held.validate(chart)
        layers = chart["layer"] if "layer" in chart else chart.get("hconcat", chart.get("vconcat"))
        layers[0]["misspelt"] = 1
        assert not held.is_valid(chart)


def test_a_hostile_label_is_drawn_as_text(study: tuple[Group, Naming]) -> None:
    root = ElementTree.fromstring(svg.render(drawn(study)["distributions"]))
    texts = "".join(root.itertext())
    assert "<script>" in texts or "</text>" in texts
    assert "⟨U+0000⟩" in "".join(study[1].variant("llama"))
    assert "\u202e" not in texts


def test_data_from_a_network_is_refused() -> None:
    remote = {
        "data": {"url": "https://example.org/data.json"},
        "mark": "point",
        "encoding": {"x": {"field": "a"}},
    }
    with pytest.raises(ValueError, match=r"not allowed|External"):
        svg.render(remote)


def test_nothing_measured_draws_nothing(study: tuple[Group, Naming]) -> None:
    _, naming = study
    assert charts.frontier([], naming, "T", "S", 2) is None
    assert charts.distributions([], naming, "T") is None
    assert change_chart.quantization([], naming, "T") is None


def test_quantiles_are_numpys_and_unknown_for_few_requests() -> None:
    requests = frame(Cell("llama", tokens=3))
    assert requests["tpot_s"].null_count() > 0
    for figure in (time.column for time in figures.per_request() if not time.of_choices):
        known = requests[figure].drop_nulls().to_numpy()
        found = quantiles(requests, figure)
        assert found == {
            name: pytest.approx(np.quantile(known, q)) for name, q in QUANTILES.items()
        }
        assert quantiles(requests.head(5), figure) is None


def test_changes_are_the_comparisons(study: tuple[Group, Naming]) -> None:
    group, naming = study
    variants = [row["variant"] for row in group.comparisons]
    assert variants == ["llama-fake", "llama-int4", "llama-int8", "falcon-int8"]
    panels = [
        next(rows for rows in values(panel) if "variant" in rows[0])
        for panel in drawn(study)["quantization"]["hconcat"]
    ]
    figures = ("difference", "latency_ratio", "bytes_ratio")
    for rows, figure in zip(panels, figures, strict=True):
        expected = {
            naming.variant(row["variant"]): row[figure]
            for row in group.comparisons
            if row[figure] is not None
        }
        assert {row["variant"]: row["value"] for row in rows} == expected
    # What was only simulated, or timed invalidly, has a score and no latency.
    assert [len(rows) for rows in panels] == [4, 2, 4]


positive = st.floats(1e-5, 1e5)


@given(positive, st.floats(1.2, 1e6))
def test_ticks_are_round_few_and_inside(low: float, factor: float) -> None:
    high = low * factor
    ticks = log_ticks(low, high)
    assert 2 <= len(ticks) <= 12
    assert all(low * (1 - 1e-9) <= tick <= high * (1 + 1e-9) for tick in ticks)
    assert all(one < other for one, other in itertools.pairwise(ticks))


@given(st.lists(st.one_of(st.none(), positive), min_size=1).filter(any))
def test_the_axis_holds_every_value(found: list[float | None]) -> None:
    low, high = log_domain(found)
    assert all(low < value < high for value in found if value is not None)
    assert math.isfinite(high / low)


def test_more_quantizations_than_a_charts_own_shapes_have_distinct_ones() -> None:
    assert len(set(SHAPES)) == len(SHAPES) == 16
    rows = [{"x": place, "shape": shape} for place, shape in enumerate(SHAPES)]
    form = nominal("shape", scale={"domain": SHAPES, "range": SHAPES})
    encoding = {"x": quantitative("x"), "shape": form}
    chart = charts.layer("point", encoding, filled=True, size=200) | charts.data(rows)
    drawn = ElementTree.fromstring(svg.render(chart))
    paths = {
        element.get("d")
        for element in drawn.iter()
        if element.get("aria-roledescription") == "point"
    }
    assert len(paths) == 16


def test_a_missing_table_of_requests_is_reported(tmp_path: Path) -> None:
    path = write(tmp_path, STUDY[0])
    path.with_suffix(".parquet").unlink()
    rows = table([path])[0].rows(named=True)
    naming = Naming(RenderSpec(), rows)
    with pytest.raises(UserError, match=r"\.parquet: no such file"):
        groups(rows, read_cells([path], rows), naming, [])
