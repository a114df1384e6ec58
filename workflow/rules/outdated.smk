"""What cells, tables and the report are made of, and whether they still are.

Inputs: the freshness of common.smk.
They have fixed names: one that is out of date is renewed here.
"""


def renewed(output):
    """Have a finished but outdated result made again, whatever file times and records say."""
    if Path(output).exists():
        workflow.dag.forcefiles.add(output)


@told
def score_inputs(wildcards):
    cell = cell_of(wildcards)
    fresh = FRESH.cell(cell)
    if not fresh:
        renewed(str(freshness.cell_path(cell)))
    if not cell.planned:
        return {}
    folder = f"results/{cell.name}/{STEPS.measure(cell).identity}"
    inputs = {
        "requests": f"{folder}/requests.jsonl",
        "measurement": f"{folder}/measurement.json",
        "sample": sample_path(cell.task),
    }
    return {name: kept(path) if fresh else path for name, path in inputs.items()}


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
