"""Snakemake's undocumented parts: each does what we use it for, and one that no longer did is noticed."""

from __future__ import annotations

import os
import re
import shutil
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from conftest import ROOT
from workspace import Workspace, refused

RULES = ROOT / "workflow/rules"
PARTS = ("internals", "internals_module", "internals_plan", "internals_run")
REPORT = "results/report.html"
Project = Callable[[str], Workspace]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Writes a Snakefile that has nothing of this workflow but the functions on trial."""

    def write(text: str) -> Workspace:
        parts = "".join(f"include: {str(RULES / f'{part}.smk')!r}\n" for part in PARTS)
        (tmp_path / "Snakefile").write_text(parts + text, encoding="utf-8")
        return Workspace(tmp_path)

    return write


COPY = """
def source(wildcards):
    {}
    return "a"
def tell():
    print("without", unplanned(), "for nothing", unneeded())
around_planning(lambda: print("planning", starts_jobs()), tell)
rule copy:
    input: source
    output: "b"
    shell: "cp a b"
"""


@pytest.mark.parametrize(
    ("line", "newer", "jobs", "said"),
    [
        ("", "b", 0, "without None for nothing None"),
        ("", "a", 1, "without None for nothing b"),
        ("force_rebuild('b')", "b", 1, "without None for nothing None"),
        ("FORCED.add('b')", "b", 0, "without b for nothing None"),
    ],
)
def test_a_forced_result_is_made_again(
    project: Project, line: str, newer: str, jobs: int, said: str
) -> None:
    """Input functions run before it is looked at; a plan that differs is noticed, dry or not."""
    place = project(COPY.format(line))
    for name in "ab":
        place.path(name).touch()
        os.utime(place.path(name), (0, 2000 if name == newer else 1000))
    for options in (["--dry-run"], []):
        log = place.build("--rerun-triggers", "mtime", *options)
        assert said in log
        assert f"planning {not options}" in log
        assert log.count("rule copy:") == jobs


def test_pools_are_limited(project: Project) -> None:
    """Jobs that together take more than there is never run at once."""
    place = project("""
default_pool("machine", 100)
rule all:
    input: expand("{one}", one="abcd")
rule one:
    output: "{one}"
    resources: machine=60
    shell: "mkdir alone && sleep 0.1 && touch {output} && rmdir alone"
""")
    place.build("--jobs", "4")


@pytest.mark.parametrize("lifted", [False, True])
def test_the_scheduler_does_not_look_again_and_again(project: Project, lifted: bool) -> None:
    """The exception is a limit of jobs per second, which it enforces itself."""
    place = project(f"""
onstart:
    workflow.scheduler._schedule_reevalutation = lambda delay: print("again in", delay)
    {"lift_rate_limit()" if lifted else ""}
rule one:
    output: "a"
    shell: "touch {{output}}"
""")
    assert ("again in" in place.build()) != lifted


def test_who_plans_and_who_carries_out_a_job(project: Project) -> None:
    """Only the one that plans may say what is wrong, lift locks and cancel jobs."""
    place = project("""
print("parsed", in_job(), in_cluster_job())
around_planning(lambda: print("planning"), lambda: None)
rule one:
    output: "a"
    shell: "ls .snakemake/locks > {output}"
""")
    for options, said in (
        ([], "parsed False False"),
        (["--mode", "subprocess"], "parsed True False"),
        (["--mode", "remote"], "parsed True True"),
    ):
        log = place.build("--force", *options)
        assert said in log
        assert ("planning" in log) != bool(options)
        # The argument that `lift_locks` looks for.
        assert place.path("a").read_text(encoding="utf-8").split() == ["0.output.lock"]


def test_locks_are_lifted_by_a_run_alone(place: Workspace) -> None:
    """A dry run, a summary and a request for one more thing leave everything as it is."""
    lock, beside = place.path(".snakemake/locks/0.output.lock"), place.path(".snakemake/note.lock")
    lock.parent.mkdir(exist_ok=True)
    for path in (lock, beside):
        path.write_text(f"{REPORT}\n", encoding="utf-8")
    for options in ("--dry-run", "--summary", "--list-rules", "--dag"):
        assert place.snakemake(options).returncode == 0
        assert lock.exists(), options
    place.build()
    assert not lock.exists()
    assert beside.exists()


START, _, PLAN, RUN = (f"workflow/rules/{name}.smk" for name in PARTS)
UPGRADES = {
    "files are forced in another way": (
        PLAN, 'part(workflow.dag, "forcefiles").add(output)', "pass",
        ["results/tiny-llama/cpu/sums.json", "is out of date but would not be rebuilt"],
    ),
    "what is to run is known elsewhere": (
        PLAN, 'part(workflow.dag, "needrun_jobs")()', "[]",
        ["results/", "is out of date but would not be rebuilt"],
    ),
    "a name is missing": (PLAN, '"needrun_jobs"', '"jobs_to_be"', ["has no DAG.jobs_to_be", "9.27"]),
    "planning is called by another name": (
        PLAN, "workflow._build_dag = planned", "pass", ["starts differently from 9.27"],
    ),
    "jobs are forced that are not ours to force": (
        PLAN, "FORCED.add(output)", "pass", ["is up to date but would be rebuilt"],
    ),
    "files of --configfile are read by another function": (
        "workflow/scripts/frontier/catalogue/snakemake_files.py", "types.load_configfile = load", "pass",
        ["config.yaml", "was read by Snakemake itself"],
    ),
    "it is too old": (START, '"9.0"', '"9.99"', ["is too old", "9.27"]),
}  # fmt: skip


@pytest.mark.parametrize("case", UPGRADES)
def test_what_an_upgrade_would_break_in_silence(place: Workspace, case: str) -> None:
    """One line, and nothing is built: our own files are edited to lack what Snakemake removed."""
    name, before, after, words = UPGRADES[case]
    place.edit(name, before, after)
    cell = place.path("results/tiny-llama/cpu/sums.json")
    cell.write_text(cell.read_text(encoding="utf-8").replace("tiny-llama", "tiny-lama"), "utf-8")
    stamp = place.path(REPORT).stat().st_mtime_ns
    refused(place.snakemake("--configfile", "config/config.yaml"), *words)
    assert place.path(REPORT).stat().st_mtime_ns == stamp
    assert not list(place.root.glob(".snakemake/locks/*.lock"))


def test_another_version(place: Workspace) -> None:
    """Said once, by the run and not by its jobs; it works all the same."""
    place.edit(START, '"9.27"', '"9.26"')
    log = place.build()
    (line,) = [line for line in log.splitlines() if "was not tested" in line]
    assert re.fullmatch(r"Snakemake 9\.27\.\d+ was not tested, 9\.26 was", line)


def test_without_the_default_profile(place: Workspace) -> None:
    """A mistyped --workflow-profile is no error to Snakemake, and means another way of planning."""
    for profile in ("none", "profiles/defualt"):
        refused(place.snakemake("-n", "--workflow-profile", profile), "profiles/default")


def test_the_version_tried_is_the_one_pinned() -> None:
    """pyproject.toml and constraints.txt have it with its patch."""
    text = (RULES / "internals.smk").read_text(encoding="utf-8")
    tried = re.findall(r'^TRIED, OLDEST = "([\d.]+)"', text, re.MULTILINE)
    pinned = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    for lines in (pinned, settings["project"]["dependencies"]):
        (version,) = [one.removeprefix("snakemake==") for one in lines if "snakemake==" in one]
        assert [version.rpartition(".")[0]] == tried


def test_undocumented_parts_are_named_in_one_place() -> None:
    """The other rules speak of models and cells."""
    inside = re.compile(r"workflow\.(?!basedir)|snakemake\.(?!__version__)|\._[a-z]|sys\.argv")
    for path in RULES.glob("*.smk"):
        if path.stem not in PARTS:
            text = path.read_text(encoding="utf-8").partition('"""\n')[2]
            assert not inside.search(text.replace(".snakemake", "")), path


@pytest.mark.parametrize("gone", ["samples/sums", "models/tiny-llama", "datasets"])
def test_inputs_that_are_gone_are_brought_back_for_one_cell(place: Workspace, gone: str) -> None:
    """The inputs of the others come back as well, and these stay as they are."""
    shutil.rmtree(place.path(f"resources/{gone}"))
    shutil.rmtree(place.path("results/tiny-llama/cpu/sums"))
    place.path("results/tiny-llama/cpu/sums.json").unlink()
    jobs = {job for job in place.jobs() if "tiny" in job and not job.startswith("grow")}
    assert jobs == {"measure tiny-llama sums", "score tiny-llama sums"}
