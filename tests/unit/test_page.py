"""The page's script: the rules of a decision, a reader's limits, and variants followed."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from test_report import OWNED, render, study_of

import browser
from cells import Cell, write
from conftest import ROOT
from frontier.report.reading.flips import LONGEST, flips
from frontier.report.reading.lengths import by_length
from frontier.report.writing.policy import with_policy

NODE = shutil.which("node")
CELLS = [
    Cell("falcon", quality=0.95, seconds=0.02, text=lambda row, right: OWNED),
    Cell("falcon", "int8", quality=0.945, seconds=0.01),
    Cell("falcon", "int4", quality=0.7, seconds=0.005),
    Cell("falcon", device="a6000", quality=0.95, seconds=0.002),
]
RUN = """
const fs = require("fs"), vm = require("vm");
vm.runInThisContext(fs.readFileSync(process.argv[1], "utf8") + ";globalThis.rules = deciding;");
const found = JSON.parse(fs.readFileSync(process.argv[2], "utf8")).map(one => {
  const among = one.over ? rules.overTasks(one.candidates, one.over) : one.candidates;
  const made = rules.decide(among, one.limits, one.margin, one.surely);
  const name = each => each && rules.name(each);
  return {
    meeting: made.meeting.map(name), answer: name(made.answer), best: name(made.best),
    fastest: name(made.fastest), cheapest: name(made.cheapest), smallest: name(made.smallest),
    frontier: made.frontier.map(name),
    doubtful: made.answer
      ? rules.doubtful(made.answer, one.limits).map(each => one.limits.indexOf(each)) : [],
  };
});
console.log(JSON.stringify(found));
"""
PROBE = """<!DOCTYPE html><body style="margin:0"><script>
const pause = () => new Promise(done => setTimeout(done, 400));
const frame = document.createElement("iframe");
frame.style.cssText = "width:WIDTHpx;height:900px;border:0";
const say = found => fetch("/found", {method: "POST", body: JSON.stringify(found)});
frame.onload = () => probe().then(say, error => say({error: String(error), at: error.stack}));
const probe = async () => {
  const inside = frame.contentDocument, all = where => [...inside.querySelectorAll(where)];
  const state = () => ({
    answer: inside.querySelector("#answered").textContent,
    story: inside.querySelector("#story").hidden ? null
      : inside.querySelector("#story").textContent,
    unmet: all("tr.unmet").map(row => row.querySelector("th").textContent),
    marks: all("figure .unmet").length,
    followed: all("figure .followed").length,
    line: all("[data-drawn=front]").map(line => line.getAttribute("d")),
    link: frame.contentWindow.location.hash,
    wide: inside.documentElement.scrollWidth - inside.documentElement.clientWidth,
  });
  const found = {opened: state(), shown: inside.querySelector("#decide").checkVisibility(),
    images: inside.images.length, title: inside.title};
  inside.querySelector("#limits-clear").click();
  inside.querySelector("#story-close").click();
  await pause();
  found.cleared = state();
  const limit = inside.querySelector("[data-key=score-at-least]");
  limit.value = "99.9";
  limit.dispatchEvent(new Event("input", {bubbles: true}));
  await pause();
  found.none = state();
  const mark = inside.querySelector("figure [data-kind=symbol][data-variant=falcon-int4]");
  mark.dispatchEvent(new MouseEvent("click", {bubbles: true}));
  found.clicked = state();
  found.focus = inside.activeElement.id;
  return found;
};
frame.src = "/report.html#limits?latency-at-most=0.015&score-at-least=90&device=cpu&follow=falcon-int8";
document.body.append(frame);
</script>"""


@pytest.mark.skipif(NODE is None, reason="no node found on the PATH")
def test_the_script_decides_the_shared_cases_as_they_say() -> None:
    assert NODE is not None
    cases = ROOT / "tests" / "decisions.json"
    rules = ROOT / "resources" / "report" / "deciding.js"
    done = subprocess.run(
        [NODE, "-e", RUN, rules, cases], capture_output=True, text=True, check=True
    )
    given = json.loads(cases.read_text(encoding="utf-8"))
    for case, found in zip(given, json.loads(done.stdout), strict=True):
        assert found == case["expected"], case["case"]


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("page")
    study_of(folder, CELLS)
    done = render(folder)
    assert done.returncode == 0, done.stderr
    return folder / "results" / "report.html"


@pytest.mark.skipif(browser.CHROMIUM is None, reason="no chromium found on the PATH")
@pytest.mark.parametrize("width", [400, 1200])
def test_limits_are_answered_and_a_variant_is_followed(report: Path, width: int) -> None:
    visited = browser.visit(report, PROBE.replace("WIDTH", str(width)))
    assert (visited.console, visited.requested) == ([], [])
    found: dict[str, Any] = visited.found
    assert "error" not in found, found
    assert found["shown"]
    assert (found["images"], found["title"] == "owned") == (0, False)
    opened = found["opened"]
    assert "1 of 3 meet the limits." in opened["answer"]
    assert "of the best of them is Falcon INT8 (quanto) on CPU" in opened["answer"]
    assert any(name.startswith("Falcon int4") for name in opened["unmet"])
    assert opened["marks"] > 0
    assert opened["followed"] > 0
    assert "Flips" in opened["story"]
    assert "TTFT, prompts of" in opened["story"]
    assert OWNED[:50] in opened["story"]  # the native variant's text, as text
    cleared = found["cleared"]
    assert (cleared["unmet"], cleared["marks"], cleared["followed"]) == ([], 0, 0)
    assert cleared["story"] is None
    assert cleared["line"] != opened["line"]
    assert cleared["link"] in ("", "#decide")
    none = found["none"]
    assert "None of 4 candidates meets the limits" in none["answer"]
    assert "score-at-least=99.9" in none["link"]
    clicked = found["clicked"]
    assert "Falcon int4" in clicked["story"]
    assert "Outside your limits: score at least 99.9 points" in clicked["story"]
    assert "follow=falcon-int4" in clicked["link"]
    assert found["focus"] == "story"
    assert {one["wide"] for one in (opened, cleared, none, clicked)} == {0}


def test_flipped_requests_are_the_first_of_either_direction(tmp_path: Path) -> None:
    native, worse = (
        write(tmp_path, Cell("a", quantization, quality=quality)).with_suffix(".parquet")
        for quantization, quality in (("native", 0.9), ("int4", 0.5))
    )
    found = flips(native, worse)
    assert [one.kind for one in found][:3] == ["lost"] * 3
    assert all((one.before, one.now) == ("positive", "negative") for one in found[:3])
    assert flips(native, native) == []
    long = write(tmp_path, Cell("a", "int2", quality=0.5, text=lambda row, right: "x" * 5000))
    assert all(len(one.now) < LONGEST + 50 for one in flips(native, long.with_suffix(".parquet")))


def test_times_by_length_cover_the_requests_in_parts(tmp_path: Path) -> None:
    found = by_length(write(tmp_path, Cell("a")).with_suffix(".parquet"))
    assert sum(name.startswith("TTFT, prompts of") for name, _ in found) == 3
    few = by_length(write(tmp_path, Cell("b", requests=5)).with_suffix(".parquet"))
    assert few == []


def test_a_policy_allows_what_is_embedded() -> None:
    html = with_policy('<meta content="POLICY"><style>a{}</style><script>1</script>')
    assert "script-src 'sha256-a4ayc/80/OGda4BO/1o/V0etpOqiLx1JwB5S3beHW0s=';" in html
    assert "unsafe" not in html
