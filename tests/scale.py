"""What large studies cost: seconds (wall, and of the processor) and megabytes (peak), as tables.

    python tests/scale.py plan --cells 1000 10000    plan.py, a dry run of what is not made yet, a
        run of what is; the last two beside a bare Snakemake with the same jobs and files of
        one-line rules, alternating: medians, and ratios of the medians
    python tests/scale.py tables --cells 1000 10000  aggregate, compare and render
    python tests/scale.py score --cells 200          score.py as the workflow starts it, and the
        part of it that is Python's start and the imports

The cells are made up by tests/many.py; equal ones share files, so the disk holds a few gigabytes
at most, and reads come from memory. Everything lies in a temporary folder unless --keep names one.
"""

from __future__ import annotations

import argparse
import contextlib
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow" / "scripts"))

import many
from frontier import identity, plan
from frontier.freshness import measurement_path
from workspace import ROOT

# A process's peak counts that of the one that started it: this one is small.
METER = """
import os, sys, time
start = time.monotonic()
null = os.open(os.devnull, os.O_WRONLY)
at = [(os.POSIX_SPAWN_DUP2, null, 1), (os.POSIX_SPAWN_DUP2, null, 2)]
child = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ, file_actions=at)
_, status, used = os.wait4(child, 0)
print(time.monotonic() - start, used.ru_utime + used.ru_stime, used.ru_maxrss, status)
"""
KILOBYTE = 1 if sys.platform == "darwin" else 1024  # ru_maxrss's unit, in bytes
BARE = """
VARIANTS = {variants}
CELLS = expand("results/{{variant}}/{{device}}/{{task}}.json", variant=VARIANTS, **{axes})

wildcard_constraints: identity="[0-9a-f]{{16}}", task="[^/]+", device="[^/]+", variant="[^/]+"

rule all:
    input: "results/report.html"
rule dataset:
    output: "resources/datasets/{{dataset}}/{{identity}}/lock.json"
    shell: "touch {{output}}"
rule sample:
    input: ancient("resources/datasets/demo/{{identity}}/lock.json")
    output: "resources/samples/{{task}}/{{identity}}/sample.jsonl", "resources/samples/{{task}}/{{identity}}/lock.json"
    shell: "touch {{output}}"
rule model:
    output: "resources/models/{{model}}/{{identity}}/lock.json"
    shell: "touch {{output}}"
rule measure:
    input:
        lambda w: ancient(f"resources/models/{{VARIANTS[w.variant]}}/{{w.identity}}/lock.json"),
        ancient("resources/samples/{{task}}/{{identity}}/sample.jsonl"),
    output:
        "results/{{variant}}/{{device}}/{{task}}/{{identity}}/requests.jsonl",
        "results/{{variant}}/{{device}}/{{task}}/{{identity}}/measurement.json",
    shell: "touch {{output}}"
rule score:
    input:
        ancient("results/{{variant}}/{{device}}/{{task}}/{identity}/requests.jsonl"),
        ancient("results/{{variant}}/{{device}}/{{task}}/{identity}/measurement.json"),
        ancient("resources/samples/{{task}}/{identity}/sample.jsonl"),
    output:
        "results/{{variant}}/{{device}}/{{task}}.json",
        "results/{{variant}}/{{device}}/{{task}}.parquet",
    shell: "touch {{output}}"
rule aggregate:
    input: ancient(CELLS)
    output: "results/study.parquet", "results/study.csv", "results/study.lock.json"
    shell: "touch {{output}}"
rule compare:
    input: ancient(CELLS)
    output: "results/comparisons.parquet", "results/comparisons.csv", "results/comparisons.lock.json"
    shell: "touch {{output}}"
rule render:
    input: ancient("results/study.lock.json"), ancient("results/comparisons.lock.json")
    output: "results/report.html", "results/report.lock.json"
    shell: "touch {{output}}"
"""


def metered(*command: str) -> tuple[float, float, float]:
    """Seconds by the clock, seconds of the processor and peak megabytes of a command."""
    program = shutil.which(command[0])
    assert program, command[0]
    line = [sys.executable, "-I", "-S", "-c", METER, program, *command[1:]]
    told = subprocess.run(line, capture_output=True, text=True, check=True).stdout.split()
    if told[3] != "0":
        failed = subprocess.run(command, capture_output=True, text=True, check=False)
        raise SystemExit(f"{' '.join(command)[:300]}\n{failed.stdout}{failed.stderr}")
    return float(told[0]), float(told[1]), int(told[2]) * KILOBYTE / 1e6


def medians(runs: int, *commands: Callable[[], tuple[float, float, float]]) -> list[list[float]]:
    """The medians of each command's figures, over alternating runs."""
    found = [[command() for command in commands] for _ in range(runs)]
    return [
        [median(column) for column in zip(*row, strict=True)] for row in zip(*found, strict=True)
    ]


def told(what: str, cells: int, figures: list[float], against: list[float] | None = None) -> None:
    """Print a line of the table."""
    ratio = f"{figures[0] / against[0]:8.2f}" if against else " " * 8
    print(
        f"{cells:6} cells  {what:34}{figures[0]:9.1f} s{figures[1]:9.1f} s{figures[2]:8.0f} MB{ratio}"
    )


def bare(folder: Path, cells: int) -> Path:
    """A Snakefile of one-line rules for jobs and files of the same number and kind."""
    variants = {
        plan.variant_id(model, quantization): model
        for model in many.models(cells)
        for quantization in many.QUANTIZATIONS
    }
    axes = {"device": list(many.DEVICES), "task": list(many.KINDS)}
    folder.mkdir()
    text = BARE.format(variants=variants, axes=axes, identity="0" * identity.LENGTH)
    (folder / "Snakefile").write_text(text, encoding="utf-8")
    shutil.copytree(ROOT / "profiles", folder / "profiles")
    return folder


def touch_all(folder: Path) -> None:
    """Make all that a bare Snakefile asks for, in the order of its rules."""
    listed = subprocess.run(
        ["snakemake", "--cores", "1", "--dry-run"], cwd=folder, capture_output=True, text=True,
        check=True,
    ).stdout  # fmt: skip
    for line in listed.splitlines():
        if line.startswith("    output: "):
            for name in line.removeprefix("    output: ").split(", "):
                path = folder / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.touch()


def run_at(folder: Path, *command: str) -> Callable[[], tuple[float, float, float]]:
    """A command to be metered in a folder."""

    def run() -> tuple[float, float, float]:
        with contextlib.chdir(folder):
            return metered(*command)

    return run


def planning(folder: Path, cells: int, runs: int) -> None:
    """plan.py, dry runs and runs with nothing to do."""
    ours, plain = (
        many.project(folder / f"ours-{cells}", cells, 500),
        bare(folder / f"bare-{cells}", cells),
    )
    dry, again = ("snakemake", "--cores", "2", "--dry-run"), ("snakemake", "--cores", "2")
    program = ("python", "workflow/scripts/plan.py")
    told("plan.py, nothing made", cells, *medians(runs, run_at(ours, *program)))
    first = medians(runs, run_at(ours, *dry), run_at(plain, *dry))
    told("dry run, nothing made", cells, *first)
    told("  the same of bare rules", cells, first[1])
    many.finish(ours)
    touch_all(plain)
    run_at(ours, *again)()
    told("plan.py, all made", cells, *medians(runs, run_at(ours, *program)))
    second = medians(runs, run_at(ours, *again), run_at(plain, *again))
    told("run, nothing to do", cells, *second)
    told("  the same of bare rules", cells, second[1])


def tables(folder: Path, cells: int, runs: int) -> None:
    """aggregate.py, compare.py and render.py."""
    ours = many.project(folder / f"tables-{cells}", cells, 500)
    many.finish(ours)
    made = {"aggregate": "study", "compare": "comparisons"}
    with many.steps_of(ours) as steps:
        for rule in ("aggregate", "compare", "render"):
            Path(f"{rule}.json").write_text(getattr(steps, rule).signed, encoding="utf-8")
    for rule, table in made.items():
        outputs = (f"--{kind}=results/{table}.{kind}" for kind in ("parquet", "csv"))
        line = ("python", f"workflow/scripts/{rule}.py", f"--spec={rule}.json", *outputs)
        told(rule, cells, *medians(runs, run_at(ours, *line, f"--lock=results/{table}.lock.json")))
    inputs = [f"--{table}=results/{table}.parquet" for table in made.values()]
    outputs = (
        "--output=results/report.html",
        "--charts=results/charts",
        "--lock=results/report.lock.json",
    )
    line = ("python", "workflow/scripts/render.py", "--spec=render.json", *inputs, *outputs)
    told("render", cells, *medians(runs, run_at(ours, *line)))
    size = (ours / "results/report.html").stat().st_size / 1e6
    print(f"{cells:6} cells  the report has {size:.1f} MB")


def scoring(folder: Path, jobs: int, runs: int) -> None:
    """score.py as the workflow starts it, a process a cell."""
    ours = many.project(folder / "score", jobs, 500)
    many.finish(ours)
    with many.steps_of(ours) as steps:
        lines = []
        for number, cell in enumerate(steps.cells[:jobs]):
            Path(f"{number}.json").write_text(steps.score(cell).signed, encoding="utf-8")
            folder = measurement_path(steps, cell).parent
            sample = Path("resources/samples", cell.task, steps.sample(cell.task).identity)
            given = {
                "spec": f"{number}.json",
                "requests": folder / "requests.jsonl",
                "measurement": folder / "measurement.json",
                "sample": sample / "sample.jsonl",
                "cell": "cell.json",
                "table": "cell.parquet",
            }
            options = (f"--{name}={value}" for name, value in given.items())
            lines.append((cell.task, ("python", "workflow/scripts/score.py", *options)))
    started = medians(runs, run_at(ours, "python", "workflow/scripts/score.py", "--help"))
    told("score.py --help, one", 1, *started)
    found = [(task, run_at(ours, *line)()) for task, line in lines]
    for task in many.KINDS:
        each = [figures for name, figures in found if name == task]
        told(f"score one of {task}", 1, [median(column) for column in zip(*each, strict=True)])
    told(
        "score.py, one after the other",
        jobs,
        [sum(column) for column in zip(*(f for _, f in found), strict=True)],
    )


def main() -> None:
    """Read the arguments and measure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("plan", "tables", "score"))
    parser.add_argument("--cells", type=int, nargs="+", default=[1000], help="sizes of the study")
    parser.add_argument("--runs", type=int, default=3, help="runs of which medians are taken")
    parser.add_argument("--keep", type=Path, help="an empty folder for the checkouts, to look at")
    arguments = parser.parse_args()
    measure = {"plan": planning, "tables": tables, "score": scoring}[arguments.what]
    print(" " * 48 + "wall   processor     peak   ratio")
    for cells in arguments.cells:
        if arguments.keep:
            measure(arguments.keep, cells, arguments.runs)
        else:
            with tempfile.TemporaryDirectory() as folder:
                measure(Path(folder), cells, arguments.runs)


if __name__ == "__main__":
    main()
