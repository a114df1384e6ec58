"""The inputs of cells, tables and the report, and whether they are out of date.

Inputs: the freshness of common.smk.
Their names are fixed, so this file decides when they are rebuilt.
"""

LEFT_OF = shared("left_of", {})
"""Altered measurements' content by their requests' path, for `restore_records`."""


def measure_again(path, measured, identity):
    """Repeats an altered measurement, except for its intact records."""
    requests = path.with_name(layout.REQUESTS)
    force_rebuild(str(requests))
    force_rebuild(str(path))
    if measured:
        LEFT_OF[requests] = (measured, identity)


@report_user_errors
def time_again():
    """Makes forced or finished measurements repeat requests asked for other samples too.

    An empty journal marks them. An altered one is forced above and reuses its intact records.
    """
    for job in jobs_to_run("measure"):
        # A finished one is rebuilt if something below it is forced.
        again = is_forced(job) or all(Path(file).exists() for file in job.output)
        if again and not FRESH.measured(cell_of(job.wildcards))[1]:
            folder = Path(job.output.requests).parent
            folder.mkdir(parents=True, exist_ok=True)
            folder.joinpath(layout.JOURNAL).touch()


@report_user_errors
def restore_records():
    """Saves the intact records of altered measurements before Snakemake deletes them."""
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
        measure_again(STEPS.measurement(cell), measured, STEPS.measure(cell).identity)
    inputs = inputs_of(JOBS.score(cell), needed=not fresh)
    if judging := STEPS.judging(cell):
        found, altered = FRESH.judged(cell)
        if altered:
            measure_again(judging.measurement, found, judging.measure.identity)
        pairs = judging.asked.with_name(layout.PAIRS)
        said = judging.measurement.with_name(layout.REQUESTS)
        inputs |= {
            "pairs": existing(str(pairs), not fresh),
            "said": existing(str(said), not fresh),
        }
    requests = JOBS.measure(cell).output.with_name(layout.REQUESTS)
    return {"requests": existing(str(requests), needed=not fresh), **inputs}


@functools.cache
def added_cells():
    """The cells added from other machines, checked for alterations."""
    bundles.check_added(layout.RESULTS, shown=True)
    return list(map(str, bundles.added_cells(layout.RESULTS)))


def all_cells(fresh, lock):
    """The study's cells, for a table that is rebuilt unless it is `fresh`."""
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
    added_cells()  # rejects altered ones, even if nothing needs them
    fresh = FRESH.report()
    if not fresh:
        # Not the lock: no rule requires it, so Snakemake would not notice that it is missing.
        force_rebuild(str(layout.report()))
    if not lists_inputs(not fresh):
        return {}
    tables = {name: str(layout.lock(name)) for name in layout.TABLES}
    return {name: existing(path, needed=not fresh) for name, path in tables.items()}
