"""The page of a study of several tasks, scenarios, devices and licences, in a browser."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from test_report import program, render, study_of
from test_report_load import served

import browser
import devtools
from cells import Cell
from conftest import ROOT
from frontier.report.deciding.candidates import LIMITABLE, limit_text
from frontier.report.deciding.limits import Limit
from frontier.report.naming import COLOURS

NODE = shutil.which("node")
in_a_browser = pytest.mark.skipif(browser.CHROMIUM is None, reason="no chromium found on the PATH")
SPEC = {
    "title": "Several tasks", "identity": "cafe",
    "models": [
        {"id": "falcon", "label": "Falcon", "licence": "apache-2.0"},
        {"id": "llama", "label": "Llama", "licence": "llama3"},
    ],
    "quantizations": [{"id": "native", "label": "native"}, {"id": "int8", "label": "INT8"}],
    "devices": [{"id": "cpu", "label": "CPU"}, {"id": "a6000", "label": "A6000"}],
    "tasks": [{"id": "demo-sentiment", "label": "Sentiment"}, {"id": "zh-en", "label": "Chinese"}],
}  # fmt: skip
PEAK = {"host_peak_bytes": 4_000_000_000}
NATIVE = Cell("falcon", quality=0.95, seconds=0.02, figures=PEAK)
INT8 = Cell("falcon", "int8", quality=0.9, seconds=0.01, figures={"host_peak_bytes": 2_000_000_000})
CHINESE = {"task": "zh-en", "metric": "chrf2"}
CELLS = [
    NATIVE, INT8,
    Cell("falcon", "int8", "a6000", quality=0.9, seconds=0.001),
    Cell("llama", quality=0.7, seconds=0.03),
    Cell("falcon", quality=0.6, seconds=0.06, figures=PEAK, **CHINESE),
    Cell("falcon", "int8", quality=0.5, seconds=0.03, figures=PEAK, **CHINESE),
    Cell("llama", quality=0.55, seconds=0.05, **CHINESE),
    served(NATIVE, 1.0), served(INT8, 2.0),
    Cell("falcon", scenario="offline", seconds=0.005),
    Cell("llama", "int8", outcome="invalid", reason="other load"),
]  # fmt: skip
QUESTIONS = (
    ("latency-at-most=0.025&score-at-least=80&device=cpu",
     "--latency-at-most 0.025 --score-at-least 80 --device cpu"),
    ("percentile=90&latency-at-most=0.09&score-at-least.zh-en=52",
     "--percentile 90 --latency-at-most 0.09 --score-at-least zh-en=52"),
    ("over-tasks=1&memory-at-most=5", "--over-tasks --memory-at-most 5"),
    ("surely=1&score-at-least=91", "--surely --score-at-least 91"),
    ("rate-at-least=50", "--rate-at-least 50"),
    ("score-at-least=99.9", "--score-at-least 99.9"),
)  # fmt: skip
PROBE = """<!DOCTYPE html><body style="margin:0"><script>
const frame = document.createElement("iframe");
frame.style.cssText = "width:1200px;height:900px;border:0";
const say = found => fetch("/found", {method: "POST", body: JSON.stringify(found)});
frame.onload = () => probe().then(say, error => say({error: String(error), at: error.stack}));
const probe = async () => {
  const inside = frame.contentDocument, within = frame.contentWindow;
  const all = (where, among = inside) => [...among.querySelectorAll(where)];
  const asked = fragment => new Promise(done => {
    within.addEventListener("hashchange", done, {once: true});
    within.location.hash = "#limits?" + fragment;
  });
  const found = {answers: [], data: JSON.parse(inside.querySelector("#data").textContent)};
  for (const fragment of QUESTIONS) {
    await asked(fragment);
    const said = inside.querySelector("#answered");
    found.answers.push({
      terms: said.querySelector("p").textContent,
      tasks: all("article", said).map(one => ({
        title: one.querySelector("h3").textContent,
        answer: one.querySelector("strong")?.textContent ?? null,
        remark: one.querySelector(".remark")?.textContent ?? "",
        kinds: Object.fromEntries(all("dt", one).map(
          kind => [kind.textContent, kind.nextSibling.textContent])),
      })),
      left: all(":scope > .remark", said).length,
    });
  }
  await asked("licence=llama3");
  const unmet = where => all(where + " tr.unmet th").map(one => one.textContent.trim());
  found.licensed = {
    cells: [...new Set(unmet(".cells"))],
    changes: unmet("[aria-label^='Changes by quantization of Sentiment · single-stream on CPU']"),
    balance: unmet("[aria-label^='Balanced score']").length,
    metrics: unmet("[aria-label^='Every metric of Sentiment · single-stream on CPU']"),
    chosen: all("td.chosen").map(one => one.closest("tr").querySelector("th").textContent.trim()),
    ring: all("figure[id^=frontier] tspan").map(one => one.textContent)
      .filter(one => one.startsWith("Ring"))[0],
    note: all("figcaption .limited").length,
  };
  await asked("surely=1");
  await asked("");
  found.cleared = {notes: all("figcaption .limited").length, unmet: all(".unmet").length,
    ring: all("figure[id^=frontier] tspan").map(one => one.textContent)
      .filter(one => one.startsWith("Ring"))[0]};
  const chart = inside.querySelector("figure[id^=frontier] .chart");
  chart.scrollIntoView();
  chart.focus();
  const key = name => chart.dispatchEvent(new KeyboardEvent("keydown", {key: name, bubbles: true,
    cancelable: true}));
  const step = name => {
    key(name);
    return [chart.getAttribute("aria-valuenow"), chart.getAttribute("aria-valuetext"),
      inside.querySelector("#story").hidden ? null : inside.querySelector("#story-title").textContent];
  };
  found.focused = inside.activeElement === chart;
  found.outline = within.getComputedStyle(chart).outlineStyle;
  found.steps = ["ArrowRight", "ArrowRight", "End", "ArrowRight", "Home", "Escape", "End"].map(step);
  key("Enter");
  found.opened = inside.activeElement.id;
  const mark = inside.querySelector("figure [data-variant=llama]");
  mark.dispatchEvent(new PointerEvent("pointerover", {bubbles: true}));
  found.tooltip = mark.querySelector("title").textContent;
  return found;
};
frame.src = "/report.html";
document.body.append(frame);
</script>"""
WORDS = """
const fs = require("fs"), vm = require("vm");
const read = name => fs.readFileSync(`${process.argv[1]}/${name}.js`, "utf8");
vm.runInThisContext(["deciding", "elements", "wording"].map(read).join(";") + ";globalThis.made = wording;");
const given = JSON.parse(fs.readFileSync(process.argv[2], "utf8"));
const {inWords} = made({variants: [], devices: {}, margin: 2, figures: given.figures});
console.log(JSON.stringify(given.limits.map(inWords)));
"""


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tasks")
    study_of(folder, CELLS)
    done = render(folder, spec=json.dumps(SPEC))
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def visited(results: Path) -> dict[str, Any]:
    asked = json.dumps([fragment for fragment, _ in QUESTIONS])
    found = browser.visit(results / "results/report.html", PROBE.replace("QUESTIONS", asked))
    assert (found.console, found.requested) == ([], [])
    assert "error" not in found.found, found.found
    return found.found


@in_a_browser
@pytest.mark.parametrize("place", range(len(QUESTIONS)))
def test_the_page_answers_as_the_terminal(
    results: Path, visited: dict[str, Any], place: int
) -> None:
    """The same figures, limits and names; answer.py prints ids and the page labels."""
    done = program(results, "answer", "--json", *QUESTIONS[place][1].split())
    assert done.returncode == 0, done.stderr
    labels = {one["id"]: one["label"] for one in visited["data"]["variants"]}
    devices = visited["data"]["devices"]

    def called(name: str | None) -> str | None:
        variant, _, device = (name or "").partition("/")
        return f"{labels[variant]} on {devices[device]}" if name else None

    expected, shown = json.loads(done.stdout), visited["answers"][place]
    assert len(shown["tasks"]) == len(expected)
    for one, said in zip(
        sorted(expected, key=lambda one: str(one["task"])),
        sorted(shown["tasks"], key=lambda said: _as_file(said["title"])),
        strict=True,
    ):
        assert said["answer"] == called(one["answer"]), (one, said)
        for kind in ("best", "fastest", "cheapest", "smallest") if one["answer"] else ():
            text = said["kinds"][kind.capitalize()]
            assert text == "not known" if one[kind] is None else text.startswith(called(one[kind]))
        assert all(limit in shown["terms"] for limit in one["limits"]), (one, shown)
        for limit in one["doubtful"]:
            assert f"Not certain, by its 95 % interval: {limit}." in said["remark"]
    assert shown["left"] == done.stderr.count("left out")


def _as_file(title: str) -> str:
    """The name of a task in answer.py, of its heading in the page."""
    name = title.replace("Sentiment", "demo-sentiment").replace("Chinese", "zh-en")
    return name.replace(" · single-stream", "").replace(" · ", ".").lower()


@in_a_browser
def test_every_table_follows_the_licences(visited: dict[str, Any]) -> None:
    found = visited["licensed"]
    assert found["cells"] == ["Falcon", "Falcon INT8"]
    assert found["changes"] == ["Falcon INT8"]
    assert found["metrics"] == ["Falcon", "Falcon INT8"]
    assert found["balance"] == 7
    assert set(found["chosen"]) == {"Llama"}
    assert found["ring"] == "Ring, by your limits: Llama"
    assert found["note"] > 0
    cleared = visited["cleared"]
    assert (cleared["notes"], cleared["unmet"]) == (0, 0)
    assert cleared["ring"].startswith("Ring, fastest within 2 points: Falcon")


@in_a_browser
def test_a_chart_is_read_with_the_keyboard(visited: dict[str, Any]) -> None:
    """One stop of the Tab key for a chart; arrow keys follow its variants, fastest first."""
    assert visited["focused"]
    assert visited["outline"] != "none"
    steps = visited["steps"]
    assert [now for now, _, _ in steps] == ["1", "2", "3", "3", "1", "0", "3"]
    assert [story for _, _, story in steps][:3] == ["Falcon INT8", "Falcon", "Llama"]
    assert re.match(r"Falcon INT8: [\d.]+ ms per request .*accuracy [\d.]+ %", steps[0][1])
    assert steps[5] == ["0", "No variant; arrow keys choose one", None]
    assert visited["opened"] == "story"
    assert visited["tooltip"].startswith("Llama: ")


@in_a_browser
def test_a_screen_reader_finds_names_and_roles(results: Path) -> None:
    """Far from the screen too, where charts and cells are not laid out."""
    fragment = "#limits?latency-at-most=0.025&follow=falcon-int8"
    with devtools.opened(results / "results/report.html", fragment) as pipe:
        found = devtools.nodes(pipe)
    for role in ("button", "checkbox", "combobox", "link", "region", "slider", "spinbutton"):
        of_role = [one for one in found if one["role"] == role]
        assert of_role, role
        assert all(one["name"].strip() for one in of_role), role
    [status] = [one for one in found if one["role"] == "status"]
    assert status["live"] == "polite"
    chart = next(one for one in found if one["role"] == "slider")
    assert chart["name"] == "frontier: Sentiment · single-stream · CPU"
    assert (chart["value"], chart["focusable"]) == ("1", True)
    pressed = [one for one in found if one["role"] == "button" and one.get("pressed") == "true"]
    assert {one["name"] for one in pressed} == {"Falcon INT8"}


@pytest.mark.skipif(NODE is None, reason="no node found on the PATH")
def test_limits_have_the_words_of_the_terminal(tmp_path: Path) -> None:
    assert NODE is not None
    limits = [
        Limit(name, bound, value, task)
        for name in LIMITABLE
        for value in (0, 0.00021, 0.02, 0.9999, 1.0, 1.456, 90.0, 512_000.0, 3e9)
        for bound, task in (("most", None), ("least", "zh-en"))
    ]
    given = tmp_path / "given.json"
    given.write_text(
        json.dumps({
            "figures": {name: [one.title, one.unit] for name, one in LIMITABLE.items()},
            "limits": [
                {"figure": one.figure, "bound": one.bound, "value": one.value, "task": one.task}
                for one in limits
            ],
        }),
        encoding="utf-8",
    )  # fmt: skip
    command = [NODE, "-e", WORDS, ROOT / "resources" / "report", given]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == [limit_text(one) for one in limits]


def _luminance(colour: str) -> float:
    """The relative luminance of a colour by WCAG 2.2."""
    digits = colour.removeprefix("#")
    digits = digits if len(digits) == 6 else "".join(2 * digit for digit in digits)
    parts = [int(digits[place : place + 2], 16) / 255 for place in (0, 2, 4)]
    red, green, blue = (
        one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """The contrast of two colours by WCAG 2.2, from 1 to 21."""
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_the_contrast_of_wcag(scheme: str) -> None:
    """At least 4.5 for all text; in the dark also 3 for the colours of charts' marks."""
    css = (ROOT / "resources/report/report.css").read_text(encoding="utf-8")
    light, dark = re.findall(r":root \{(.*?)\}", css, re.DOTALL)
    found = dict(re.findall(r"--([a-z]+): (#[0-9a-f]+)", light))
    own = re.search(r"prefers-color-scheme: dark\) \{(.*?)\n\}", css, re.DOTALL)
    assert own
    verdict = r"\.(?:right|wrong) \{ color: (#\w+)"
    texts = set(re.findall(verdict, css.replace(own[0], "")))
    if scheme == "dark":
        found |= dict(re.findall(r"--([a-z]+): (#[0-9a-f]+)", dark))
        texts = set(re.findall(verdict, own[1]))
        changed = dict(re.findall(r'\[fill="(#\w+)"\] \{ fill: (#\w+)', own[1]))
        for colour in COLOURS:
            shown = changed.get(colour, colour)
            assert contrast(shown, found["page"]) >= 3, (colour, shown)
    assert len(texts) >= 2
    for text in (found["ink"], found["quiet"], found["accent"], *texts):
        for ground in (found["page"], found["faint"]):
            assert contrast(text, ground) >= 4.5, (text, ground)
