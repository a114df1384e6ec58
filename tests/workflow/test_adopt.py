"""Earlier measurements taken as current: what may be, what is refused, how it shows, how it ends."""

from __future__ import annotations

import polars as pl
import pytest

from frontier.results import checksums
from workspace import Workspace, refused

TABLES = {"aggregate", "compare", "render"}
MEASURED = {
    f"{variant} {task}"
    for variant in ("tiny-llama", "tiny-llama-int8", "tiny-gpt2")
    for task in ("reviews", "sums")
}
BECAUSE = "only <b>checks</b> were added"


def update_engine(place: Workspace) -> None:
    """A change of code that measuring runs."""
    path = place.path("workflow/scripts/frontier/engines/transformers.py")
    path.write_text(path.read_text("utf-8") + '\nprint(end="")\n', "utf-8")


def test_a_study_after_an_update(place: Workspace) -> None:
    """Listed, adopted, scored and shown as adopted; undone, it would be measured again."""
    update_engine(place)
    everything = {f"{rule} {cell}" for rule in ("measure", "score") for cell in MEASURED} | TABLES
    assert place.jobs() == everything
    listed = place.program("adopt", "--all", "--list")
    assert listed.returncode == 0, listed.stderr
    assert listed.stdout.count("results/") == len(MEASURED)
    assert "frontier.engines.transformers" in listed.stdout
    assert place.jobs() == everything
    done = place.program("adopt", "--all", "--because", BECAUSE)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(listed.stdout)
    assert place.jobs() == {f"score {cell}" for cell in MEASURED} | TABLES
    place.build()
    assert place.jobs() == set()

    cell = checksums.read(place.path("results/tiny-llama/cpu/sums.json").read_bytes())
    assert cell
    (note,) = cell["provenance"]["adopted"]
    assert note["because"] == BECAUSE
    assert any("frontier.engines.transformers" in line for line in note["differs"])
    study = pl.read_parquet(place.path("results/study.parquet"))
    assert set(study.filter(outcome="measured")["adopted"]) == {BECAUSE}
    assert study.filter(outcome="unsupported")["adopted"].to_list() == [None, None]
    report = place.path("results/report.html").read_text("utf-8")
    assert 'id="adopted"' in report
    assert "only &lt;b&gt;checks&lt;/b&gt; were added" in report
    assert BECAUSE not in report
    assert place.program("plan", "--verify").returncode == 0

    again = place.program("adopt", "--all", "--because", BECAUSE)
    refused(again, "there is nothing to adopt")
    undone = place.program("adopt", "--undo", "--all")
    assert undone.returncode == 0, undone.stderr
    assert undone.stdout.count("deleted: ") == len(MEASURED)
    assert place.jobs() == everything


def test_one_cell_and_an_altered_one(place: Workspace) -> None:
    """Only what is named; what is not as it was measured cannot be."""
    update_engine(place)
    name = "results/tiny-llama/cpu/sums.json"
    requests = next(place.root.glob("results/tiny-gpt2/cpu/sums/*/requests.jsonl"))
    requests.write_bytes(requests.read_bytes().replace(b'"text": "', b'"text": "1', 1))
    refused(
        place.program("adopt", "results/tiny-gpt2/cpu/sums.json", name, "--because", BECAUSE),
        "tiny-gpt2/cpu/sums.json", "no earlier measurement",
    )  # fmt: skip
    assert place.program("adopt", name, "--because", BECAUSE).returncode == 0
    assert f"measure {'tiny-llama sums'}" not in place.jobs()
    assert "measure tiny-llama reviews" in place.jobs()


@pytest.mark.parametrize(
    ("name", "keys", "value", "word"),
    [
        ("devices", "devices/cpu/threads", 2, "devices.cpu.threads: 1 → 2"),
        ("tasks", "tasks/sums/max_new_tokens", 5, "tasks.sums.max_new_tokens: 4 → 5"),
        ("tasks", "tasks/sums/sample/size", 4, "sample"),
        ("models", "models/tiny-llama/grow/seed", 7, "weights"),
    ],
)
def test_more_than_code_differs(
    place: Workspace, name: str, keys: str, value: object, word: str
) -> None:
    """A key or an input that changed as well is named, and nothing is written."""
    update_engine(place)
    place.set(name, keys, value)
    cell = "results/tiny-llama/cpu/sums.json"
    before = sorted(place.path("results").rglob("*"))
    refused(
        place.program("adopt", cell, "--because", BECAUSE),
        cell,
        "more than code and versions",
        word,
    )
    assert sorted(place.path("results").rglob("*")) == before


def test_code_below_differs(place: Workspace) -> None:
    """A change of code that draws samples or trains models is adopted if the rows are the same."""
    for name in ("sampling/drawing", "growing/train"):
        path = place.path(f"workflow/scripts/frontier/{name}.py")
        path.write_text(path.read_text("utf-8") + '\nprint(end="")\n', "utf-8")
    cell = "results/tiny-llama/cpu/sums.json"
    refused(place.program("adopt", cell, "--because", BECAUSE), "draw it first: snakemake")
    sample = place.program("adopt", cell, "--because", BECAUSE).stderr.split()[-1]
    place.build(sample)
    assert place.program("adopt", cell, "--because", BECAUSE).returncode == 0
    assert place.jobs(cell) == {"score tiny-llama sums"}


@pytest.mark.parametrize("because", [None, " ", "two\u202elines", "x" * 301])
def test_a_reason_is_asked_for(place: Workspace, because: str | None) -> None:
    """The reason must be one line that can be shown."""
    given = [] if because is None else ["--because", because]
    refused(place.program("adopt", "--all", *given), "--because: ")
    refused(place.program("adopt", "--because", "so"), "name cells")
