"""What cells, tables and the report are made of, and whether they still are.

Inputs: the freshness of common.smk.
They have fixed names: one that is out of date is made again because this says so.
"""

LEFT_OF = shared("left_of", {})
"""What a measurement says that is not as it was written, by its requests: for `restore_records`."""


def measure_again(cell, measured):
    """Have a measurement made again that is not as it was written, but for what is left of it."""
    requests = STEPS.measurement(cell).with_name(layout.REQUESTS)
    force_rebuild(str(requests))
    force_rebuild(str(requests.with_name(layout.MEASUREMENT)))
    if measured:
        LEFT_OF[requests] = (measured, STEPS.measure(cell).identity)


@report_user_errors
def time_again():
    """Have measurements that are forced, or finished, ask what was asked for other samples too.

    An empty journal says so. One that was altered is forced above, and takes what is left.
    """
    for job in jobs_to_run("measure"):
        # What is finished is made again where something below it is forced.
        again = is_forced(job) or all(Path(file).exists() for file in job.output)
        if again and not FRESH.measured(cell_of(job.wildcards))[1]:
            folder = Path(job.output.requests).parent
            folder.mkdir(parents=True, exist_ok=True)
            folder.joinpath(layout.JOURNAL).touch()


@report_user_errors
def restore_records():
    """Write down what is left of altered measurements before Snakemake deletes them."""
    for requests, (measured, identity) in LEFT_OF.items():
        left = requests.with_name(layout.JOURNAL)
        if not (left.exists() and left.stat().st_size):
            journal.restore(requests, measured, identity)


@report_user_errors
def score_inputs(wildcards):
    cell = cell_of(wildcards)
    fresh = FRESH.cell(cell)
    if not fresh:
        force_rebuild(str(cell.place.summary))
    if not cell.planned or not lists_inputs(not fresh):
        return {}
    measured, altered = FRESH.measured(cell)
    if altered:
        measure_again(cell, measured)
    inputs = inputs_of(JOBS.score(cell), needed=not fresh)
    requests = JOBS.measure(cell).output.with_name(layout.REQUESTS)
    return {"requests": existing(str(requests), needed=not fresh), **inputs}


@functools.cache
def added_cells():
    """The cells from elsewhere, unaltered."""
    bundles.check_added(layout.RESULTS, shown=True)
    return list(map(str, bundles.added_cells(layout.RESULTS)))


def all_cells(fresh, lock):
    """The study's cells, for a table of them that is made again unless it is `fresh`."""
    added = added_cells()
    if not fresh:
        force_rebuild(str(lock))
    if not lists_inputs(not fresh):
        return []
    paths = [str(cell.place.summary) for cell in STEPS.cells] + added
    return paths if not fresh else [existing(path, needed=False) for path in paths]


@report_user_errors
def study_cells(wildcards):
    return all_cells(FRESH.study(), layout.lock(layout.STUDY))


@report_user_errors
def compared_cells(wildcards):
    return all_cells(FRESH.comparisons(), layout.lock(layout.COMPARISONS))


@report_user_errors
def report_inputs(wildcards):
    added_cells()  # refused if altered, also where nothing is to be made of them
    fresh = FRESH.report()
    if not fresh:
        # Not the lock: nobody asks for that, so Snakemake would not miss it.
        force_rebuild(str(layout.report()))
    if not lists_inputs(not fresh):
        return {}
    tables = {name: str(layout.lock(name)) for name in layout.TABLES}
    return {name: existing(path, needed=not fresh) for name, path in tables.items()}
