"""Reasons for jobs: the differences, and exactly the jobs that Snakemake's dry run lists."""

from __future__ import annotations

import contextlib
import json
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import plan as program
from frontier.explaining import explanations
from frontier.explaining.why import Why
from frontier.fetching import environments
from frontier.host import files
from frontier.planning.freshness import Freshness
from frontier.planning.jobs import Jobs
from frontier.planning.pending import pending
from frontier.planning.step import environment_step
from frontier.results import checksums
from workspace import Workspace

LIBRARY = "workflow/scripts/frontier"
SUMS = "results/tiny-llama/cpu/sums"
Change = Callable[[Workspace], Any]


def explained(place: Workspace, *paths: str) -> list[dict[str, Any]]:
    """The output of plan.py --why --json, computed in this process; not for changes of code."""
    with contextlib.chdir(place.root):
        steps = program.read([Path("config/config.yaml")])
        fresh = Freshness(steps)
        cells = [program.named(steps, path) for path in paths]
        jobs = pending(fresh, cells or steps.cells, tables=not paths)
        why = Why(fresh, jobs)
        found: list[dict[str, Any]] = json.loads(
            explanations.as_json([(job, why.cause(job)) for job in jobs])
        )["jobs"]
    return found


def finish(place: Workspace, path: str) -> str:
    """Writes the recorded identities of a cell's results, as if it had been measured."""
    with contextlib.chdir(place.root):
        steps = program.read([Path("config/config.yaml")])
        scoring = Jobs(steps).score(program.named(steps, path))
        measuring = scoring.reads["measurement"]
        checksums.write(measuring.output, {"spec": json.loads(measuring.step.spec_with_identity)})
        checksums.write(scoring.output, {"identity": scoring.step.depends_on})
        if environment := measuring.reads.get("environment"):
            files.write_json(environment.output, environment.step.spec | {"packages": {}})
    return measuring.output.parent.name


def job(found: list[dict[str, Any]], rule: str, **about: str) -> dict[str, Any]:
    """The first job of a rule about these."""
    return next(one for one in found if one["rule"] == rule and about.items() <= one.items())


def more_reviews(place: Workspace) -> None:
    with (place.root.parent / "reviews" / "dev.tsv").open("a", encoding="utf-8") as file:
        file.write("one more that is bad \t0\n")


def delete(*patterns: str) -> Change:
    def change(place: Workspace) -> None:
        for path in [path for pattern in patterns for path in place.root.glob(pattern)]:
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    return change


def edit_requests(place: Workspace) -> None:
    requests = next(place.root.glob(f"{SUMS}/*/requests.jsonl"))
    text = requests.read_text(encoding="utf-8")
    requests.write_text(text.replace('"text": "', '"text": "x', 1), encoding="utf-8")


def new_model(place: Workspace) -> None:
    block = place.get("models", "models/tiny-llama")
    place.set("models", "models/tiny-new", block)  # of the same content, so of the same identity
    place.set("config", "study/models", ["tiny-llama", "tiny-gpt2", "tiny-new"])


def setting(name: str, keys: str, value: Any) -> Change:
    return lambda place: place.set(name, keys, value)


def both(*changes: Change) -> Change:
    def change(place: Workspace) -> None:
        for one in changes:
            one(place)

    return change


def key(name: str, old: Any, new: Any) -> dict[str, Any]:
    return {"kind": "key", "key": name, "old": old, "new": new}


TOKENS = setting("tasks", "tasks/sums/max_new_tokens", 5)
SIZE = setting("tasks", "tasks/sums/sample/size", 12)
FORGET = delete("resources/samples", "resources/models", "resources/datasets")
THREADS = setting("devices", "devices/cpu/threads", 2)

# change -> a rule, its cause, and the keys that differ
CAUSES: dict[str, tuple[Change, str, str, list[dict[str, Any]]]] = {
    "a key": (TOKENS, "measure", "differs", [key("tasks.sums.max_new_tokens", 4, 5)]),
    "a key that is new": (
        setting("tasks", "tasks/sums/stop", ["."]), "measure", "differs",
        [key("tasks.sums.stop", [], ["."])],
    ),
    "a scorer's key": (
        setting("tasks", "tasks/sums/scorer/time_limit_s", 4.0), "score", "differs",
        [key("tasks.sums.scorer.time_limit_s", 5.0, 4.0)],
    ),
    "a recipe": (
        setting("models", "models/tiny-llama/grow/seed", 7), "grow_model", "differs",
        [key("models.tiny-llama.grow.seed", 0, 7)],
    ),
    "a sample's size": (SIZE, "sample", "differs", [key("tasks.sums.sample.size", 8, 12)]),
    "two keys at once": (
        both(TOKENS, THREADS), "measure", "differs",
        [key("devices.cpu.threads", 1, 2)],
    ),
    "a title": (setting("config", "title", "Other"), "render", "differs", [key("title", "Tiny", "Other")]),
    "a new model": (new_model, "measure", "new", []),
    "a deleted cell": (delete(f"{SUMS}.json"), "score", "deleted", []),
    "a deleted table": (delete("results/study.csv"), "aggregate", "deleted", []),
    "a deleted report": (delete("results/report.html"), "render", "deleted", []),
    "a deleted measurement": (delete(f"{SUMS}*"), "measure", "deleted", []),
    "a deleted model that a change needs": (both(FORGET, THREADS), "grow_model", "deleted", []),
    "a deleted dataset that a change needs": (both(FORGET, SIZE), "fetch_dataset", "deleted", []),
    "altered requests": (edit_requests, "measure", "altered", []),
    "a broken lock": (
        both(
            lambda place: next(place.root.glob("resources/models/tiny-llama/*/lock.json")).write_text("{"),
            THREADS,
        ),
        "grow_model", "altered", [],
    ),
}  # fmt: skip


@pytest.mark.parametrize("change", CAUSES)
def test_cause(place: Workspace, change: str) -> None:
    """The cause of a job, and that no earlier change gives it."""
    make, rule, cause, differing = CAUSES[change]
    assert explained(place) == []
    make(place)
    found = job(explained(place), rule)
    assert found["cause"] == cause
    assert found["differences"] == differing
    assert (found["nearest"] is not None) is (cause == "differs")


def test_an_input_is_followed(place: Workspace) -> None:
    """A measurement's sample: to the key, and to the content of a file."""
    SIZE(place)
    more_reviews(place)
    found = explained(place)
    sums = job(found, "measure", task="sums")
    assert [one["kind"] for one in sums["differences"]] == ["input"]
    assert sums["differences"][0]["differences"] == [key("tasks.sums.sample.size", 8, 12)]
    assert sums["inputs_made_again"] == ["sample"]
    assert sums["takes_over"]
    (within,) = job(found, "measure", task="reviews")["differences"][0]["differences"]
    assert (within["kind"], within["input"], within["differences"]) == ("input", "dataset", [])
    assert job(found, "score", task="sums")["inputs_made_again"] == ["measurement", "sample"]
    assert job(found, "render")["inputs_made_again"] == ["study", "comparisons"]
    assert len(job(found, "aggregate")["inputs_made_again"]) == 6


def test_the_nearest(place: Workspace) -> None:
    """The one of two earlier measurements that differs less is named; after a change back, none."""
    first = next(place.root.glob(f"{SUMS}/*/measurement.json")).parent.name
    TOKENS(place)
    second = finish(place, f"{SUMS}.json")
    assert second != first
    THREADS(place)
    found = job(explained(place, f"{SUMS}.json"), "measure")
    assert found["nearest"] == f"{SUMS}/{second}/measurement.json"
    assert found["differences"] == [key("devices.cpu.threads", 1, 2)]
    place.set("tasks", "tasks/sums/max_new_tokens", 4)
    found = job(explained(place, f"{SUMS}.json"), "measure")
    assert found["nearest"] == f"{SUMS}/{first}/measurement.json"
    assert found["differences"] == [key("devices.cpu.threads", 1, 2)]
    place.set("devices", "devices/cpu/threads", 1)
    (scoring,) = explained(place, f"{SUMS}.json")
    assert scoring["rule"] == "score"
    assert scoring["inputs_made_again"] == []
    assert scoring["differences"][0]["differences"] == [key("tasks.sums.max_new_tokens", 5, 4)]


@pytest.mark.parametrize(
    ("name", "keys", "value"),
    [
        ("models", "models/tiny-llama/dtype", "float32"),
        ("devices", "devices/cpu/engine", "transformers"),
        ("tasks", "tasks/sums/sample/seed", 0),
    ],
)
def test_a_default_said(place: Workspace, name: str, keys: str, value: Any) -> None:
    """Is no difference."""
    place.set(name, keys, value)
    assert explained(place) == []


def test_a_package(place: Workspace, tmp_path: Path) -> None:
    """Its name with both versions, where it is not as it was."""
    folder = tmp_path / "optimum_quanto-99.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: optimum-quanto\nVersion: 99.0\n")
    command = (sys.executable, "workflow/scripts/plan.py", "--why", "--json")
    done = place.run(*command, PYTHONPATH=str(tmp_path))
    found = json.loads(done.stdout)["jobs"]
    (package,) = job(found, "measure", variant="tiny-llama-int8", task="sums")["differences"]
    assert (package["kind"], package["package"], package["new"]) == (
        "package",
        "optimum-quanto",
        "99.0",
    )
    assert {one["variant"] for one in found if one["rule"] == "measure"} == {"tiny-llama-int8"}


@pytest.fixture
def pinned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Pins an environment's packages, as long as a test runs."""
    pins = shutil.copytree(environments.PINS, tmp_path / "pins")
    monkeypatch.setattr(environments, "PINS", pins)

    def forget() -> None:
        for one in (environments.requirements, environment_step):
            one.cache_clear()

    def pin(text: str) -> None:
        (pins / "onnxruntime.txt").write_text(text, encoding="utf-8")
        forget()

    yield pin
    forget()  # tests that follow in this process have the project's own


def test_a_pin(place: Workspace, pinned: Callable[[str], None]) -> None:
    """A changed pin of an environment is named, for the environment and for what was measured in it."""
    device = place.get("devices", "devices/cpu") | {"engine": "onnxruntime"}
    place.set("devices", "devices/ort", device)
    cell = "results/tiny-llama/ort/sums.json"
    pinned("onnx==1.0\noptimum-onnx==0.1\n")
    finish(place, cell)
    pinned("onnx==2.0\noptimum-onnx==0.1\n")
    found = explained(place, cell)
    package = {"kind": "package", "package": "onnx", "old": "1.0", "new": "2.0"}
    assert job(found, "environment")["differences"] == [package]
    named = {one["input"]: one["differences"] for one in job(found, "measure")["differences"]}
    assert named["environment"] == [package]
    assert named["weights"][0]["differences"] == [package]


def test_odd_values(place: Workspace) -> None:
    """Long ones are cut, controls shown, and another's record is no earlier one of ours."""
    place.set("tasks", "tasks/sums/prompt", "{question} = \u202e\x07" + "x" * 500)
    text = place.program("plan", "--why", f"{SUMS}.json").stdout
    assert "⟨U+202E⟩" in text
    assert not {"\u202e", "\x07"} & set(text)
    assert max(map(len, text.splitlines())) < 300
    measured = next(place.root.glob(f"{SUMS}/*/measurement.json"))
    for content in (b"{", b"[1]", b"\xff", b""):
        measured.write_bytes(content)
        place.path(f"{SUMS}.json").write_bytes(content)
        assert explained(place, f"{SUMS}.json")[0]["differences"] == []


# In addition to those of test_changes.py: for one cell too.
SAME_JOBS: dict[str, Change] = {
    "middle files deleted, and two keys": both(FORGET, THREADS, TOKENS),
    "a measurement deleted, its sample too": delete(f"{SUMS}*", "resources/samples/sums"),
}


@pytest.mark.parametrize("change", SAME_JOBS)
def test_the_jobs_of_a_dry_run(place: Workspace, change: str) -> None:
    """The jobs that the real Snakemake lists, for the study and for one cell."""
    SAME_JOBS[change](place)
    assert place.would_run() == place.jobs()
    assert place.would_run(f"{SUMS}.json") == place.jobs(f"{SUMS}.json")


def test_code(place: Workspace) -> None:
    """The module; as text a block for many cells, and the command where it is one."""
    engine = f"{LIBRARY}/engines/loaded/transformers.py"
    place.edit(engine, "torch.set_num_threads(", "1 and torch.set_num_threads(")
    text = place.program("plan", "--why").stdout
    assert text.startswith(
        "15 jobs would run: 6 measure, 6 score, 1 aggregate, 1 compare, 1 render\n"
    )
    assert text.count("module frontier.engines.loaded.transformers: changed") == 1
    assert "and 2 more\n" in text
    assert text.endswith(
        "6 measurements differ in code and versions only: adopt.py can declare the earlier ones current\n"
    )


def test_a_run_says_so(place: Workspace) -> None:
    """One line says so where earlier measurements exist; new cells are not mentioned."""
    new_model(place)
    assert "plan.py --why" not in place.build("--dry-run")
    both(TOKENS, THREADS)(place)
    more_reviews(place)
    log = place.build("--dry-run", "--config", "title=Mine")
    (line,) = [line for line in log.splitlines() if "plan.py --why" in line]
    assert line.startswith("6 cells to measure for which there are earlier measurements: ")
    assert "devices.cpu.threads: 1 → 2 (6), " in line
    assert "tasks.sums.max_new_tokens: 4 → 5 (3)" in line
    assert line.endswith("; all of it: python workflow/scripts/plan.py --why --config title=Mine")


def test_forced_measurements_are_said(place: Workspace) -> None:
    """They are counted with those out of date; the three most frequent causes are named."""
    TOKENS(place)
    with contextlib.chdir(place.root):
        steps = program.read([Path("config/config.yaml")])
        cells = [cell for cell in steps.cells if cell.planned]
        line = explanations.announcement(Freshness(steps), cells, "COMMAND")
    assert line == (
        "6 cells to measure for which there are earlier measurements:"
        " forced (3), tasks.sums.max_new_tokens: 4 → 5 (3); all of it: COMMAND"
    )
