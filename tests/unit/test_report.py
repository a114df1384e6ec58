"""The report: right in its words, safe with foreign text, and whole without a network."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from dataclasses import asdict, dataclass, field
from html.parser import HTMLParser
from pathlib import Path

import hypothesis.strategies as st
import polars as pl
import pytest
from hypothesis import given

from cells import ROOT, Cell, write
from frontier import words
from frontier.report.deciding.findings import recommend
from frontier.report.deciding.verdicts import reason
from frontier.report.naming import Naming, RenderSpec
from frontier.results.columns import COMPARISONS, OUTCOMES
from frontier.scorers import ScoredItem
from frontier.scorers.mathematics import Mathematics
from frontier.tables.study import columns, table
from frontier.text import BIDI, ZERO_WIDTH, visible

OWNED = (
    "<script>document.title='owned'</script>"
    "<img src=x onerror=\"document.title='owned'\">"
    "</td></table></div>\"'`{{ 7 * 7 }}{% raw %}"
    "\u202egnp.exe\u2066 \x00\x1b[31m\u2028end"
)
CHINESE = "我昨天在市场买了两本书。"
SPEC = {
    "title": f"Fast & good {OWNED}",
    "note": OWNED,
    "identity": "cafe",
    "models": [
        {"id": "llama", "label": f"Llama {OWNED}"[:70], "note": OWNED},
        {"id": "falcon", "label": "Falcon"},
    ],
    "quantizations": [
        {"id": "native", "label": "native"},
        {"id": "int8", "label": "INT8 (quanto)"},
    ],
    "devices": [{"id": "cpu", "label": "CPU"}, {"id": "a6000", "label": "A6000"}],
    "tasks": [{"id": "zh-en", "label": "中文 to English"}, {"id": "demo-sentiment"}],
}
CELLS = [
    Cell("falcon", quality=0.95, seconds=0.02, text=lambda row, right: OWNED),
    Cell("falcon", "int8", quality=0.945, seconds=0.01, provenance={"hardware": {"cpu": OWNED}}),
    Cell("falcon", "int4", quality=0.7, seconds=0.005),
    Cell(
        "falcon", "int2", quality=0.93, seconds=0.05, weights_bytes=500_000, mbu=0.02,
        figures={"kernel": f"unpack {OWNED}", "engine": "transformers"},
    ),
    Cell("falcon", "fake", quality=0.6, simulated=True),
    Cell("random", random_weights=True),
    Cell("falcon", device="a6000", quality=0.95, seconds=0.002),
    Cell("llama", task="zh-en", metric="chrf2", quality=0.7, text=lambda row, right: CHINESE),
    Cell("llama", "int8", task="zh-en", metric="chrf2", quality=0.5, reference=lambda row: OWNED),
    *(
        Cell(f"x-{outcome}", outcome=outcome, reason=f"{outcome} because {OWNED}")
        for outcome in OUTCOMES
        if outcome != "measured"
    ),
]  # fmt: skip


@dataclass
class Page(HTMLParser):
    """The page as a browser sees it: its tags, text, ids and links."""

    tags: list[tuple[str, dict[str, str | None]]] = field(default_factory=list)
    text: str = ""
    tables: list[list[list[str]]] = field(default_factory=list)
    _open: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._open.append(tag)
        if tag == "table":
            self.tables.append([])
        if tag == "tr":
            self.tables[-1].append([])
        if tag in ("td", "th"):
            self.tables[-1][-1].append("")

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if {"style", "script"} & set(self._open):
            return
        self.text += data
        if {"td", "th"} & set(self._open):
            self.tables[-1][-1][-1] += data

    def words(self) -> str:
        """All text, with runs of white space as one space and without word joiners."""
        return " ".join(self.text.replace("\u2060", "").split())


def program(folder: Path, name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    path = ROOT / "workflow" / "scripts" / f"{name}.py"
    return subprocess.run(
        [sys.executable, str(path), *arguments],
        cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip


def render(folder: Path, *more: str, spec: str | None = None) -> subprocess.CompletedProcess[str]:
    outputs = "--output results/report.html --charts results/charts --lock results/report.lock.json"
    return program(
        folder, "render", "--spec", spec or json.dumps(SPEC), "--study", "results/study.parquet",
        "--comparisons", "results/comparisons.parquet", "--cells-from", "cells.txt", *outputs.split(), *more,
    )  # fmt: skip


def study_of(folder: Path, cells: list[Cell]) -> None:
    """Writes cells, the list of them, the aggregated study and its comparisons."""
    paths = [write(folder / "results", cell) for cell in cells]
    (folder / "cells.txt").write_text("\n".join(map(str, paths)), encoding="utf-8")
    for step, name in (("aggregate", "study"), ("compare", "comparisons")):
        built = f"--parquet results/{name}.parquet --csv results/{name}.csv"
        lock = f"--lock results/{name}.lock.json"
        done = program(folder, step, "--cells-from", "cells.txt", *built.split(), *lock.split())
        assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study with every outcome and hostile text everywhere, aggregated and rendered."""
    built = tmp_path_factory.mktemp("study")
    study_of(built, CELLS)
    done = render(built)
    assert done.returncode == 0, done.stderr
    return built


@pytest.fixture(scope="module")
def html(folder: Path) -> str:
    return (folder / "results" / "report.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(html: str) -> Page:
    parsed = Page()
    parsed.feed(html)
    parsed.close()
    return parsed


def test_it_opens_with_the_answer_in_words(page: Page, folder: Path) -> None:
    study = pl.read_parquet(folder / "results" / "study.parquet")
    (row,) = study.filter(variant="falcon-int8", device="cpu").rows(named=True)
    low, high = (words.significant(row[f"latency_p50_{end}_s"] * 1000) for end in ("low", "high"))
    expected_text = (
        "On CPU, the fastest within 2 points of the best is Falcon INT8 (quanto): "
        f"{words.seconds(row['latency_p50_s'])} per request (95 % interval {low}–{high}), "
        f"accuracy {100 * row['score']:.1f} % "
        f"({100 * row['score_low']:.1f}–{100 * row['score_high']:.1f})."
    )
    assert expected_text in page.words()
    assert "Over all devices, the fastest within 2 points of the best is Falcon on A6000" in (
        page.words()
    )
    assert page.words().index(expected_text) < page.words().index("The latency-accuracy frontier")


def test_every_cell_is_shown_with_its_outcome_and_reason(page: Page) -> None:
    rows = [row for rows in page.tables for row in rows]
    for outcome in OUTCOMES:
        shown = outcome.replace("-", " ")
        if outcome != "measured":
            assert any(
                row[:2] == [f"x-{outcome}", shown] and row[2].startswith(f"{outcome} because")
                for row in rows
            ), outcome
    assert sum(row[1:2] == ["measured"] for row in rows) == 9


def test_the_two_tables_hold_the_study(page: Page, folder: Path) -> None:
    study = pl.read_parquet(folder / "results" / "study.parquet")
    grids = page.tables[:2]
    for grid, column, factor in zip(grids, ("latency_p50_s", "score"), (1, 100), strict=True):
        assert grid[0][1:] == ["中文 to English", "demo-sentiment"]
        assert grid[1] == ["CPU", "CPU", "A6000"]
        (shown,) = [row for row in grid if row[0] == "Falcon INT8 (quanto)"]
        value = study.filter(variant="falcon-int8")[column].item() * factor
        assert shown[1].strip() == words.MISSING
        text = words.significant(value) if factor == 1 else f"{value:.1f} %"
        assert shown[2].startswith(text)
        (left_out,) = [row for row in grid if row[0] == "x-does-not-fit"]
        assert left_out[2] == "does not fit"


def test_every_metric_of_a_scorer_is_shown_with_what_the_gap_is(tmp_path: Path) -> None:
    """The real scorer is used: half of the right answers are right only in another notation."""
    texts = ["7", "The answer is $7$.", "7 or 8", "8"] * 25
    given = [ScoredItem(str(place), text, "7", {}) for place, text in enumerate(texts)]
    found = Mathematics().score(given)
    metrics = {name: asdict(metric) for name, metric in found.metrics.items()}
    study_of(tmp_path, [Cell("falcon", metric="equivalent", metrics=metrics)])
    done = render(tmp_path)
    assert done.returncode == 0, done.stderr
    parsed = Page()
    parsed.feed((tmp_path / "results" / "report.html").read_text(encoding="utf-8"))
    (shown,) = [rows for rows in parsed.tables if "strict" in rows[0]]
    figures = dict(zip(shown[0], shown[1], strict=True))
    values = {"equivalent": "50.0 %", "strict": "25.0 %", "exact match": "25.0 %",
              "format gap": "25.0 %", "ambiguous rate": "25.0 %"}  # fmt: skip
    assert {name: figures[name][: len(value)] for name, value in values.items()} == values
    assert figures["Variant"] == "Falcon"
    assert "Format gap: equivalent minus strict" in parsed.words()


def test_foreign_text_stays_text(page: Page, html: str) -> None:
    tags = [tag for tag, _ in page.tags]
    assert tags.count("script") == 2  # the data, and what reads it
    assert "img" not in tags
    for _, attributes in page.tags:
        assert not any(name.startswith("on") for name in attributes)
    for text in ("<script>document.title='owned'</script>", "{{ 7 * 7 }}{% raw %}", CHINESE):
        assert text in page.text
    for letter in "\u202e\u2066\x00\x1b\u2028":
        assert letter not in html
        assert f"⟨U+{ord(letter):04X}⟩" in page.text


def test_it_loads_nothing_and_every_link_inside_leads_somewhere(page: Page, html: str) -> None:
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    for tag, attributes in page.tags:
        assert tag not in ("link", "iframe", "object", "embed", "base", "form")
        assert "src" not in attributes
        for name in ("href", "xlink:href"):
            target = attributes.get(name)
            assert target is None or target.removeprefix("#") in ids
    styles = re.findall(r"<style>(.*?)</style>", html, re.DOTALL)
    assert not any(re.search(r"url\(|@import|expression", style) for style in styles)
    policy = next(a["content"] for t, a in page.tags if a.get("http-equiv"))
    assert (policy or "").startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe" not in (policy or "")


def test_every_chart_is_there_described_with_a_line_and_as_files(page: Page, folder: Path) -> None:
    lock = json.loads((folder / "results" / "report.lock.json").read_text(encoding="utf-8"))
    assert lock["identity"] == "cafe"
    files = {path.name for path in (folder / "results" / "charts").iterdir()}
    assert set(lock["files"]) == files | {"report.html"}
    figures = [attributes["id"] for tag, attributes in page.tags if tag == "figure"]
    assert {f"{name}.{ending}" for name in figures for ending in ("svg", "png")} == files
    kinds = {"frontier": 3, "distributions": 3, "quantization": 2}
    for kind, count in kinds.items():
        assert sum(name is not None and name.startswith(kind) for name in figures) == count
    assert sum(tag == "figcaption" for tag, _ in page.tags) == len(figures)
    assert page.text.count("Does not show:") == len(figures)
    assert sum(tag == "desc" for tag, _ in page.tags) == len(figures)


def test_the_glossary_comes_from_the_registry(page: Page) -> None:
    rows = {row[0]: row[1:] for row in page.tables[-1]}
    for column in COMPARISONS:
        if column.interval_of is None:
            assert rows[column.name] == [column.unit, column.description]
    rows = {row[0]: row[1:] for row in page.tables[-2]}
    for column in columns():
        if column.interval_of is None:
            assert rows[column.name] == [column.unit, column.description]
        else:
            assert column.interval_of in rows
    assert rows["chrf2"][0] == "chrF2 points"


def test_it_says_how_it_was_measured(page: Page) -> None:
    for expected_text in (
        "Example CPU",
        "torch",
        "2.13.0",
        "Load average (1 minute) before",
        "float32",
    ):
        assert expected_text in page.text
    assert "2 different values of hardware" in page.text


def test_it_says_what_is_significant_and_what_is_not(page: Page, folder: Path) -> None:
    compared = pl.read_parquet(folder / "results" / "comparisons.parquet")
    (row,) = compared.filter(variant="falcon-int4").rows(named=True)
    ends = " to ".join(words.signed(row[f"difference_{end}"]) for end in ("low", "high"))
    tests = compared["p"].drop_nulls().len()
    expected_text = (
        f"Falcon int4 loses {-row['difference']:.1f} points ({ends}; {row['lost']} answers lost, "
        f"{row['gained']} gained; {words.p_value(row['p_holm'])} after Holm over {tests} comparisons)."
    )
    assert expected_text in page.words()
    (same,) = re.findall(r"No significant difference: ([^.]*)\. That is not equality", page.words())
    expected = compared.filter(verdict="no significant difference")["quantization"].to_list()
    assert [name.split()[1].lower() for name in re.split(", | and ", same)] == sorted(expected)
    lowest = compared.filter(verdict="no significant difference")["difference_low"].min()
    assert f"losses of up to {-lowest:.1f} points are not ruled out" in page.words()  # type: ignore[operator]
    (shown,) = [
        row
        for rows in page.tables
        for row in rows
        if row[:1] == ["Falcon int4"] and "of 200" in str(row)
    ]
    assert shown[2:4] == [str(row["lost"]), str(row["gained"])]
    assert shown[4].startswith(f"{100 * row['flips']:.1f} %")


def test_it_says_why_a_slower_one_is_slower(page: Page, folder: Path) -> None:
    study = pl.read_parquet(folder / "results" / "study.parquet").filter(device="cpu")
    (native,), (slow,) = (
        study.filter(variant=name, task="demo-sentiment").rows(named=True)
        for name in ("falcon", "falcon-int2")
    )
    longer = words.significant(slow["tpot_p50_s"] / native["tpot_p50_s"])
    assert f"A further token takes {longer} times as long" in page.words()
    assert "though it reads 8.00 times fewer bytes of weights" in page.words()
    assert "(memory bandwidth used: 2 % against 31 %)" in page.words()
    assert "(kernel: unpack <script>" in page.words()
    assert "Falcon INT8 (quanto) takes" not in page.words()  # it is faster


def test_what_was_simulated_or_never_trained_is_named_so(page: Page) -> None:
    latency, score = page.tables[:2]
    (fake,) = [row for row in latency if row[0] == "Falcon fake"]
    assert "n/a (simulated)" in fake
    (fake,) = [row for row in score if row[0] == "Falcon fake"]
    assert any("%" in cell for cell in fake)
    (untrained,) = [row for row in score if row[0] == "random"]
    assert "n/a (random weights)" in untrained


def test_cells_of_several_machines(tmp_path: Path) -> None:
    """Added cells are counted, conflicts show both figures, foreign text stays text."""
    foreign = {"hardware": {"cpu": OWNED, "cores": 2, "memory_bytes": 8_000_000_000}}
    elsewhere = Cell("falcon", device="cpu@server", quality=0.8, seconds=0.01, provenance=foreign)
    study_of(tmp_path, [
        Cell("falcon"), Cell("llama"), elsewhere, Cell("llama", device="cpu@server"),
        Cell("llama", device="cpu@mac", outcome="out-of-memory", reason=OWNED),
    ])  # fmt: skip
    assert render(tmp_path).returncode == 0
    html = (tmp_path / "results/report.html").read_text(encoding="utf-8")
    assert html.count("<script") == 2
    assert "<img" not in html
    page = Page()
    page.feed(html)
    assert "under separate devices: 1 from mac, 2 from server. How it was measured" in page.words()
    (table,) = [table for table in page.tables if table[0][-1] == "Differences"]
    assert [row[0] for row in table[1:]] == ["Falcondemo-sentiment", "cpu@server"]
    (_, here, ours, differing), (there, theirs) = table[1:]
    assert (here, there) == ("CPU", "cpu@server")
    for device, expected_text in (("cpu", ours), ("cpu@server", theirs)):
        path = tmp_path / f"results/falcon/{device}/demo-sentiment.json"
        score = json.loads(path.read_text())["score"]["metrics"]["accuracy"]["value"]
        assert expected_text.startswith(f"accuracy {100 * score:.1f}\N{NO-BREAK SPACE}% (")
        assert "per request" in expected_text
    assert differing.startswith("other CPU: Example CPU here, <script>document.title='owned'")


def test_no_machines_no_section(page: Page) -> None:
    """The table of conflicts is left out too where there are none."""
    assert "Other machines" not in page.text


def test_comparisons_of_another_study_are_refused(folder: Path, tmp_path: Path) -> None:
    study_of(tmp_path, [Cell("other"), Cell("other", "int8")])
    done = render(folder, "--comparisons", str(tmp_path / "results" / "comparisons.parquet"))
    assert done.returncode == 1
    assert "the comparisons are of another study: other-int8 on cpu" in done.stderr


def test_the_same_cells_give_the_same_bytes_and_old_charts_go(folder: Path) -> None:
    results = folder / "results"
    before = (results / "report.lock.json").read_bytes()
    stale = results / "charts" / "frontier--gone--cpu.svg"
    others = results / "charts" / "mine.svg"
    for path in (stale, others):
        path.write_text("<svg/>", encoding="utf-8")
    assert render(folder).returncode == 0
    assert (results / "report.lock.json").read_bytes() == before
    assert not stale.exists()
    assert others.exists()
    others.unlink()


def test_a_study_in_which_nothing_was_measured_still_has_a_report(tmp_path: Path) -> None:
    study_of(tmp_path, [Cell("big", outcome="does-not-fit", reason="needs 80 GB, has 16 GB")])
    done = render(tmp_path, spec="{}")
    assert done.returncode == 0, done.stderr
    parsed = Page()
    parsed.feed((tmp_path / "results" / "report.html").read_text(encoding="utf-8"))
    assert "On cpu: No variant was measured here (1 does-not-fit)." in parsed.words()
    assert "needs 80 GB, has 16 GB" in parsed.text


def test_faults_of_the_input_take_one_line_and_leave_the_report(folder: Path) -> None:
    report = folder / "results" / "report.html"
    before = report.read_bytes()
    cases = {
        "--spec: modles: ": ("--spec", '{"modles": []}'),
        "no report.html.j2 in it": ("--template", str(folder)),
        "not a study": ("--study", "cells.txt"),
        "not a study's comparisons": ("--comparisons", "results/study.parquet"),
        "missing.txt: no such file": ("--cells-from", "missing.txt"),
    }
    for expected_text, arguments in cases.items():
        done = render(folder, *arguments)
        assert done.returncode == 1
        assert done.stderr.startswith("error: ")
        assert expected_text in done.stderr
        assert done.stderr.count("\n") == 1
    one = (folder / "cells.txt").read_text(encoding="utf-8").splitlines()[0]
    (folder / "one.txt").write_text(one, encoding="utf-8")
    done = render(folder, "--cells-from", "one.txt")
    assert "cells of the study were not given" in done.stderr
    assert report.read_bytes() == before


def test_the_remarks_name_the_best_and_those_that_may_be_as_fast(tmp_path: Path) -> None:
    cells = [
        Cell("best", quality=0.96, seconds=0.04, requests=1000),
        Cell("fast", quality=0.947, seconds=0.02, requests=1000),
        Cell("near", quality=0.947, seconds=0.0201, requests=1000),
        Cell("poor", quality=0.5, seconds=0.001, requests=1000),
    ]
    rows = table(write(tmp_path, cell) for cell in cells)[0].rows(named=True)
    found = recommend(rows, Naming(RenderSpec(), rows), 2, "CPU")
    assert found.variant in ("fast", "near")
    expected_text = " ".join(found.remarks)
    assert "times as fast as best, which scores best: accuracy" in expected_text
    assert f"Not clearly faster than {({'fast', 'near'} - {found.variant}).pop()}" in expected_text
    alone = recommend(rows[:1], Naming(RenderSpec(), rows), 2, "CPU")
    assert alone.remarks == ["The only variant that was measured here."]


def verdict_on(**change: object) -> str:
    """The explanation of why one variant is slower, for figures that differ from these."""
    figures = {
        "tpot_p50_s": 0.01, "tpot_p50_low_s": 0.0099, "tpot_p50_high_s": 0.0101,
        "ttft_p50_s": 0.02, "ttft_p50_low_s": 0.0199, "ttft_p50_high_s": 0.0201,
        "output_tokens_per_s": 80.0, "requests_per_s": 10.0, "mbu": None, "kernel": None,
    }  # fmt: skip
    compared = {
        "variant": "v", "parent_variant": "n", "techniques": None, "bytes_ratio": 0.5,
        "latency_ratio": 2.0, "latency_ratio_low": 1.9, "latency_ratio_high": 2.1,
    }  # fmt: skip
    compared |= {name: value for name, value in change.items() if name in compared}
    return reason(compared, {"n": figures, "v": figures | change})


def test_a_reason_goes_as_far_as_the_figures_carry_it() -> None:
    slow = {"tpot_p50_s": 0.02, "tpot_p50_low_s": 0.019, "tpot_p50_high_s": 0.021}
    expected_text = verdict_on(**slow)
    assert "2.00 times fewer bytes" in expected_text
    assert "reading them is not the bottleneck. What remains is" in expected_text
    assert "bandwidth used" not in expected_text
    assert "which is enough to explain it" in verdict_on(**slow, bytes_ratio=2.0)
    assert "explain" not in verdict_on(**slow, bytes_ratio=1.5)
    assert "as many bytes" in verdict_on(**slow, bytes_ratio=1.0)
    assert "bytes" not in verdict_on(**slow, bytes_ratio=None)
    # Intervals that overlap, or are not known, carry nothing.
    assert verdict_on(tpot_p50_s=0.0101, tpot_p50_low_s=0.01).endswith(
        "The figures do not show why."
    )
    assert verdict_on(tpot_p50_low_s=None).endswith("The figures do not show why.")
    assert "It writes more: 16.0 tokens a request on average, native 8.0." in verdict_on(
        output_tokens_per_s=160.0
    )
    first = verdict_on(ttft_p50_s=0.06, ttft_p50_low_s=0.05)
    assert first.endswith("Its first token takes 3.00 times as long.")


def test_changes_have_their_sign_but_for_none() -> None:
    assert [words.signed(points) for points in (0.5, -12, 0, 0.04, -0.04)] == [
        "+0.5", "−12.0", "0.0", "0.0", "0.0",
    ]  # fmt: skip


def test_the_same_answers_are_more_than_no_significant_difference(tmp_path: Path) -> None:
    study_of(
        tmp_path,
        [Cell("m", text=lambda row, right: "x"), Cell("m", "int8", text=lambda row, right: "x")],
    )
    done = render(tmp_path, spec="{}")
    assert done.returncode == 0, done.stderr
    html = (tmp_path / "results" / "report.html").read_text(encoding="utf-8")
    assert "The same answer to every request as native: m int8." in html
    assert "No significant difference:" not in html


@pytest.mark.parametrize(
    ("p", "text"),
    [
        (0.00004, "p < .0001"), (0.00034, "p = .0003"), (0.0123, "p = .012"), (0.25, "p = .25"),
        (0.9, "p = .90"), (1.0, "p = 1"),
    ],
)  # fmt: skip
def test_p_values_are_short(p: float, text: str) -> None:
    assert words.p_value(p) == text


@given(st.text() | st.text(st.sampled_from("a<&\u202e\ud800\x00\n\u200d中")))
def test_visible_text_hides_nothing(text: str) -> None:
    shown = visible(text, limit=10**9)
    if "⟨" not in text:  # then every mark stands for one character
        again = re.sub(r"⟨U\+([0-9A-F]+)⟩", lambda found: chr(int(found[1], 16)), shown)
        assert again == text
    assert not set(shown) & (BIDI | ZERO_WIDTH | set(map(chr, range(9))) | {"\x7f", "\u2028"})
    shown.encode("utf-8")  # no half of a surrogate pair
    if text.isascii() and text.isprintable():
        assert shown == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0142, "14.2 ms"),
        (1.4249, "1.42 s"),
        (123.4, "123 s"),
        (0.00005, "0.0500 ms"),
        (None, "–"),
    ],
)
def test_times_carry_their_unit(value: float | None, text: str) -> None:
    assert words.seconds(value) == text


CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--hide-scrollbars", "--window-size=1300,900", "--virtual-time-budget=10000",
)  # fmt: skip
PROBE = """<!DOCTYPE html><body style="margin:0"><pre id="out">waiting</pre><script>
const frame = document.createElement("iframe");
frame.style.cssText = "width:WIDTHpx;height:800px;border:0";
frame.onload = () => setTimeout(() => {
  const inside = frame.contentDocument, root = inside.documentElement;
  out.textContent = "FOUND" + JSON.stringify({
    title: inside.title, client: root.clientWidth, scroll: root.scrollWidth,
    scripts: inside.scripts.length, images: inside.images.length,
    figures: [...inside.querySelectorAll("figure svg")].map(
      image => image.getBoundingClientRect().width),
    boxes: [...inside.querySelectorAll(".scroll")].filter(
      box => box.scrollWidth > box.clientWidth).length,
  }) + "END";
}, 100);
frame.srcdoc = HTML;
document.body.append(frame);
</script>"""


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium found on the PATH")
@pytest.mark.parametrize("width", [390, 1200])
def test_a_browser_shows_it_on_a_phone_and_runs_nothing(
    html: str, tmp_path: Path, width: int
) -> None:
    assert CHROMIUM is not None
    quoted = json.dumps(html).replace("</", "<\\/").replace("<!--", "<\\u0021--")
    probe = tmp_path / "probe.html"
    probe.write_text(
        PROBE.replace("WIDTH", str(width)).replace("HTML", quoted, 1), encoding="utf-8"
    )
    done = subprocess.run(
        [CHROMIUM, *FLAGS, f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom", probe.as_uri()],
        capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip
    answered = re.search(r"FOUND(\{.*?\})END</pre>", done.stdout)
    assert answered, done.stdout[:500]
    found = json.loads(answered[1].replace("&amp;", "&").replace("&lt;", "<").replace("&gt;", ">"))
    assert (found["scripts"], found["images"]) == (2, 0)
    assert found["title"].startswith("Fast & good <script>")
    assert found["scroll"] <= found["client"] == width  # nothing wider than the page
    assert len(found["figures"]) == 8
    assert all(0.5 * min(width, 700) < figure <= width for figure in found["figures"])
    if width == 390:
        assert found["boxes"] > 0  # wide tables scroll within their own box
