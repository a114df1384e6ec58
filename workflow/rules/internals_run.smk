"""Snakemake's internals, part three: its locks, and its behaviour while jobs run.

See internals.smk.
"""

import sys

import snakemake.exceptions
import snakemake.jobs


def before_unlocking(check):
    """Calls `check` before Snakemake carries out --unlock."""
    unlock = part(workflow, "unlock")

    def checked():
        check()
        unlock()

    workflow.unlock = checked


def lift_locks():
    """Removes the locks of a killed run; must be called only if no other run is alive.

    Snakemake's own method removes their folder as well, without which it cannot lock.
    """
    for lock in Path(".snakemake/locks").glob("*.lock"):
        lock.unlink()


def when_locked(refuse):
    """Calls `refuse` if another run has locked files.

    Snakemake would advise unlocking, after which two runs would write to the same files.
    """
    snakemake.exceptions.LockException = refuse


def when_protected(refuse):
    """Calls `refuse` with the write-protected files that must be rebuilt.

    Snakemake would print a line for each of the files.
    """
    snakemake.jobs.ProtectedOutputException = lambda _job, files: refuse(files)


def lift_rate_limit():
    """Removes the limit on jobs per second, which Snakemake always sets.

    With it, the scheduler polls again a second after each poll: every job that ends starts one more
    such series, and a hundred of them take more than half a core from the timed jobs.
    """
    part(workflow.scheduler, "job_rate_limiter")
    workflow.scheduler.job_rate_limiter = None


def ask_slurm_again():
    """Makes Snakemake's executor query again the jobs on which Slurm did not answer.

    Version 2.8 of its plugin forgets all jobs if each of its attempts failed, as when the controller
    is down, and the run would wait for them forever. It records every answered round.
    """
    executor = part(workflow.scheduler, "_executor")
    check = part(executor, "check_active_jobs")
    answered = part(executor, "_status_query_cycle_rows")

    async def check_all(active_jobs):
        before = len(answered)
        async for job in check(active_jobs):
            yield job
        if active_jobs and len(answered) == before:
            print("Slurm does not answer; asking again", file=sys.stderr, flush=True)
            for job in active_jobs:
                yield job

    executor.check_active_jobs = check_all
