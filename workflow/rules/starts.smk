"""Hooks for when the jobs of a run are known and about to start, and when it succeeds.

Inputs: the plan, and the host.
"""

from frontier.serving import servers

RENDERING = []
"""The jobs of this run that write the report."""


def how_to_go_on():
    print(
        "Finished work is saved; run the same command again to continue.",
        file=sys.stderr,
    )


def begin():
    """Runs once the jobs are known, before the first of them."""
    # At any end but a success: Snakemake does not always call `onerror`, for example if
    # it cannot write its records.
    atexit.register(how_to_go_on)
    jobs = jobs_to_run()
    if not STARTED or not (jobs or is_module()):
        end_run(f"Snakemake {snakemake.__version__} starts differently from {TRIED}")
    lift_rate_limit()
    RENDERING.extend(jobs_to_run("render"))
    report_user_errors(workplace.check_writable)(
        Path(file) for job in jobs for file in job.output
    )
    restore_records()
    time_again()
    # Only a local run measures on this host; a cluster's jobs check theirs.
    if runs_here():
        check_host()
        atexit.register(servers.end_kept)
        atexit.register(forked.end, os.getpid())
    else:
        slurm.SUBMITTED.touch()
        if runs_on_slurm():
            ask_slurm_again()


def show_answers():
    """Prints the answer for each task, as this run's report has it."""
    table = layout.table(layout.ANSWERS, "txt")
    print(table.read_text(encoding="utf-8"), end="", file=sys.stderr, flush=True)


def succeed():
    atexit.unregister(how_to_go_on)
    if RENDERING:
        show_answers()


onstart:
    begin()


onsuccess:
    succeed()
