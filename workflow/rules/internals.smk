"""Snakemake's inside: what its documentation does not name and we use, a function each, with why.

All of it was tried with version 9.27, the first that this workflow ran with; under another minor
version a run says so. What an upgrade could break without a word is looked at once the jobs are
known (lifecycle.smk), or has a test in tests/workflow/test_internals.py. internals_module.smk has
what concerns other workflows, internals_plan.smk planning, internals_run.smk a run and its locks, and
frontier/catalogue/snakemake_files.py what must be in place before Snakemake reads any file of ours.
"""

import functools
import os
import sys

import snakemake

TRIED, OLDEST = "9.27", "9.0"


def end_run(line):
    """End this process at once with one line, and with the locks lifted that its run holds.

    An exception in an input function would be reported over several lines, with code.
    """
    print(f"error: {line}", file=sys.stderr, flush=True)
    if getattr(workflow.persistence, "_lockfile", None):
        workflow.persistence.unlock()
    os._exit(1)


def report_user_errors(function):
    """The same function, but a fault of the user's input ends Snakemake with its one line."""

    @functools.wraps(function)
    def reporting(*arguments):
        try:
            return function(*arguments)
        except UserError as error:
            end_run(one_line(error))

    return reporting


def part(owner, name):
    """A part of Snakemake that a later version may not have, which would end with a traceback."""
    if not hasattr(owner, name):
        end_run(
            f"Snakemake {snakemake.__version__} has no {type(owner).__name__}.{name}, which this"
            f" workflow needs: it was tried with {TRIED} (make setup installs that)"
        )
    return getattr(owner, name)


def in_job():
    """Whether this process carries out a job of another one, which has said all there is to say."""
    return not part(workflow, "is_main_process")


def check_version():
    """Say that a version was not tried, or that it is too old; min_version takes several lines."""
    found = snakemake.__version__
    minor, tried, oldest = (
        tuple(map(int, version.split(".")[:2])) for version in (found, TRIED, OLDEST)
    )
    if minor < oldest:
        end_run(f"Snakemake {found} is too old: this workflow was tried with {TRIED}")
    if minor != tried and not in_job():
        print(f"Snakemake {found} was not tried, {TRIED} was", file=sys.stderr)


def in_cluster_job():
    """Whether this process carries out a job on a cluster's node."""
    return part(workflow, "remote_exec")


def is_run():
    """Whether this process makes or, in a dry run, lists jobs: no question such as --summary."""
    return part(workflow, "executor_plugin") is not None


def starts_jobs():
    """Whether this process may change what lies here before it starts jobs."""
    return is_run() and not part(workflow, "dryrun") and not in_job()


def runs_here():
    """Whether jobs run on this host, not on a cluster's nodes."""
    return part(workflow, "local_exec")


def runs_on_slurm():
    return is_run() and workflow.executor_plugin.name == "slurm"


def default_profile_is_read():
    """Whether profiles/default is: nothing but it says what this looks at, jobs need none of it."""
    return part(workflow, "execution_settings").ignore_incomplete


def study_settings():
    """The files of --configfile and the texts of --config, which Snakemake's `config` merges."""
    settings = part(workflow, "config_settings")
    return settings.configfiles, settings.config_args or []


check_version()


include: "internals_module.smk"
include: "internals_plan.smk"
include: "internals_run.smk"
