"""Snakemake's internals: the undocumented parts that we use, one function each, with the reason.

All were tested with version 9.27, the first that this workflow ran with; a run under another minor
version prints a note. What an upgrade could break silently is checked once the jobs are known
(lifecycle.smk), or has a test in tests/workflow/test_internals.py. internals_module.smk is about
other workflows, internals_plan.smk about planning, internals_run.smk about a run and its locks, and
frontier/catalogue/snakemake_files.py about what must happen before Snakemake reads our files.
"""

import functools
import os
import sys

import snakemake

TRIED, OLDEST = "9.27", "9.0"


def end_run(line):
    """Ends this process at once with one line, releasing the locks of its run.

    An exception in an input function would be reported over several lines, with code.
    """
    print(f"error: {line}", file=sys.stderr, flush=True)
    if getattr(workflow.persistence, "_lockfile", None):
        workflow.persistence.unlock()
    os._exit(1)


def report_user_errors(function):
    """Wraps a function so that a UserError ends Snakemake with its one line."""

    @functools.wraps(function)
    def reporting(*arguments):
        try:
            return function(*arguments)
        except UserError as error:
            end_run(one_line(error))

    return reporting


def part(owner, name):
    """An attribute of Snakemake's that later versions may lack; ends with one line if so."""
    if not hasattr(owner, name):
        end_run(
            f"Snakemake {snakemake.__version__} has no {type(owner).__name__}.{name}, which this"
            f" workflow needs: it was tested with {TRIED} (make setup installs that)"
        )
    return getattr(owner, name)


def in_job():
    """True if this process runs a job for another one, which has already printed everything."""
    return not part(workflow, "is_main_process")


def check_version():
    """Reports a version that was not tested or is too old; min_version prints several lines."""
    found = snakemake.__version__
    minor, tried, oldest = (
        tuple(map(int, version.split(".")[:2])) for version in (found, TRIED, OLDEST)
    )
    if minor < oldest:
        end_run(f"Snakemake {found} is too old: this workflow was tested with {TRIED}")
    if minor != tried and not in_job():
        print(f"Snakemake {found} was not tested, {TRIED} was", file=sys.stderr)


def in_cluster_job():
    """True if this process runs a job on a cluster's node."""
    return part(workflow, "remote_exec")


def is_run():
    """True if this process runs jobs or lists them in a dry run, unlike --summary."""
    return part(workflow, "executor_plugin") is not None


def starts_jobs():
    """True if this process starts jobs, and may change files before it does."""
    return is_run() and not part(workflow, "dryrun") and not in_job()


def runs_here():
    """True if jobs run on this host, not on a cluster's nodes."""
    return part(workflow, "local_exec")


def runs_on_slurm():
    return is_run() and workflow.executor_plugin.name == "slurm"


def default_profile_is_read():
    """True if profiles/default was loaded, by a setting that nothing else has; jobs need none."""
    return part(workflow, "execution_settings").ignore_incomplete


def study_settings():
    """The files of --configfile and the texts of --config, before Snakemake merges them."""
    settings = part(workflow, "config_settings")
    return settings.configfiles, settings.config_args or []


check_version()


include: "internals_module.smk"
include: "internals_plan.smk"
include: "internals_run.smk"
