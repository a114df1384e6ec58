"""The cost of large studies: wall-clock and processor seconds, and peak megabytes.

    python tests/scale.py plan --cells 1000 10000    plan.py; a dry run of a study without results;
        a run of one that is. The last two next to a bare Snakemake (tests/bare.smk) with as many
        jobs and files of rules that do nothing, in turns: medians, and the ratio of the medians
    python tests/scale.py tables --cells 1000 10000  aggregate, compare, render; and how long the
        report takes to open in chromium, and to leave cells out
    python tests/scale.py score --cells 200          the workflow scores so many cells, two at a
        time; and what of that is the start of Python and its imports

The cells have 500 requests each and are invented by tests/many.py. Equal ones share their files, so
the disk holds little and files are read from memory. Everything is in a temporary folder, or in --keep.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow" / "scripts"))

import browser
import many
from frontier.planning import cells as plan
from workspace import ROOT

REQUESTS = 500
SNAKEMAKE = ("snakemake", "--cores", "2")
# A process's peak counts that of the one that started it, so a small one starts it.
METER = """
import os, sys, time
start = time.monotonic()
null = os.open(os.devnull, os.O_WRONLY)
at = [(os.POSIX_SPAWN_DUP2, null, 1), (os.POSIX_SPAWN_DUP2, null, 2)]
child = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ, file_actions=at)
_, status, used = os.wait4(child, 0)
print(time.monotonic() - start, used.ru_utime + used.ru_stime, used.ru_maxrss, status)
"""
MAXRSS_BYTES = 1 if sys.platform == "darwin" else 1024
Figures = list[float]


def metered(folder: Path, *command: str) -> Figures:
    """Seconds by the clock, seconds of the processor and peak megabytes of a command."""
    program = shutil.which(command[0])
    assert program, command[0]
    line = [sys.executable, "-I", "-S", "-c", METER, program, *command[1:]]
    done = subprocess.run(line, cwd=folder, capture_output=True, text=True, check=True)
    wall, processor, peak, status = map(float, done.stdout.split())
    if status:
        failed = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        raise SystemExit(f"{command[:4]} in {folder}:\n{failed.stdout}{failed.stderr}")
    return [wall, processor, peak * MAXRSS_BYTES / 1e6]


def medians(runs: int, *commands: Callable[[], Figures]) -> list[Figures]:
    """The medians of each command's figures; the commands take turns."""
    found = [[command() for command in commands] for _ in range(runs)]
    by_command = zip(*found, strict=True)
    return [[median(column) for column in zip(*each, strict=True)] for each in by_command]


def tell(cells: int, what: str, figures: Figures, against: Figures | None = None) -> None:
    """Prints a line of the table; ratios of the clock's and of the processor's seconds."""
    ratios = [a / b for a, b in zip(figures, against, strict=True)][:2] if against else []
    columns = "".join(f"{ratio:8.2f}" for ratio in ratios)
    wall, processor, peak = figures
    print(f"{cells:6}  {what:30}{wall:9.2f}{processor:11.2f}{peak:8.0f}{columns}", flush=True)


def beside(cells: int, what: str, runs: int, ours: Path, bare: Path, *command: str) -> None:
    """Measures a command in both checkouts, in turns."""
    first, second = medians(runs, lambda: metered(ours, *command), lambda: metered(bare, *command))
    tell(cells, what, first, second)
    tell(cells, "  the same of a bare Snakemake", second)


def bare_project(folder: Path, cells: int) -> Path:
    """A checkout of tests/bare.smk for so many cells."""
    folder.mkdir(parents=True)
    shutil.copy(ROOT / "tests/bare.smk", folder / "Snakefile")
    shutil.copytree(ROOT / "profiles", folder / "profiles")
    variants = {
        plan.variant_id(model, quantization): model
        for model in many.models(cells)
        for quantization in many.QUANTIZATIONS
    }
    axes = {"variants": variants, "devices": list(many.DEVICES), "tasks": list(many.KINDS)}
    (folder / "config.json").write_text(json.dumps(axes), encoding="utf-8")
    return folder


def touch_all(folder: Path) -> None:
    """Writes all outputs of a bare Snakefile, inputs before the results that need them."""
    command = [*SNAKEMAKE, "--dry-run"]
    listed = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    for line in listed.stdout.splitlines():
        if line.startswith("    output: "):
            for name in line.removeprefix("    output: ").split(", "):
                path = folder / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.touch()


def planning(folder: Path, cells: int, runs: int) -> None:
    """plan.py, dry runs, and runs with nothing to do."""
    program = ("python", "workflow/scripts/plan.py")
    ours = many.project(folder / f"ours-{cells}", cells, REQUESTS)
    bare = bare_project(folder / f"bare-{cells}", cells)
    tell(cells, "plan.py, nothing made", *medians(runs, lambda: metered(ours, *program)))
    beside(cells, "dry run, nothing made", runs, ours, bare, *SNAKEMAKE, "--dry-run")
    many.finish(ours)
    touch_all(bare)
    tell(cells, "the tables and the report", metered(ours, *SNAKEMAKE))
    tell(cells, "plan.py, all made", *medians(runs, lambda: metered(ours, *program)))
    beside(cells, "run, nothing to do", runs, ours, bare, *SNAKEMAKE)


def tables(folder: Path, cells: int, runs: int) -> None:
    """aggregate.py, compare.py and render.py, and the report in a browser."""
    ours = many.project(folder / f"tables-{cells}", cells, REQUESTS)
    many.finish(ours)
    built = {"aggregate": "study", "compare": "comparisons", "render": "report"}
    options = {
        rule: [f"--{kind}=results/{name}.{kind}" for kind in ("parquet", "csv")]
        for rule, name in built.items()
    }
    options["render"] = [f"--{name}=results/{name}.parquet" for name in ("study", "comparisons")]
    options["render"] += ["--output=results/report.html", "--charts=results/charts"]
    with many.steps_of(ours) as steps:
        for rule in built:
            Path(f"{rule}.json").write_text(
                getattr(steps, rule).spec_with_identity, encoding="utf-8"
            )
    for rule, name in built.items():
        line = ["python", f"workflow/scripts/{rule}.py", f"--spec={rule}.json", *options[rule]]
        line.append(f"--lock=results/{name}.lock.json")
        tell(cells, rule, *medians(runs, lambda line=line: metered(ours, *line)))
    report = ours / "results/report.html"
    print(f"{cells:6}  the report has {report.stat().st_size / 1e6:.1f} MB", flush=True)
    if browser.CHROMIUM:
        for name, figure in browser.behaviour(report).items():
            print(f"{cells:6}    {name}: {figure}", flush=True)


def scoring(folder: Path, cells: int, runs: int) -> None:
    """The workflow's own scoring, a process a cell; --runs counts for the start alone."""
    ours = many.project(folder / f"score-{cells}", cells, REQUESTS)
    many.finish(ours)
    with many.steps_of(ours) as steps:
        paths = [cell.place.summary for cell in steps.cells]
    for path in paths:
        (ours / path).unlink()
    line = (*SNAKEMAKE, *map(str, paths))
    tell(cells, "score each, two at a time", metered(ours, *line))
    tell(cells, "plan that nothing is to be scored", *medians(runs, lambda: metered(ours, *line)))
    start = ("python", "workflow/scripts/score.py", "--help")
    tell(1, "score.py --help", *medians(runs, lambda: metered(ours, *start)))


def main() -> None:
    """Reads the arguments and measures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    measures = {"plan": planning, "tables": tables, "score": scoring}
    parser.add_argument("what", choices=measures)
    parser.add_argument("--cells", type=int, nargs="+", default=[1000], help="sizes of the study")
    parser.add_argument("--runs", type=int, default=3, help="runs of which medians are taken")
    parser.add_argument("--keep", type=Path, help="an empty folder for the checkouts, to look at")
    arguments = parser.parse_args()
    print(" cells" + " " * 37 + "wall s  processor s      MB   ratio of both")
    for cells in arguments.cells:
        with contextlib.ExitStack() as stack:
            folder = arguments.keep or Path(stack.enter_context(tempfile.TemporaryDirectory()))
            measures[arguments.what](folder, cells, arguments.runs)


if __name__ == "__main__":
    main()
