"""What cells, tables and the report are made of, and whether they still are.

Inputs: the freshness of common.smk.
They have fixed names: one that is out of date is renewed here.
"""


def renewed(output):
    """Have a finished but outdated result made again, whatever file times and records say."""
    if Path(output).exists():
        workflow.dag.forcefiles.add(output)


@functools.cache
def broken_lock(lock):
    broken = lock.exists() and not locks.lock_is_whole(lock)
    if broken and workflow.is_main_process:
        words = "not as it was written; what it is of is made again"
        print(f"{lock}: {words}", file=sys.stderr)
    return broken


def measured_again(cell, measured):
    """Have a measurement made again that is not as it was written, but for what is left of it."""
    requests = freshness.measurement_path(STEPS, cell).with_name("requests.jsonl")
    renewed(str(requests))
    renewed(str(requests.with_name("measurement.json")))
    left = requests.with_name("journal.jsonl")
    if (
        measured
        and not (left.exists() and left.stat().st_size)
        and workflow.is_main_process
        and not workflow.dryrun
    ):
        journal.restore(requests, measured, STEPS.measure(cell).identity)


def is_forced(job):
    return workflow.dag.reason(job).forced


@told
def time_again(jobs):
    """Have forced measurements ask every request, also what was asked for another sample.

    An empty journal says so. One that was altered is forced above, and takes what is left.
    """
    for job in jobs:
        if job.rule.name == "measure" and is_forced(job):
            if not FRESH.measured(cell_of(job.wildcards))[1]:
                folder = Path(job.output.requests).parent
                folder.mkdir(parents=True, exist_ok=True)
                folder.joinpath("journal.jsonl").touch()


@told
def score_inputs(wildcards):
    cell = cell_of(wildcards)
    fresh = FRESH.cell(cell)
    if not fresh:
        renewed(str(freshness.cell_path(cell)))
    if not cell.planned:
        return {}
    measured, altered = FRESH.measured(cell)
    if altered:
        measured_again(cell, measured)
    folder = f"results/{cell.name}/{STEPS.measure(cell).identity}"
    inputs = {
        "requests": f"{folder}/requests.jsonl",
        "measurement": f"{folder}/measurement.json",
        "sample": sample_path(cell.task),
    }
    if fresh:
        return {name: kept(path, needed=False) for name, path in inputs.items()}
    kept(inputs["sample"])  # drawn again if its lock is broken
    return inputs


@functools.cache
def added_cells():
    """The cells from elsewhere, unaltered."""
    bundles.check_added(Path("results"), shown=True)
    return list(map(str, bundles.added_cells(Path("results"))))


def all_cells(fresh, lock):
    """The study's cells, for a table of them that is renewed unless it is `fresh`."""
    paths = [str(freshness.cell_path(cell)) for cell in STEPS.cells]
    paths += added_cells()
    if fresh:
        return [kept(path) for path in paths]
    renewed(lock)
    return paths


@told
def study_cells(wildcards):
    return all_cells(FRESH.study(), "results/study.lock.json")


@told
def compared_cells(wildcards):
    return all_cells(FRESH.comparisons(), "results/comparisons.lock.json")


@told
def report_inputs(wildcards):
    tables = {name: f"results/{name}.lock.json" for name in ("study", "comparisons")}
    if FRESH.report():
        return {name: kept(path) for name, path in tables.items()}
    # Not the lock: nobody asks for that, so Snakemake would not miss it.
    renewed("results/report.html")
    return tables
