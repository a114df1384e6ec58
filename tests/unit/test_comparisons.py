"""Cells into comparisons.parquet: every figure against one computed another way."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Literal

import numpy as np
import polars as pl
import pytest
from sacrebleu import corpus_chrf
from sacrebleu.metrics import CHRF
from scipy import stats

from cells import ROOT, Cell, frame, translated, write
from frontier.errors import UserError
from frontier.results.cell import Metric
from frontier.results.columns import BETTER, COMPARISONS, FASTER, NO_DIFFERENCE, SLOWER, WORSE
from frontier.results.key import Key
from frontier.results.outputs import schema
from frontier.scorers import POINTS, PROPORTION
from frontier.scorers.loglikelihood import MASS, Loglikelihood
from frontier.scorers.rouge import Rouge
from frontier.stats.intervals import quantile_interval, wilson
from frontier.tables.comparisons import table
from frontier.tables.sides import ComparedCell, join_requests, latency_ratio, scores, verdict

ENGLISH = ("the cat sat on the mat", "we went home", "it rained all day", "who is there")


def reference(row: int) -> str:
    return f"{ENGLISH[row % 4]} {row}"


NATIVE = Cell("llama", quality=0.9, seconds=0.02)
WORSE_ONE = Cell("llama", "int4", quality=0.75, seconds=0.03, weights_bytes=700_000)
SAME_ONE = Cell("llama", "int8", quality=0.9, seconds=0.01, weights_bytes=1_200_000)
FAKE = Cell("llama", "fake", quality=0.7, simulated=True, weights_bytes=600_000)
TRANSLATED = Cell(
    "llama",
    task="zh-en",
    metric="chrf2",
    reference=reference,
    text=lambda row, right: reference(row),
)
SPOILT = Cell(
    "llama", "int4", task="zh-en", metric="chrf2", reference=reference,
    text=lambda row, right: reference(row) if row % 3 else "we ran home",
)  # fmt: skip
CELLS = [
    NATIVE, WORSE_ONE, SAME_ONE, FAKE, TRANSLATED, SPOILT,
    Cell("llama", "gone", outcome="unsupported", reason="needs a GPU"),
    Cell("alone", "int8"),
    Cell("noisy", outcome="invalid", reason="contention"),
    Cell("noisy", "int8", quality=0.5),
    Cell("random", random_weights=True),
    Cell("random", "int8", random_weights=True, seconds=0.04),
]  # fmt: skip


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return [write(tmp_path_factory.mktemp("results"), cell) for cell in CELLS]


@pytest.fixture(scope="module")
def compared(paths: list[Path]) -> pl.DataFrame:
    return table(paths)


def row_of(compared: pl.DataFrame, variant: str, task: str = "demo-sentiment") -> dict[str, Any]:
    return compared.row(
        by_predicate=(pl.col("variant") == variant) & (pl.col("task") == task), named=True
    )


def test_the_schema_is_the_registry_and_the_rows_are_pairs(compared: pl.DataFrame) -> None:
    assert compared.schema == schema(COMPARISONS)
    assert all(column.description for column in COMPARISONS)
    assert list(zip(compared["task"], compared["variant"], strict=True)) == [
        ("demo-sentiment", "llama-fake"),
        ("demo-sentiment", "llama-int4"),
        ("demo-sentiment", "llama-int8"),
        ("demo-sentiment", "noisy-int8"),
        ("demo-sentiment", "random-int8"),
        ("zh-en", "llama-int4"),
    ]


def test_a_model_is_compared_with_its_base(tmp_path: Path) -> None:
    """Published quantized, with its base in the same place; its own variants with itself."""
    published = Cell("llama-gptq", quality=0.75, seconds=0.03, weights_bytes=700_000)
    cells = [NATIVE, WORSE_ONE, published, Cell("llama-gptq", "int8", quality=0.7)]
    paths = [write(tmp_path, cell) for cell in cells]
    rows = {row["variant"]: row for row in table(paths, (), {"llama-gptq": "llama"}).to_dicts()}
    natives = {name: row["parent_variant"] for name, row in rows.items()}
    assert natives == {"llama-int4": "llama", "llama-gptq": "llama", "llama-gptq-int8": "llama-gptq"}  # fmt: skip
    before, after = frame(NATIVE)["score"].to_numpy(), frame(published)["score"].to_numpy()
    assert rows["llama-gptq"]["difference"] == pytest.approx(100 * (after.mean() - before.mean()))
    assert {row["variant"] for row in table(paths).to_dicts()} == {"llama-int4", "llama-gptq-int8"}


def test_a_proportion_is_compared_by_its_flips(compared: pl.DataFrame) -> None:
    row = row_of(compared, "llama-int4")
    before, after = frame(NATIVE)["score"].to_numpy(), frame(WORSE_ONE)["score"].to_numpy()
    lost, gained = (
        int(((before == 1) & (after == 0)).sum()),
        int(((before == 0) & (after == 1)).sum()),
    )
    assert (row["lost"], row["gained"], row["requests"]) == (lost, gained, 200)
    assert row["difference"] == pytest.approx(100 * (after.mean() - before.mean()))
    assert row["difference"] == pytest.approx(100 * (row["score"] - row["native_score"]))
    exact = stats.binomtest(lost, lost + gained)
    assert row["p"] == pytest.approx(exact.pvalue - stats.binom(lost + gained, 0.5).pmf(lost))
    # The interval is that of scipy's paired bootstrap, except for the draws and the added flips.
    theirs = stats.bootstrap((100 * (after - before),), np.mean, method="percentile", rng=1)
    assert row["difference_low"] == pytest.approx(theirs.confidence_interval.low, abs=1.0)
    assert row["difference_high"] == pytest.approx(theirs.confidence_interval.high, abs=1.0)
    assert row["p_method"] == "mid-p McNemar"
    flips = wilson(lost + gained, 200)
    assert (row["flips"], row["flips_low"], row["flips_high"]) == (
        flips.value,
        flips.low,
        flips.high,
    )
    assert row["changed"] == lost + gained  # a fixture's answer distinguishes right from wrong
    assert row["verdict"] == WORSE


def test_a_corpus_metric_is_compared_as_a_corpus(compared: pl.DataFrame) -> None:
    row = row_of(compared, "llama-int4", "zh-en")
    requests = frame(SPOILT)
    spoilt = corpus_chrf(requests["prediction"].to_list(), [requests["reference"].to_list()])
    assert row["difference"] == pytest.approx(spoilt.score - 100)
    assert row["difference_low"] < row["difference"] < row["difference_high"] < 0
    assert row["changed"] == 67
    assert (row["lost"], row["gained"]) == (None, None)
    assert row["p_method"] == "paired jackknife t"
    assert row["verdict"] == WORSE


def test_means_of_scores_are_compared_request_by_request() -> None:
    """ROUGE in points: the difference of the means, whose interval and test are paired."""
    rng = np.random.default_rng(2)
    before = rng.beta(3, 5, 80)
    after = np.clip(before - 0.02 + rng.normal(0, 0.03, 80), 0, 1)
    scorer = Rouge()
    sides_ = [
        ComparedCell(
            Path(), Key.model_construct(), True, None, False, None, scorer.PRIMARY,
            Metric(value=100 * values.mean(), unit=POINTS, method=""), scorer,
        )
        for values in (before, after)
    ]  # fmt: skip
    pairs = pl.DataFrame({"id": range(80), "score": before, "score_right": after})
    row = scores(*sides_, pairs.with_columns(score=pl.when(pl.col("id") > 0).then("score")))
    assert row["requests"] == 79
    row = scores(*sides_, pairs)
    assert row["difference"] == pytest.approx(100 * (after - before).mean())
    theirs = stats.ttest_rel(100 * after, 100 * before)
    low, high = theirs.confidence_interval()
    assert row["difference_low"] == pytest.approx(low, abs=0.1)
    assert row["difference_high"] == pytest.approx(high, abs=0.1)
    assert row["p"] == pytest.approx(theirs.pvalue, rel=0.5)
    assert row["p_method"] == "paired jackknife t"
    assert not {"lost", "flips"} & row.keys()


@pytest.mark.parametrize(("metric", "tied"), [("accuracy", 0), ("accuracy", 3), (MASS, 0)])
def test_choices_flip_with_shared_credit_too(metric: Literal["accuracy"], tied: int) -> None:
    """Flips cancel each other out in an accuracy; shares of probability have none."""
    before, after = np.repeat([1.0, 0.0], [60, 40]), np.repeat([0.0, 1.0, 0.0, 1.0], [9, 51, 31, 9])
    before[:tied] = 0.5
    scorer = Loglikelihood(metric=metric)
    side = ComparedCell(
        Path(), Key.model_construct(), False, None, False, None, metric,
        Metric(value=before.mean(), unit=PROPORTION, method=""), scorer,
    )  # fmt: skip
    pairs = pl.DataFrame({"id": range(100), "score": before, "score_right": after})
    row = scores(side, side, pairs)
    if metric == MASS:
        assert "flips" not in row
        return
    assert (row["lost"], row["gained"], row["flips"]) == (9, 9, 0.18)
    assert row["difference"] == pytest.approx(100 * (after - before).mean())
    assert row["p_method"] == ("paired jackknife t" if tied else "mid-p McNemar")
    assert row["p"] > 0.5


def scored(folder: Path, cell: Cell) -> Path:
    """A cell whose requests have the scorer's own scores and counts."""
    return translated(write(folder, cell))


@pytest.mark.parametrize("earlier", [(), ("llama",), ("llama-int4",)])
def test_stored_counts_stand_for_the_texts(
    earlier: tuple[str, ...], compared: pl.DataFrame, tmp_path: Path
) -> None:
    """One of the two cells may be an earlier release's, which stored none."""
    paths = [
        (write if cell.variant in earlier else scored)(tmp_path, cell)
        for cell in (TRANSLATED, SPOILT)
    ]
    (row,) = table(paths).rows(named=True)
    counted_here = row_of(compared, "llama-int4", "zh-en")
    for name in ("difference", "difference_low", "difference_high", "p", "changed", "requests"):
        assert row[name] == counted_here[name]
    assert row["difference_method"] == counted_here["difference_method"]


def test_stored_counts_are_read_and_not_counted_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = [scored(tmp_path, cell) for cell in (TRANSLATED, SPOILT)]
    monkeypatch.setattr(CHRF, "_extract_corpus_statistics", None)
    assert table(paths)["difference"][0] < 0


HARMED: dict[str, tuple[pl.Expr, str]] = {
    "another number": (pl.col("counts").list.eval(pl.element() + 1), "does not match the scores"),
    "another answer's": (
        pl.col("counts").shift(1, fill_value=[9] * 18),
        "does not match the scores",
    ),
    "too few": (pl.col("counts").list.head(17), "does not have 18 counts for each request"),
    "none of one": (
        pl.when(pl.col("tokens") > 3).then("counts"),
        "does not have 18 counts for each",
    ),
    "an unknown one": (
        pl.col("counts").list.eval(pl.when(pl.element() > 3).then(pl.element())),
        "does not have 18 counts for each request",
    ),
    "of another type": (pl.col("counts").cast(pl.List(pl.Float64)), "counts is List.Float64"),
    "no list": (pl.lit(4), "counts is Int32"),
}


@pytest.mark.parametrize("case", HARMED)
def test_counts_that_are_not_the_requests_own_are_refused(case: str, tmp_path: Path) -> None:
    paths = [scored(tmp_path, cell) for cell in (TRANSLATED, SPOILT)]
    change, words = HARMED[case]
    at = paths[1].with_suffix(".parquet")
    pl.read_parquet(at).with_columns(change.alias("counts")).write_parquet(at)
    with pytest.raises(UserError, match=f"zh-en.parquet: .*{words}.*; score it again"):
        table(paths)


def test_every_test_of_the_study_counts_for_holm(compared: pl.DataFrame) -> None:
    known = compared.filter(pl.col("p").is_not_null()).sort("p")
    assert known.height == 5
    smallest = known.row(0, named=True)
    assert smallest["p_holm"] == pytest.approx(min(1, 5 * smallest["p"]))
    assert known["p_holm"].to_list() == sorted(known["p_holm"])
    assert (known["p_holm"] >= known["p"]).all()


def test_latency_ratios_are_a_family_of_their_own(compared: pl.DataFrame) -> None:
    """Whether quality is lost and whether time is gained are two questions, each with its 5 %."""
    times = compared.filter(pl.col("latency_p").is_not_null()).sort("latency_p")
    assert times.height == 4
    assert times["latency_p_holm"][0] == pytest.approx(min(1, 4 * times["latency_p"][0]))


def test_a_ratio_that_only_chance_makes_is_no_finding(tmp_path: Path) -> None:
    """Twenty variants as fast as native: uncorrected, one of them would be found most times."""
    rng = np.random.default_rng(17)
    native = write(tmp_path, Cell("llama", requests=60))
    paths = [native]
    for number in range(20):
        path = write(tmp_path, Cell("llama", f"same{number}", requests=60))
        requests = pl.read_parquet(native.with_suffix(".parquet"))
        noisy = requests["latency_s"] * rng.lognormal(0, 0.02, requests.height)
        requests.with_columns(latency_s=noisy).write_parquet(path.with_suffix(".parquet"))
        paths.append(path)
    found = table(paths)
    assert found["latency_p"].min() < 0.05
    assert found["latency_verdict"].unique().to_list() == [NO_DIFFERENCE]


def test_two_per_cent_are_found_through_two_per_cent_of_noise(tmp_path: Path) -> None:
    """Requests differ fivefold from one another; their own ratios do not."""
    rng = np.random.default_rng(18)
    paths = [write(tmp_path, Cell("llama", name, requests=100)) for name in ("native", "int8")]
    requests = pl.read_parquet(paths[0].with_suffix(".parquet"))
    content = rng.lognormal(0, 0.8, requests.height)
    for path, speed in zip(paths, (1.0, 0.98), strict=True):
        seconds = pl.Series(content * speed * rng.lognormal(0, 0.02, requests.height))
        requests.with_columns(latency_s=seconds).write_parquet(path.with_suffix(".parquet"))
    (row,) = table(paths).rows(named=True)
    assert row["latency_verdict"] == FASTER
    assert row["latency_ratio_low"] < 0.98 < row["latency_ratio_high"] < 1


def test_a_machine_that_drifts_does_not_pass_for_a_difference(tmp_path: Path) -> None:
    """Requests are in the order of time: sorted by id, they would hide that each is like the last."""
    rng = np.random.default_rng(19)
    drift = np.zeros(200)
    for place in range(1, 200):
        drift[place] = 0.95 * drift[place - 1] + rng.normal(0, 0.02)
    ids = [f"{number:04d}" for number in rng.permutation(200)]
    frames = [
        frame(NATIVE).with_columns(id=pl.Series(ids), latency_s=pl.Series(np.exp(each)))
        for each in (rng.normal(0, 0.001, 200), drift)
    ]
    found, p = latency_ratio(join_requests(*frames))
    independent = quantile_interval(np.exp(drift), 0.5)
    assert independent is not None
    assert independent.high - independent.low < (found.high - found.low) / 2
    assert "worth" in found.method
    assert p is not None


def test_latency_and_bytes_are_ratios_to_native(compared: pl.DataFrame) -> None:
    row = row_of(compared, "llama-int4")
    before, after = frame(NATIVE)["latency_s"].to_numpy(), frame(WORSE_ONE)["latency_s"].to_numpy()
    ratios = after / before
    assert row["latency_ratio"] == pytest.approx(np.median(ratios))
    # Interval and test are scipy's for the median, except that the order of time widens them.
    theirs = stats.quantile_test(ratios, q=1, p=0.5)
    ends = theirs.confidence_interval(confidence_level=0.95)
    assert row["latency_ratio_low"] == pytest.approx(ends.low, rel=0.03)
    assert row["latency_ratio_high"] == pytest.approx(ends.high, rel=0.03)
    assert row["latency_p"] < 1e-6
    assert "order statistics" in row["latency_method"]
    assert "lag-1 autocorrelation" in row["latency_method"]
    assert row["bytes_ratio"] == pytest.approx(700 / 4000)
    assert (row["parent_bytes"], row["bytes"]) == (4_000_000, 700_000)
    assert row["latency_verdict"] == SLOWER
    assert row_of(compared, "llama-int8")["latency_verdict"] == FASTER
    assert row_of(compared, "llama-int8")["verdict"] == NO_DIFFERENCE


def test_what_cannot_be_said_is_null(compared: pl.DataFrame) -> None:
    times = ("latency_ratio", "latency_ratio_low", "latency_verdict")
    fake = row_of(compared, "llama-fake")
    assert fake["simulated"] is True
    assert [fake[name] for name in times] == [None] * 3
    assert fake["verdict"] == WORSE
    assert fake["bytes_ratio"] == pytest.approx(0.15)
    noisy = row_of(compared, "noisy-int8")  # the native timing is invalid, its answers are valid
    assert [noisy[name] for name in times] == [None] * 3
    assert noisy["lost"] > 0
    untrained = row_of(compared, "random-int8")
    scores = ("score_metric", "difference", "p", "p_holm", "verdict", "lost")
    assert [untrained[name] for name in scores] == [None] * 6
    assert untrained["requests"] == 200
    assert untrained["latency_verdict"] == SLOWER


def test_only_requests_that_both_have_are_paired() -> None:
    native = frame(NATIVE).with_columns(latency_s=pl.int_range(1, 201).cast(pl.Float64))
    other = native.with_columns(latency_s=pl.col("latency_s") * 2)
    some = other.sample(fraction=1, shuffle=True, seed=1).head(150)
    pairs = join_requests(native, some)
    assert pairs.height == 150
    # Paired, every resample has the ratio 2; in a mixed order, none would.
    found, p = latency_ratio(pairs)
    assert (found.value, found.low, found.high) == (2, 2, 2)
    assert p == pytest.approx(2 * 0.5**150)
    some_unknown = pairs.with_columns(
        latency_s=pl.when(pl.int_range(pl.len()) < 9).then(None).otherwise("latency_s")
    )
    assert latency_ratio(some_unknown).estimate.value == 2
    assert latency_ratio(pairs.with_columns(latency_s=0.0)).estimate.value is None
    assert latency_ratio(pairs.head(5)).estimate.value is None
    assert latency_ratio(pairs.clear()).p is None


def test_unscored_requests_take_no_part(tmp_path: Path) -> None:
    """A mathematical answer that no verdict was reached on is neither right nor wrong."""
    paths = [write(tmp_path, cell) for cell in (NATIVE, WORSE_ONE)]
    requests = pl.read_parquet(paths[1].with_suffix(".parquet"))
    wrong = requests["score"] == 0
    requests.with_columns(score=pl.when(wrong).then(None).otherwise("score")).write_parquet(
        paths[1].with_suffix(".parquet")
    )
    (row,) = table(paths).rows(named=True)
    assert row["requests"] == 200 - int(wrong.sum())
    assert row["lost"] == 0


def test_the_order_of_the_cells_does_not_matter(paths: list[Path], compared: pl.DataFrame) -> None:
    assert table(paths[::-1]).equals(compared)


@pytest.mark.parametrize(
    ("difference", "p_holm", "words"),
    [
        (-3.0, 0.049, WORSE),
        (3.0, 0.001, BETTER),
        (-3.0, 0.05, NO_DIFFERENCE),
        (0.0, 1.0, NO_DIFFERENCE),
        (-3.0, None, None),
        (None, None, None),
    ],
)
def test_verdicts(difference: float | None, p_holm: float | None, words: str | None) -> None:
    assert verdict(difference, p_holm) == words


def test_latency_verdicts() -> None:
    assert verdict(0.1, 0.01, FASTER, SLOWER) == SLOWER
    assert verdict(-0.1, 0.01, FASTER, SLOWER) == FASTER
    assert verdict(0.1, 0.05, FASTER, SLOWER) == NO_DIFFERENCE
    assert verdict(0.1, None, FASTER, SLOWER) is None


def test_no_cells_to_compare_is_an_empty_table(tmp_path: Path) -> None:
    empty = table([write(tmp_path, NATIVE)])
    assert empty.height == 0
    assert empty.schema == schema(COMPARISONS)


def test_a_cell_scored_by_a_former_version_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, NATIVE)
    cell = json.loads(path.read_text(encoding="utf-8"))
    del cell["score"]["scorer"]
    path.write_text(json.dumps(cell), encoding="utf-8")
    with pytest.raises(UserError, match="score it again"):
        table([path])


def compare(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    program = ROOT / "workflow" / "scripts" / "compare.py"
    outputs = ["--parquet", "c.parquet", "--csv", "c.csv", "--lock", "c.lock.json"]
    return subprocess.run(
        [sys.executable, str(program), *arguments, *outputs],
        cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_the_program_writes_the_same_table_twice_over(tmp_path: Path) -> None:
    for cell in (NATIVE, WORSE_ONE):
        write(tmp_path / "results", cell)
    axes = {"variants": {"cpu": ["llama", "llama-int4"]}, "tasks": ["demo-sentiment"]}
    given = ("--spec", json.dumps({"study": axes, "identity": "ab12"}))
    done = compare(tmp_path, *given)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "c.parquet: 1 comparisons (1 worse)\n"
    found = pl.read_parquet(tmp_path / "c.parquet")
    assert pl.read_csv(tmp_path / "c.csv", schema=found.schema).equals(found)
    lock = (tmp_path / "c.lock.json").read_text(encoding="utf-8")
    assert json.loads(lock)["identity"] == "ab12"
    assert set(json.loads(lock)["files"]) == {"c.parquet", "c.csv"}
    assert set(json.loads(lock)["cells"]) == {
        "llama/cpu/demo-sentiment", "llama-int4/cpu/demo-sentiment",
    }  # fmt: skip
    compare(tmp_path, *given)
    assert (tmp_path / "c.lock.json").read_text(encoding="utf-8") == lock


def test_the_program_tells_a_fault_of_the_input_in_one_line(tmp_path: Path) -> None:
    path = write(tmp_path / "results", NATIVE)
    write(tmp_path / "results", WORSE_ONE)
    path.with_suffix(".parquet").unlink()
    axes = {"variants": {"cpu": ["llama", "llama-int4"]}, "tasks": ["demo-sentiment"]}
    done = compare(tmp_path, "--spec", json.dumps({"study": axes}))
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert "no such file (it belongs next to the cell's JSON)" in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "c.parquet").exists()
