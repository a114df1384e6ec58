"""Figures: each is one file, from the measurement to the report, and none is named elsewhere."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import figure_files
from cells import Cell, summary, write
from frontier import figures
from frontier.arrivals import Arrival
from frontier.errors import UserError
from frontier.figures import FIGURES, Figure, Measured, Needs
from frontier.report.writing import cell_tables
from frontier.results.cell_load import Loads
from frontier.results.columns import COLUMNS
from frontier.results.key import Key
from frontier.results.records import Record
from frontier.scorers import Score
from frontier.specs.score import ScoredDevice, ScoredModel, ScoreSpec
from frontier.tables import study
from frontier.tables.study import columns, table
from measurements import WARM_UP, a_measurement, session

CELL = {"variant": "m", "model": "m", "quantization": "native", "device": "cpu", "task": "t"}
SPEC = ScoreSpec.model_construct(
    cell=Key.model_validate(CELL),
    device=ScoredDevice(
        max_background_cores=1, bandwidth_gb_s=50, tflop_s={"float32": 1.0}, price_per_hour=3.6
    ),
    model=ScoredModel(),
)
METERED = {
    "counts": {"cpu": "RAPL", "gpu": "NVML"}, "rest_watts": {"cpu": 9.5, "gpu": 60.0},
    "at_rest": "before", "own_share": 0.001,
    "gpu": {
        "readings": 40, "busy": 0.9, "clock_mhz": 1400, "lowest_clock_mhz": 1350,
        "highest_clock_mhz": 1410, "watts": 240.0,
    },
}  # fmt: skip
CEILINGS = {"read_gb_s": 40.0, "matrix_tflop_s": {"float32": 0.5}, "torch": "2.13.0"}
LOADED = {"warmup": WARM_UP, "metered": METERED, "ceilings": CEILINGS}
FACTS: dict[str, Any] = {
    "sessions": [session(0, loaded=LOADED), session(1)], "parameters": 1_000_000,
    "environment": "openvino", "kernel": "torch mm", "server": {"name": "vllm"}, "spent": 0.02,
    "batching": "padded", "zeros": 0.5, "read_share": 0.75,
    "spec": {
        "task": {"prompt": "{a}", "shots": {"count": 3, "as": "turns"}},
        "techniques": [
            {"kind": "watermark", "greenlist_ratio": 0.25}, {"kind": "guided", "regex": "yes|no"},
        ],
    },
    "memory": {"host_peak_bytes": 9_000_000, "device_peak_bytes": 8_000_000},
    "contention": {
        "foreign_cores": 0.0, "foreign_gpu_processes": None,
        "sessions": [{"session": 0, "requests": 200, "foreign_cores": 0.0}],
    },
}  # fmt: skip
SERVED = {"warmup": WARM_UP, "server": {"name": "llama-server"}}
MEASUREMENT = a_measurement(**FACTS)
RECORDS = [
    Record(
        f"r{n}", "", "yes", 5, 20, "stop", n * 10**9, n * 10**9,
        [Arrival(10**6 + 7 * (n * 37 % 200), 2), Arrival(3 * 10**6, 1), Arrival(4 * 10**6, 2)],
        4 * 10**6 + 11 * (n * 91 % 200), 0, cached_tokens=5, lost_shots=2 * (n < 3),
        cpu_joules=0.1 + n % 7 / 100, gpu_joules=1.0 + n % 5 / 10,
        watermark=(3, 5),
    )
    for n in range(400)
]  # fmt: skip
REASONS = ("no sandbox", "no sandbox", "no verdict")
SCORE = Score(
    {},
    {},
    [{"score": 1.0}] * 397 + [{"score": None, "unscored": one} for one in REASONS],
    unparsable=3,
)
CHOSEN = [
    Record(
        f"c{n}", "", "yes", 0, 20, "chosen", n * 10**9, n * 10**9, [], 10**6 + n, 0,
        choices=("yes", "no"), logprobs=(-0.1, -2.0), choice_tokens=(1, 1),
    )
    for n in range(400)
]  # fmt: skip
"""Choices by likelihood: faster than any of the texts, so that a mixture would show."""
ALL = Measured(MEASUREMENT, SPEC, RECORDS, score=SCORE, chosen=CHOSEN, sampled_from=9_000)
PASS = {
    "requests": 400,
    "tokens": 2000,
    "seconds": 0.5,
    "changed": 1,
    "cpu_joules": 40.0,
    "gpu_joules": 400.0,
}
AT_ONCE = Measured(
    a_measurement(
        **FACTS | {"sessions": [session(0, loaded={"warmup": WARM_UP, "passes": [PASS] * 3})]}
    ),
    SPEC,
    RECORDS,
    chosen=CHOSEN,
    sampled_from=9_000,
)
BOUND = {"value": 0.2, "low": 0.1, "high": 0.3, "method": "order statistics"}
QUANTILES = dict.fromkeys(("p50", "p90", "p99"), BOUND)
RATE = {
    "rate": 9.0, "share": 0.9, "requests": 800, "answered": 800, "within": 799, "seconds": 80.0,
    "holds": True, "stopped": False, "goodput": BOUND,
    "latency": QUANTILES, "ttft": QUANTILES, "tpot": QUANTILES,
}  # fmt: skip
LOADS = Loads.model_validate_json(json.dumps({
    "ttft_s": 2, "tpot_s": 0.1, "percentile": 99, "at_once_per_s": 10, "max_rate": 9.0,
    "fails_at": 9.5, "prompts": "may be cached", "rates": [RATE],
}))  # fmt: skip
UNDER_LOAD = Measured(MEASUREMENT, SPEC, RECORDS, loads=LOADS, chosen=CHOSEN, sampled_from=9_000)
EXPERTS = {"count": 8, "used": 2, "bytes": 800_000, "parameters": 400_000}
MIXTURE = replace(ALL, measurement=a_measurement(**FACTS | {"experts": EXPERTS}))
DRAFTED = replace(
    ALL,
    records=[
        replace(one, drafted_tokens=6 + n % 3, accepted_tokens=2 + n % 2)
        for n, one in enumerate(RECORDS)
    ],
)
NAMES = FIGURES.names()


def row(found: dict[str, Any]) -> dict[str, Any]:
    """A row of the study with these figures."""
    known = {name: one["value"] if isinstance(one, dict) else one for name, one in found.items()}
    return {"simulated": False} | known


def test_equal_answers_are_one_trace_of_a_watermark() -> None:
    """400 times the same answer says no more than once: three of five tokens are green."""
    found = figures.values(ALL, Needs.ANSWERS)
    assert found["green_share"]["value"] == 0.6
    # P(3) + P(4) + P(5) of five tokens, each green with probability 1/4
    assert found["watermark_p"] == pytest.approx((10 * 9 + 5 * 3 + 1) / 4**5)


@pytest.mark.parametrize("name", NAMES)
def test_contract(name: str) -> None:
    """A figure knows all of its columns of a whole measurement, one by one or all at once."""
    figure: Figure = FIGURES.load(name)()
    assert figure.COLUMNS
    assert all(column.description for column in figure.COLUMNS)
    every = (DRAFTED, ALL, AT_ONCE, UNDER_LOAD, MIXTURE)
    known = dict(one for measured in every for one in figure.values(measured).items())
    assert set(known) == set(figures.whole(figure.COLUMNS))
    assert None not in known.values()
    assert figure.__doc__
    shown = figures.values(DRAFTED, Needs.LATENCIES)
    of_all = figures.values(ALL, Needs.LATENCIES)
    shown |= {name: one for name, one in of_all.items() if one is not None}
    for written in figure.HEADINGS:
        assert any(letter.isdigit() for letter in written.text(row(shown)))
        assert written.text(row(figures.values(None))) == "–"


def energies(measured: Measured) -> dict[str, Any]:
    """The cell's figures of energy, as numbers."""
    found = figures.values(measured, Needs.LATENCIES)
    return {
        name: one["value"] if isinstance(one, dict) else one
        for name, one in found.items()
        if "joules" in name
    }


def test_energy_is_the_total_over_requests_and_over_tokens() -> None:
    """Ratios of totals, so that a long answer counts by its tokens."""
    found = energies(ALL)
    total = sum(one.gpu_joules or 0 for one in RECORDS)
    assert found["gpu_joules_per_request"] == pytest.approx(total / 400)
    assert found["gpu_joules_per_token"] == pytest.approx(total / 2000)
    passes = energies(AT_ONCE)
    assert passes["cpu_joules_per_request"] == pytest.approx(0.1)
    assert passes["cpu_joules_per_token"] == pytest.approx(0.02)


def test_energy_of_some_requests_is_none() -> None:
    """One request whose counter was lost: no mean of the others."""
    some = [replace(RECORDS[0], cpu_joules=None), *RECORDS[1:]]
    found = energies(replace(ALL, records=some))
    assert found["cpu_joules_per_request"] is None
    assert found["gpu_joules_per_request"] is not None


def test_no_counter_is_a_reason_and_never_zero() -> None:
    """The condition says why."""
    none = {"missing": {"cpu": "no RAPL counter", "gpu": "NVML: no driver"}}
    for metered, reason in ((none, "missing: no RAPL counter"), ({}, "an endpoint's hardware")):
        loaded = {"warmup": WARM_UP, "metered": metered}
        measurement = a_measurement(**FACTS | {"sessions": [session(0, loaded=loaded)]})
        bare = [replace(one, cpu_joules=None, gpu_joules=None) for one in RECORDS]
        measured = replace(ALL, measurement=measurement, records=bare)
        assert set(energies(measured).values()) == {None}
        found = figures.values(measured, Needs.LATENCIES)
        assert reason in found["cpu_energy_counter"]
        assert found["cpu_rest_watts"] is None
        assert found["gpu_busy"] is None


def test_the_cache_is_that_of_the_longest_request() -> None:
    """Its prompt and its answer, by the bytes of a token."""
    long = replace(RECORDS[0], prompt_tokens=100, tokens=7)
    found = figures.values(replace(ALL, records=[long, *RECORDS[1:]]), Needs.LATENCIES)
    assert found["kv_cache_bytes"] == 256 * 107


def test_drafts_are_ratios_of_totals() -> None:
    """Each with an interval over requests; no utilization of the bandwidth is known of steps."""
    found = figures.values(DRAFTED, Needs.LATENCIES)
    drafted, accepted = (
        sum(getattr(one, f"{name}_tokens") or 0 for one in DRAFTED.records)
        for name in ("drafted", "accepted")
    )
    assert found["drafted_tokens"] == drafted
    share, step = found["accepted_share"], found["tokens_per_step"]
    assert share["value"] == pytest.approx(accepted / drafted)
    assert 0 < share["low"] < share["value"] < share["high"] < 1
    assert (step["value"], step["low"]) == (pytest.approx(5 / 3), None), "all steps are alike"
    assert found["mbu"] is None
    (shown,) = FIGURES.load("speculation").HEADINGS
    assert shown.text(row(found)) == f"1.67 tokens/step; 36 % of {drafted} accepted"
    served = a_measurement(**FACTS | {"sessions": [session(0, loaded=SERVED)]})
    server = replace(DRAFTED, measurement=served)
    told = figures.values(server, Needs.ANSWERS)
    steps = sum(one.tokens for one in DRAFTED.records) - accepted
    tokens = sum(one.tokens for one in DRAFTED.records)
    assert told["tokens_per_step"]["value"] == pytest.approx(tokens / steps), "chunks are no steps"
    assert told["accepted_share"] == share
    alone = replace(DRAFTED, records=[replace(one, drafted_tokens=None) for one in DRAFTED.records])
    right = figures.values(alone, Needs.LATENCIES)
    assert right["tokens_per_step"] == step, "of an engine that reports accepted tokens alone"
    assert [right[name] for name in ("mbu", "accepted_share", "drafted_tokens")] == [None] * 3
    assert shown.text(row(right)) == "1.67 tokens/step"
    untold = replace(server, records=RECORDS)
    assert figures.values(untold, Needs.ANSWERS)["tokens_per_step"] is None


@pytest.mark.parametrize(
    ("tokens", "text"), [((0, 0), "none drafted"), ((4, 0), "0 % of 1600 accepted")]
)
def test_useless_drafts_are_shown(tokens: tuple[int, int], text: str) -> None:
    """Nothing was accepted, or even drafted: the cell says which."""
    drafted, accepted = tokens
    records = [replace(one, drafted_tokens=drafted, accepted_tokens=accepted) for one in RECORDS]
    found = figures.values(replace(DRAFTED, records=records), Needs.LATENCIES)
    (shown,) = FIGURES.load("speculation").HEADINGS
    assert shown.text(row(found)) == f"1.67 tokens/step; {text}"


def test_requests_that_lost_shots_are_counted() -> None:
    """The table shows them; a task without shots has none of these figures."""
    found = figures.values(ALL, Needs.ANSWERS)
    assert {name: found[name] for name in ("shots", "shots_as", "shortened_requests")} == {
        "shots": 3, "shots_as": "turns", "shortened_requests": 3,
    }  # fmt: skip
    (shown,) = FIGURES.load("shots").HEADINGS
    assert shown.text(row(found)) == "3 as turns; 3 requests without 6 in all"
    whole = Measured(MEASUREMENT, SPEC, RECORDS[3:])
    assert shown.text(row(figures.values(whole, Needs.ANSWERS))) == "3 as turns"
    none = figures.values(Measured(a_measurement(), SPEC, RECORDS), Needs.ANSWERS)
    assert {none[name] for name in FIGURES.load("shots")().values(ALL)} == {None}


def test_places_are_apart() -> None:
    """Another figure fits between any two, and no order is accidental."""
    places = [figure.ORDER for figure in figures.in_order()]
    assert places == sorted(set(places))
    assert min(later - sooner for sooner, later in pairwise(places)) > 1
    assert {type(figure) for figure in figures.in_order()} == set(FIGURES.all().values())


def test_choices_are_in_no_figure_of_texts() -> None:
    """Texts are not in theirs either; a cell of choices only has no figure of texts."""
    texts = figures.values(Measured(MEASUREMENT, SPEC, RECORDS), Needs.LATENCIES)
    both = figures.values(ALL, Needs.LATENCIES)
    assert texts["choice_p50_s"] is None
    assert both["requests"] == 800
    assert both["choice_p50_s"]["value"] == pytest.approx(0.0010001995)
    own = {name for name in both if name.startswith("choice_")}
    others = {"requests", "sampled_from", "unscored_answers", "unscored_reason"}
    others |= {"unparsable_answers"}
    assert all(both[name] == texts[name] for name in both if name not in own | others)
    only = figures.values(Measured(MEASUREMENT, SPEC, chosen=CHOSEN, score=SCORE), Needs.LATENCIES)
    of_texts = (
        "latency",
        "ttft",
        "tpot",
        "itl",
        "output_",
        "requests_per",
        "mbu",
        "cost",
        "tokens",
    )
    of_texts += ("empty", "cut_off", "requests_at_once", "cached_prompt")
    assert all(one is None for name, one in only.items() if name.startswith(of_texts))
    assert only["unparsable_answers"] == 3


def test_what_there_is_decides_what_is_known() -> None:
    """Nothing of a cell that was not tried; times only where they may be published."""
    known = [
        {name for name, one in figures.values(measured, given).items() if one is not None}
        for measured, given in (
            (None, Needs.LATENCIES), (ALL, Needs.MEASUREMENT), (ALL, Needs.ANSWERS),
            (ALL, Needs.TIMES), (ALL, Needs.LATENCIES), (AT_ONCE, Needs.TIMES),
            (UNDER_LOAD, Needs.TIMES), (DRAFTED, Needs.ANSWERS), (MIXTURE, Needs.ANSWERS),
        )
    ]  # fmt: skip
    assert known[0] == set()
    assert {"host_peak_bytes", "kernel", "sessions"} <= known[1] < known[2] < known[3] < known[4]
    assert known[2] - known[1] == {
        "weights_bytes", "zero_share", "read_share", "load_s", "kv_cache_bytes", "requests", "sampled_from",
        "requests_at_once",
        "failed_requests", "withheld_answers", "withheld_rate",
            "cached_prompt_share", "prefix_cache", "shots", "shots_as", "shortened_requests",
            "lost_shots",
        "retried_requests",
        "empty_answers", "cut_off_answers", "unparsable_answers",
        "unscored_answers", "unscored_reason", "cut_questions",
        "green_share", "green_expected", "watermark_p", "valid_answers",
    }  # fmt: skip
    assert known[4] - known[3] >= {"latency_p50_s", "ttft_mean_s", "tpot_p99_s", "itl_p50_s", "mbu"}
    assert known[5] - known[3] == {"passes", "passes_changed"}
    assert {"max_rate_per_s", "server_ttft_p99_s"} <= known[6] - known[4] - known[5]
    speculation = {"tokens_per_step", "accepted_share", "drafted_tokens"}
    assert known[7] - known[2] == speculation
    assert known[8] - known[2] == {"experts"}
    every = known[4] | known[5] | known[6] | known[8] | speculation
    assert every == set(figures.whole(figures.columns()))
    untimed = Measured(a_measurement(**FACTS, simulated=True), SPEC, RECORDS)
    assert figures.values(untimed, Needs.ANSWERS)["load_s"] is None
    unscored = Measured(a_measurement(**FACTS, random_weights=True), SPEC, RECORDS)
    assert figures.values(unscored, Needs.TIMES)["requests"] is None
    assert figures.values(unscored, Needs.TIMES)["unscored_answers"] is None
    found = figures.values(ALL, Needs.ANSWERS)
    assert (found["unscored_answers"], found["unscored_reason"]) == (3, "no sandbox")
    scored = Measured(MEASUREMENT, SPEC, RECORDS, score=Score({}, {}, []))
    found = figures.values(scored, Needs.ANSWERS)
    assert (found["unscored_answers"], found["unscored_reason"]) == (0, None)


def test_a_cell_holds_figures_as_json() -> None:
    """Estimates with their ends, plain values as they are."""
    found = figures.values(ALL, Needs.LATENCIES)
    assert json.loads(json.dumps(found)) == found
    assert found["latency_p50_s"].keys() == {"value", "low", "high", "method"}
    assert (found["weights_bytes"], found["kernel"]) == (1_000_000, "torch mm")
    assert found["tokens_per_arrival"] == pytest.approx(5 / 3)
    assert "between arrivals of 1.5 tokens" in found["itl_p50_s"]["method"]


@pytest.fixture
def added(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Adds a file to the figures, as long as a test runs."""
    folder = tmp_path / "figures"
    folder.mkdir()
    monkeypatch.setattr(figures, "__path__", [*figures.__path__, str(folder)])
    monkeypatch.setattr(FIGURES, "_loaded", dict(FIGURES.all()))

    def forget() -> None:
        figures.in_order.cache_clear()
        figures.columns.cache_clear()
        study._columns_of_figures.cache_clear()
        sys.modules.pop("frontier.figures.tokens_per_request", None)

    def add(source: str) -> None:
        (folder / "tokens_per_request.py").write_text(source, encoding="utf-8")
        forget()

    yield add
    forget()


def test_a_figure_is_one_file(added: Callable[[str], None], tmp_path: Path) -> None:
    """The example of the docstring reaches cell, study and report, and nothing else is edited."""
    old = write(tmp_path, Cell("old"))
    added(figure_files.example())
    found = figures.values(ALL, Needs.TIMES)["tokens_per_request"]
    assert found["value"] == 5
    new = summary(Cell("new"), None)
    new["figures"]["tokens_per_request"] = {"value": 5, "low": 4, "high": 6}
    path = tmp_path / "new.json"
    path.write_text(json.dumps(new), encoding="utf-8")
    found_in, _ = table([old, path])
    ends = ["tokens_per_request", "tokens_per_request_low", "tokens_per_request_high"]
    assert found_in.filter(pl.col("model") == "new").select(ends).row(0) == (5, 4, 6)
    assert found_in.filter(pl.col("model") == "old").select(ends).row(0) == (None, None, None)
    names = [column.name for column in columns()]
    assert names.index("requests") < names.index("tokens_per_request") < names.index("sessions")
    (shown,) = [one for one in cell_tables.headings() if one.title == "Tokens"]
    assert shown.text({"tokens_per_request": 5.04}) == "5.04"


EXAMPLE = figure_files.example()
FAULTS = {
    "another's column": (EXAMPLE.replace('"tokens_per_request"', '"mbu"'), "has the column 'mbu', which frontier/figures/mbu.py has"),
    "the end of another's": (EXAMPLE.replace('"tokens_per_request"', '"mbu_low"'), "has the column 'mbu_low', which"),
    "a column of every study": (EXAMPLE.replace('"tokens_per_request"', '"device"'), "'device' is a column of the study"),
    "a key that is no column": (EXAMPLE.replace('return {"tokens', 'return {"token'), "tokens_per_request.py: gives 'token_per_request'"),
    "no number": (EXAMPLE.replace("mean(tokens", "float('nan') if tokens else mean(tokens"), "tokens_per_request.py: tokens_per_request is nan"),
    "no place": (EXAMPLE.replace("    ORDER = 145\n", ""), "lacks ORDER, which Figure declares"),
    "no values": (EXAMPLE.replace("def values", "def value"), r"lacks values\(\)"),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_a_figure_that_does_not_fit_is_named(added: Callable[[str], None], fault: str) -> None:
    """The error names its file, before any cell is written with it."""
    source, words = FAULTS[fault]
    added(source)
    with pytest.raises(UserError, match=words):
        _ = columns(), figures.values(ALL, Needs.TIMES)


def test_no_figure_is_a_column_of_every_study() -> None:
    assert not {column.name for column in COLUMNS} & {column.name for column in figures.columns()}


def test_withheld_answers_are_no_failed_requests() -> None:
    """Whether a filter kept back a part or all: one count, its share of all requests, one mark."""
    part = replace(RECORDS[0], id="part", finish_reason="content_filter")
    whole = replace(part, id="whole", text="", tokens=0, arrivals=[], failure="HTTP 400: filter")
    lost = replace(whole, id="lost", finish_reason="failed", failure="HTTP 500")
    given = replace(ALL, records=[RECORDS[1], part], failed=[whole, lost])
    found = figures.values(given, Needs.ANSWERS)
    assert (found["failed_requests"], found["withheld_answers"]) == (1, 2)
    assert found["withheld_rate"]["value"] == 0.5
    assert found["withheld_rate"]["low"] < 0.5 < found["withheld_rate"]["high"]
    shown = next(one for one in figures.in_order() if type(one).__name__ == "Withheld").HEADINGS[0]
    assert shown.text({"withheld_answers": 2.0, "withheld_rate": 0.5}) == "2 (50.0%)"
    in_process = replace(given, measurement=a_measurement(**{**FACTS, "server": None}))
    assert figures.values(in_process, Needs.ANSWERS)["withheld_answers"] is None


def test_answers_that_say_nothing_are_counted_not_left_out() -> None:
    """Empty, cut off and unparsable: three counts, each shown; without a verdict is a fourth."""
    texts = ["", " \n", "7", "7 and", "7"]
    ends = ["stop", "stop", "stop", "length", "length"]
    records = [
        replace(RECORDS[0], id=str(place), text=text, finish_reason=end)
        for place, (text, end) in enumerate(zip(texts, ends, strict=True))
    ]
    rows: list[dict[str, Any]] = [{"score": one} for one in (0.0, 0.0, 1.0, 0.0, None)]
    given = Measured(MEASUREMENT, SPEC, records, score=Score({}, {}, rows, unparsable=1))
    found = figures.values(given, Needs.ANSWERS)
    assert [found[f"{name}_answers"] for name in ("empty", "cut_off", "unparsable", "unscored")] == [
        2, 2, 1, 1,
    ]  # fmt: skip
    shown = next(
        one for one in figures.in_order() if type(one).__name__ == "WithoutAnswer"
    ).HEADINGS[0]
    assert shown.text(row(found)) == "2 empty, 2 cut off, 1 unread"
    whole = Measured(MEASUREMENT, SPEC, records[2:3], score=Score({}, {}, rows[2:3]))
    found = figures.values(whole, Needs.ANSWERS)
    assert found["unparsable_answers"] is None
    assert shown.text(row(found)) == "none"
