"""The promise of exact caching: each change, and the set of jobs that it must bring about.

Every change is applied to a copy of the finished study, and plan.py --why says what would run. Some
are planned with the real Snakemake too, which has to say the same; test_all_changes does so for
the rest.
"""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

import figure_files
import tiny
from moving import move
from workspace import Workspace

LIBRARY = "workflow/scripts/frontier"
NOTHING: set[str] = set()
SHOW = {"aggregate", "compare", "render"}
# The variants that are measured; tiny-gpt2-int8 is unsupported, which is known without a run.
MEASURED = ("tiny-llama", "tiny-llama-int8", "tiny-gpt2")
TASKS = ("reviews", "sums")


def names(
    *steps: str, variants: tuple[str, ...] = MEASURED, tasks: tuple[str, ...] = TASKS
) -> set[str]:
    """Jobs of these steps for each of the cells."""
    return {f"{step} {variant} {task}" for step in steps for variant in variants for task in tasks}


def scores(**cells: tuple[str, ...]) -> set[str]:
    """Cells scored again, and the tables and report."""
    return names("score", **cells) | SHOW


def measures(**cells: tuple[str, ...]) -> set[str]:
    """Cells measured and scored again, and the tables and report."""
    return names("measure", **cells) | scores(**cells)


LEFT_OUT = names("score", variants=("tiny-gpt2-int8",))
GROWN = {"grow_model tiny-llama", "grow_model tiny-gpt2"}
SAMPLES = {"sample reviews", "sample sums"}
LLAMA = ("tiny-llama", "tiny-llama-int8")

Change = Callable[[Workspace], None]


def append(name: str, text: str) -> Change:
    """Adds lines at the end of a file."""

    def change(place: Workspace) -> None:
        path = place.path(name)
        path.write_text(path.read_text(encoding="utf-8") + text, encoding="utf-8")

    return change


def code(name: str) -> Change:
    """Makes a module do something when it is loaded."""
    return append(name, "\nprint(end='')\n")


def put(name: str, keys: str, value: object) -> Change:
    """Sets a key of a configuration file."""
    return lambda place: place.set(name, keys, value)


def alike(place: Workspace) -> None:
    """Defines a device with `like` another."""
    block = place.get("devices", CPU)
    label = {"label": block.pop("label")} if "label" in block else {}
    place.set("devices", "devices/base", block)
    place.set("devices", CPU, {"like": "base", **label})


def renamed_engine(place: Workspace) -> None:
    """Gives a device an engine of another name that has the same keys."""
    place.set("engines", "engines/same", {"like": "transformers"})
    place.set("devices", f"{CPU}/engine", "same")


def old_code(name: str) -> Change:
    """Makes a module do something when it is loaded, whose file time then says 2020."""

    def change(place: Workspace) -> None:
        code(name)(place)
        os.utime(place.path(name), (1577836800, 1577836800))

    return change


def swap(name: str, first: str, second: str) -> Change:
    """Exchanges two values of a configuration file."""

    def change(place: Workspace) -> None:
        before = place.get(name, first), place.get(name, second)
        place.set(name, first, before[1])
        place.set(name, second, before[0])

    return change


def reverse_keys(place: Workspace) -> None:
    """Writes the models' blocks, and the keys in them, in reverse order."""
    models = place.get("models", "models")
    turned = {name: dict(reversed(block.items())) for name, block in reversed(models.items())}
    place.set("models", "models", turned)


def touch_everything(place: Workspace) -> None:
    """Gives every file a new time and the same bytes, as a checkout or a copy does."""
    for path in place.root.rglob("*"):
        if ".snakemake" not in path.parts and path.exists():
            path.touch()


def delete(pattern: str) -> Change:
    """Deletes the files or folders of a pattern, of which there must be some."""

    def change(place: Workspace) -> None:
        found = list(place.root.glob(pattern))
        assert found, pattern
        for path in found:
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()

    return change


def new_review(place: Workspace) -> None:
    """A local dataset gets another row."""
    with (place.root.parent / "reviews" / "dev.tsv").open("a", encoding="utf-8") as file:
        file.write("one more that is bad \t0\n")


def both(*changes: Change) -> Change:
    """Several changes at once."""

    def change(place: Workspace) -> None:
        for one in changes:
            one(place)

    return change


def edit(name: str, *edits: tuple[str, str]) -> Change:
    """Replaces texts of a file of the library that stand in it exactly once."""

    def change(place: Workspace) -> None:
        for old, new in edits:
            place.edit(f"{LIBRARY}/{name}", old, new)

    return change


def copied(source: str, target: str, *edits: tuple[str, str]) -> Change:
    """Adds a file to the library, derived from another."""

    def change(place: Workspace) -> None:
        text = place.path(f"{LIBRARY}/{source}").read_text(encoding="utf-8")
        place.path(f"{LIBRARY}/{target}").write_text(text, encoding="utf-8")
        edit(target, *edits)(place)

    return change


def moved(moves: dict[str, str]) -> Change:
    """Moves modules by their dotted names, with what imports them edited."""
    return lambda place: move(place.path("workflow/scripts"), moves)


def moved_function(name: str, source: str, target: str, needs: str = "") -> Change:
    """Moves a function to the end of another file, where it may need imports."""

    def change(place: Workspace) -> None:
        files = [place.path(f"workflow/scripts/{one}.py") for one in (source, target)]
        text, other = (path.read_text(encoding="utf-8") for path in files)
        (found,) = (one for one in ast.parse(text).body if getattr(one, "name", "") == name)
        lines = text.split("\n")
        function = "\n".join(lines[found.lineno - 1 : found.end_lineno])
        files[0].write_text(text.replace(function, ""), encoding="utf-8")
        files[1].write_text(f"{other}\n\n{needs}\n\n{function}\n", encoding="utf-8")
        ruff = [sys.executable, "-m", "ruff", "check", "--isolated", "--quiet", "--select", "F821"]
        subprocess.run([*ruff, files[1]], check=True)  # `needs` has all that it needs

    return change


def rewritten(*texts: Callable[[str], str]) -> Change:
    """Writes each file of the catalogue another way."""

    def change(place: Workspace) -> None:
        for path in place.path("config").glob("*.yaml"):
            text = path.read_text(encoding="utf-8")
            for one in texts:
                text = one(text)
            path.write_bytes(text.encode())

    return change


def anchored(text: str) -> str:
    """Replaces each repeated block or list in some YAML by an alias."""
    known: dict[str, Any] = {}

    def same(value: Any) -> Any:
        if isinstance(value, dict):
            return known.setdefault(str(value), {key: same(one) for key, one in value.items()})
        return known.setdefault(str(value), value) if isinstance(value, list) else value

    return str(yaml.safe_dump(same(yaml.safe_load(text)), sort_keys=False))


def tokens_per_request(place: Workspace) -> None:
    """Adds the figure that frontier/figures/ explains itself by."""
    path = place.path(f"{LIBRARY}/figures/tokens_per_request.py")
    path.write_text(figure_files.example(), encoding="utf-8")


LLAMA_KEYS, INT8, CPU = "models/tiny-llama", "quantizations/int8", "devices/cpu"
REVIEWS, SUMS = "tasks/reviews", "tasks/sums"

CHANGES: dict[str, tuple[Change, set[str]]] = {
    # Changes that decide nothing.
    "touch everything": (touch_everything, NOTHING),
    "comment in the measuring program": (append("workflow/scripts/measure.py", "\n# A remark.\n"), NOTHING),
    "docstring of an engine": (
        lambda place: place.edit(
            f"{LIBRARY}/engines/transformers.py", '"""Hugging Face transformers', '"""HF transformers'
        ),
        NOTHING,
    ),
    "comment and blank line in a rules file": (append("workflow/rules/measure.smk", "\n# A remark.\n"), NOTHING),
    "keys in another order": (reverse_keys, NOTHING),
    "code that only plans": (code(f"{LIBRARY}/planning/cells.py"), NOTHING),
    "code that only reads the catalogue": (code(f"{LIBRARY}/catalogue/entries.py"), NOTHING),
    "another scorer than the study's": (code(f"{LIBRARY}/scorers/translation.py"), NOTHING),
    "another loader than the study's": (code(f"{LIBRARY}/datasets/opensubtitles.py"), NOTHING),
    "another grammar than the study's": (code(f"{LIBRARY}/grammars/translation.py"), NOTHING),
    "a model that the study does not name": (
        put("models", "models/other", {"path": "/nowhere"}),
        NOTHING,
    ),
    # Code.
    "engine": (code(f"{LIBRARY}/engines/transformers.py"), measures()),
    "engine, with an old file time": (old_code(f"{LIBRARY}/engines/transformers.py"), measures()),
    "quantizer": (code(f"{LIBRARY}/quantizers/quanto.py"), measures(variants=("tiny-llama-int8",))),
    "measuring program": (code("workflow/scripts/measure.py"), measures()),
    "helper of measuring and scoring": (code(f"{LIBRARY}/results/records.py"), measures() | LEFT_OUT),
    "scoring program": (code("workflow/scripts/score.py"), scores() | LEFT_OUT),
    "latency figures": (code(f"{LIBRARY}/scoring/latency.py"), scores() | LEFT_OUT),
    "a figure": (code(f"{LIBRARY}/figures/mbu.py"), scores() | LEFT_OUT),
    "a new figure": (tokens_per_request, scores() | LEFT_OUT),
    "scorer": (code(f"{LIBRARY}/scorers/classification.py"), scores(tasks=("reviews",))),
    "another scorer": (copied("scorers/classification.py", "scorers/more.py"), NOTHING),
    "a gate's threshold": (edit("gates/contention.py", ("MOST_DISTURBED = 0.05", "MOST_DISTURBED = 0.5")), scores()),
    "another gate": (
        copied("gates/pauses.py", "gates/more.py", ("class Pauses", "class More"), ("ORDER = 40", "ORDER = 90")),
        scores(),
    ),
    "what all gates look at": (
        edit("gates/__init__.py", ("asked = {record.session for", "asked = {int(record.session) for")), measures() | LEFT_OUT
    ),
    "helper of one scorer": (code(f"{LIBRARY}/answers/equivalence/strict.py"), scores(tasks=("sums",))),
    "loader": (
        code(f"{LIBRARY}/datasets/sst2.py"),
        {"sample reviews"} | measures(tasks=("reviews",)),
    ),
    "grammar": (
        code(f"{LIBRARY}/grammars/arithmetic.py"),
        GROWN | {"sample sums"} | measures(),
    ),
    "training": (code(f"{LIBRARY}/growing/train.py"), GROWN | measures()),
    "chart": (code(f"{LIBRARY}/report/drawing/charts.py"), {"render"}),
    "report's template": (append("resources/report/report.css", "\n/* A remark. */\n"), {"render"}),
    "table": (code("workflow/scripts/aggregate.py"), {"aggregate", "render"}),
    "comparisons": (code(f"{LIBRARY}/tables/comparisons.py"), {"compare", "render"}),
    "ratings of judges": (code(f"{LIBRARY}/tables/ratings.py"), {"compare", "render"}),
    "reading of cells": (code(f"{LIBRARY}/tables/study.py"), SHOW),
    "pins of an environment that the study does not use": (append("workflow/envs/openvino.txt", "six==1.17.0\n"), NOTHING),
    "how the machine's limits are measured": (edit("machine/ceilings.py", ("LEAST_S = 0.3", "LEAST_S = 0.5")), NOTHING),
    "the program that measures them": (code("workflow/scripts/measure_ceilings.py"), NOTHING),
    "what utilization is": (code(f"{LIBRARY}/figures/common/utilization.py"), scores() | LEFT_OUT),
    "code that fetches": (code(f"{LIBRARY}/fetching/hub.py"), NOTHING),
    "command of a rule": (
        lambda place: place.edit("workflow/rules/score.smk", "--cell {output.cell:q}", "--cell  {output.cell:q}"),
        scores() | LEFT_OUT,
    ),
    # Code that is only moved, or whose change decides nothing.
    "modules moved to other folders": (
        moved({
            "frontier.results.records": "frontier.records",
            "frontier.engines.common.prompting": "frontier.engines.shared.prompting",
            "frontier.scoring.latency": "frontier.latency",
            "frontier.host.files": "frontier.host.disk.files",
        }),
        NOTHING,
    ),
    "a module renamed": (moved({"frontier.measuring.contention": "frontier.contention"}), NOTHING),
    "a function of the measuring program moved to a module": (
        both(
            moved_function(
                "settings_of", "measure", "frontier/machine/limits",
                "from pathlib import Path\nfrom frontier.engines import Settings\nfrom frontier.machine import hardware\n"
                "from frontier.results import layout\nfrom frontier.specs.measure import MeasureSpec",
            ),
            lambda place: place.edit(
                "workflow/scripts/measure.py", "from frontier.machine.limits import ", "from frontier.machine.limits import settings_of, "
            ),
        ),
        NOTHING,
    ),
    "a function of scoring moved to a module of measuring": (
        both(
            moved_function("in_order", "frontier/scoring/latency", "frontier/results/records", "from collections.abc import Iterable"),
            edit("scoring/latency.py", ("from frontier.results.records import ", "from frontier.results.records import in_order, ")),
        ),
        NOTHING,
    ),
    "a function of scoring moved out of a module of measuring": (
        both(
            moved_function(
                "read", "frontier/results/records", "frontier/scoring/latency",
                "from pathlib import Path\nfrom frontier.errors import UserError\nfrom frontier.results import checksums\n"
                "from frontier.results.records import FORMER, _KEYS, _SERVED\nfrom frontier.values import read_lines",
            ),
            lambda place: place.edit(
                "workflow/scripts/score.py", "from frontier.results.records import Record, read\n",
                "from frontier.results.records import Record\nfrom frontier.scoring.latency import read\n",
            ),
            edit(
                "scoring/judged.py", ("from frontier.results.records import Record, read\n", "from frontier.results.records import Record\nfrom frontier.scoring.latency import read\n"),
            ),
        ),
        NOTHING,
    ),
    "a function of scoring in a module of measuring": (
        edit("results/records.py", ("enumerate(read_lines(path), start=1)", "enumerate(list(read_lines(path)), start=1)")),
        scores() | LEFT_OUT,
    ),
    "a log line in the leases": (edit("host/leases.py", ("skipped: ", "left out: ")), NOTHING),
    "the host's files": (edit("host/files.py", ("temporary.mkdir()", "temporary.mkdir(0o755)")), NOTHING),
    "an error of the host reworded": (
        edit("host/locks.py", ("altered since it was locked", "not as it was locked")), NOTHING
    ),
    "an engine's errors reworded": (
        edit("engines/loaded/transformers.py", ("quantized no layer of", "did not quantize any layer of")), NOTHING
    ),
    "errors of measuring reworded": (
        both(
            lambda place: place.edit("workflow/scripts/measure.py", "another process is measuring", "somebody else measures"),
            edit("gates/pauses.py", ("pause: the process was paused during", "pause: the process did not run during")),
            edit("engines/common/prompting.py", ("has no tokens, so there is nothing to continue", "has no token")),
        ),
        NOTHING,
    ),
    "errors of a conversion and of a quantizer reworded": (
        both(
            edit("conversions/gguf.py", ("unreadable config: ", "its config cannot be read: ")),
            edit("quantizers/quanto.py", ("mps has no 8-bit floating-point type", "no float8 on mps")),
        ),
        NOTHING,
    ),
    "a reason that is known while planning reworded": (
        edit("quantizers/common/linears.py", ("GPT-2 has Conv1D layers instead", "GPT-2 has other layers")),
        LEFT_OUT | SHOW,
    ),
    "unused imports": (
        both(
            append("workflow/scripts/measure.py", "\nimport altair\nfrom frontier.planning import estimates\n"),
            append(f"{LIBRARY}/engines/transformers.py", "\nimport altair\nimport colorsys\n"),
            append("workflow/scripts/score.py", "\nimport sacrebleu\n"),
        ),
        NOTHING,
    ),
    "an import written another way": (
        edit(
            "scenarios/__init__.py", ("from frontier.measuring.contention import Watch", "from ..measuring import contention as watching"),
            ("    watch: Watch\n", "    watch: watching.Watch\n"),
        ),
        NOTHING,
    ),
    "a dead function in a helper": (append(f"{LIBRARY}/results/records.py", "\ndef dead(x: int = 1) -> int:\n    return x\n"), NOTHING),
    "a dead constant in a helper": (append(f"{LIBRARY}/results/records.py", "\nDEAD = {1, 2}\n"), NOTHING),
    "a function renamed": (
        both(
            edit("measuring/contention.py", ("def _foreign(", "def _others(")),
            edit("measuring/contention.py", ("[_foreign(", "[_others(")),
        ),
        NOTHING,
    ),
    # Code that may change an answer, a time or an outcome.
    "a constant of measuring": (edit("scenarios/__init__.py", ("MOST_ATTEMPTS = 3", "MOST_ATTEMPTS = 4")), measures()),
    "a default of measuring": (edit("checkpoints/chat.py", ("ensure_ascii: bool = False", "ensure_ascii: bool = True")), measures()),
    "a field's default of measuring": (edit("machine/limits.py", ("attempts: int = 1", "attempts: int = 2")), measures()),
    "what is caught in measuring": (
        lambda place: place.edit("workflow/scripts/measure.py", "except UnsupportedError as error", "except TypeError as error"),
        measures(),
    ),
    "a log line of measuring": (edit("results/journal.py", ("their requests are asked again", "they are asked again")), measures()),
    "a regular expression of a scorer": (
        edit("answers/equivalence/equivalent.py", ("rounded|nearest", "rounded")), scores(tasks=("sums",))
    ),
    # A catalogue with the same meaning.
    "CRLF and a byte order mark": (
        rewritten(lambda text: text.replace("\n", "\r\n"), lambda text: "\ufeff" + text), NOTHING
    ),
    "0x18 for 24": (rewritten(lambda text: re.sub(r": (\d+)$", lambda n: f": {int(n[1]):#x}", text, flags=re.M)), NOTHING),
    "anchors and aliases": (rewritten(anchored), NOTHING),
    "as JSON": (rewritten(lambda text: json.dumps(yaml.safe_load(text))), NOTHING),
    "defaults said explicitly": (
        both(
            put("engines", "engines/transformers/cache", "grouped"),
            put("models", f"{LLAMA_KEYS}/dtype", "float32"),
            put("tasks", f"{REVIEWS}/sample/seed", 0),
            put("tasks", f"{SUMS}/scorer/time_limit_s", 5),
        ),
        NOTHING,
    ),
    # Keys of a model.
    "model: label": (put("models", f"{LLAMA_KEYS}/label", "Renamed"), {"render"}),
    "model: licence": (put("models", f"{LLAMA_KEYS}/licence", "MIT"), {"render"}),
    "model: dtype": (put("models", f"{LLAMA_KEYS}/dtype", "bfloat16"), measures(variants=LLAMA)),
    "model: prompt": (put("models", f"{LLAMA_KEYS}/prompt", "Q: {prompt}"), measures(variants=LLAMA)),
    "model: trust_remote_code": (
        put("models", f"{LLAMA_KEYS}/trust_remote_code", True),
        measures(variants=LLAMA),
    ),
    "model: parameters that still fit": (put("models", f"{LLAMA_KEYS}/parameters", 1000), scores(variants=LLAMA)),
    "model: parameters that no longer fit": (
        put("models", f"{LLAMA_KEYS}/parameters", 10**15),
        scores(variants=LLAMA),
    ),
    "model: seed of its growth": (
        put("models", f"{LLAMA_KEYS}/grow/seed", 7),
        {"grow_model tiny-llama"} | measures(variants=LLAMA),
    ),
    # Keys of a quantization.
    "quantization: width": (put("quantizations", f"{INT8}/weights", "int4"), measures(variants=("tiny-llama-int8",))),
    "quantization: label": (put("quantizations", f"{INT8}/label", "Eight"), {"render"}),
    # Keys of a device.
    "device: threads": (put("devices", f"{CPU}/threads", 2), measures()),
    "device: dtype": (put("devices", f"{CPU}/dtype", "bfloat16"), measures()),
    "device: like another": (alike, NOTHING),
    "device: an engine of another name that is the same": (renamed_engine, NOTHING),
    # Keys of an engine.
    "engine: label": (put("engines", "engines/transformers/label", "T"), NOTHING),
    "engine: another that is there": (put("engines", "engines/other", {"like": "transformers"}), NOTHING),
    "engine: its cache": (put("engines", "engines/transformers/cache", "broadcast"), NOTHING),
    "device: an unsupported precision": (put("devices", f"{CPU}/unsupported_dtypes", ["float16"]), NOTHING),
    "device: warm-up": (put("devices", f"{CPU}/warmup/minimum", 3), measures()),
    "device: background cores": (put("devices", f"{CPU}/max_background_cores", 63), scores()),
    "device: drift": (put("devices", f"{CPU}/max_drift", 999), scores()),
    "device: slowed": (put("devices", f"{CPU}/max_slowed", 0.9), scores()),
    "device: percentile": (put("devices", f"{CPU}/percentile", 50), scores()),
    "device: attempts": (put("devices", f"{CPU}/attempts", 3), NOTHING),
    "device: bandwidth": (put("devices", f"{CPU}/bandwidth_gb_s", 50), scores()),
    "device: rate of matrices": (put("devices", f"{CPU}/tflop_s", {"float32": 0.5}), scores()),
    "device: price": (put("devices", f"{CPU}/price_per_hour", 1.5), scores()),
    "device: memory that still fits": (put("devices", f"{CPU}/memory_gb", 500), NOTHING),
    "device: label": (put("devices", f"{CPU}/label", "Here"), {"render"}),
    # Keys of a task and of a dataset.
    "task: prompt": (put("tasks", f"{REVIEWS}/prompt", "{sentence}:"), measures(tasks=("reviews",))),
    "task: new tokens": (put("tasks", f"{SUMS}/max_new_tokens", 5), measures(tasks=("sums",))),
    "task: stop": (put("tasks", f"{SUMS}/stop", ["."]), measures(tasks=("sums",))),
    "task: label": (put("tasks", f"{SUMS}/label", "Sums"), {"render"}),
    "task: scorer's key": (put("tasks", f"{SUMS}/scorer/time_limit_s", 4.0), scores(tasks=("sums",))),
    "task: sample up": (
        put("tasks", f"{SUMS}/sample/size", 12),
        {"sample sums"} | measures(tasks=("sums",)),
    ),
    "task: sample down": (
        put("tasks", f"{SUMS}/sample/size", 4),
        {"sample sums"} | measures(tasks=("sums",)),
    ),
    "task: seed of the sample": (
        put("tasks", f"{SUMS}/sample/seed", 1),
        {"sample sums"} | measures(tasks=("sums",)),
    ),
    "task: loader's key": (
        put("tasks", f"{SUMS}/sample/candidates", 99),
        {"sample sums"} | measures(tasks=("sums",)),
    ),
    "task: shots": (
        put("tasks", f"{SUMS}/shots", {"from": "train", "count": 2}),
        {"sample sums"} | measures(tasks=("sums",)),
    ),
    "task: random answers": (
        put("tasks", f"{SUMS}/samples", {"temperature": 0.5}), measures(tasks=("sums",))
    ),
    "task: beginning of the answer": (
        put("tasks", f"{SUMS}/answer_begins", "It is"), measures(tasks=("sums",))
    ),
    "dataset: content of a local file": (
        new_review,
        {"fetch_dataset reviews", "sample reviews"} | measures(tasks=("reviews",)),
    ),
    "swap two tasks' token limits": (
        swap("tasks", f"{REVIEWS}/max_new_tokens", f"{SUMS}/max_new_tokens"),
        measures(),
    ),
    "swap two models' labels": (
        swap("models", "models/tiny-llama/label", "models/tiny-gpt2/label"),
        {"render"},
    ),
    # The study.
    "study: title": (put("config", "title", "Another"), {"render"}),
    "study: weights": (put("config", "weights", {"speed": 30, "quality": 70}), {"render"}),
    "study: one quantization less": (put("config", "study/quantizations", ["native"]), SHOW),
    "study: one model less": (put("config", "study/models", ["tiny-gpt2"]), SHOW),
    # The files on the disk.
    "a result deleted": (
        delete("results/tiny-llama/cpu/sums.json"),
        {"score tiny-llama sums"} | SHOW,
    ),
    "a result and its measurement deleted": (
        delete("results/tiny-llama/cpu/sums*"),
        {"measure tiny-llama sums", "score tiny-llama sums"} | SHOW,
    ),
    "a middle file deleted": (delete("resources/samples/sums"), NOTHING),
    "all middle files deleted": (
        both(delete("resources/samples"), delete("resources/models"), delete("resources/datasets")),
        NOTHING,
    ),
    "a middle file deleted that a change needs": (
        both(delete("resources/models/tiny-llama"), put("devices", f"{CPU}/threads", 2)),
        {"grow_model tiny-llama"} | measures(),
    ),
    "Snakemake's own records deleted": (delete(".snakemake"), NOTHING),
    "Snakemake's own records deleted, and a scorer changed": (
        both(delete(".snakemake"), code(f"{LIBRARY}/scorers/classification.py")),
        scores(tasks=("reviews",)),
    ),
    "the report deleted": (delete("results/report.html"), {"render"}),
    "the provenance deleted": (delete("results/provenance.json"), {"render"}),
    "the report's lock deleted": (delete("results/report.lock.json"), {"render"}),
}  # fmt: skip


@pytest.fixture(scope="module")
def built(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The tiny study, for tests that change nothing in it."""
    return tiny.copied(finished, tmp_path_factory.mktemp("changes"))


def test_nothing_changed(built: Workspace) -> None:
    """The study that has just been built has nothing to be done."""
    assert built.jobs() == NOTHING


@pytest.mark.parametrize("change", CHANGES)
def test_change(place: Workspace, change: str) -> None:
    """Exactly the expected jobs would run."""
    make, expected = CHANGES[change]
    make(place)
    assert place.would_run() == expected


# Some of each kind: code, catalogue, inputs, results, and Snakemake's own records.
BY_SNAKEMAKE = (
    "touch everything", "engine, with an old file time", "scorer", "loader", "grammar", "chart",
    "command of a rule", "model: label", "device: threads", "device: background cores",
    "task: sample up", "dataset: content of a local file", "study: one quantization less",
    "a result and its measurement deleted", "a middle file deleted that a change needs",
    "Snakemake's own records deleted, and a scorer changed",
)  # fmt: skip


@pytest.mark.parametrize("change", BY_SNAKEMAKE)
def test_change_by_snakemake(place: Workspace, change: str) -> None:
    """Snakemake itself would run the same jobs."""
    make, expected = CHANGES[change]
    make(place)
    assert place.jobs() == expected


@pytest.mark.parametrize(
    ("package", "expected"),
    [
        ("transformers", GROWN | measures()),
        ("optimum-quanto", measures(variants=("tiny-llama-int8",))),
        ("sacrebleu", NOTHING),
        ("polars", scores() | LEFT_OUT),
        ("vl-convert-python", {"render"}),
        ("altair", NOTHING),  # of tests only
    ],
)
def test_package_version(
    built: Workspace, tmp_path: Path, package: str, expected: set[str]
) -> None:
    """Another version of a package, as its metadata on the path tells it."""
    folder = tmp_path / f"{package.replace('-', '_')}-99.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 99.0\n")
    assert built.would_run(PYTHONPATH=str(tmp_path)) == expected
    if package == "transformers":
        assert built.jobs(PYTHONPATH=str(tmp_path)) == expected


@pytest.mark.parametrize("level", ["1", "2"])
def test_optimized_python(built: Workspace, level: str) -> None:
    """`python -O` and `-OO` leave out asserts and docstrings, which are in no identity."""
    assert built.would_run(PYTHONOPTIMIZE=level) == NOTHING


def test_moved_and_cloned(built: Workspace, tmp_path: Path) -> None:
    """Another place changes nothing, and works; a clone without results builds all once."""
    moved = Workspace(tmp_path / "a path with spaces")
    shutil.copytree(built.root, moved.root, symlinks=True)
    assert moved.jobs() == NOTHING
    shutil.rmtree(moved.path(".snakemake"))
    assert moved.jobs() == NOTHING
    moved.path("results/tiny-llama/cpu/sums.json").unlink()
    moved.build("results/tiny-llama/cpu/sums.json")
    assert moved.path("results/tiny-llama/cpu/sums.json").exists()
    shutil.rmtree(moved.path("results"))
    assert moved.jobs() == measures() | LEFT_OUT
    for created in ("datasets", "models", "samples"):
        shutil.rmtree(moved.path(f"resources/{created}"))
    everything = GROWN | SAMPLES | {"fetch_dataset demo", "fetch_dataset reviews"}
    assert moved.jobs() == everything | measures() | LEFT_OUT


def test_change_and_back(place: Workspace) -> None:
    """Earlier measurements still exist when a change is undone."""
    before = place.get("tasks", "tasks/sums/max_new_tokens")
    place.set("tasks", "tasks/sums/max_new_tokens", 2)
    place.build("results/tiny-llama/cpu/sums.json")
    place.set("tasks", "tasks/sums/max_new_tokens", before)
    assert place.jobs() == {"score tiny-llama sums"} | SHOW
    place.build()
    assert place.jobs() == NOTHING


def test_forced(built: Workspace) -> None:
    """Forcing a measurement includes the results that depend on it."""
    assert built.jobs("--forcerun", "results/tiny-llama/cpu/sums.json") == (
        {"score tiny-llama sums"} | SHOW
    )
    assert measures() <= built.jobs("--forcerun", "measure")
