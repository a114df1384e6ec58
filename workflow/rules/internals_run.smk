"""Snakemake's inside, third part: its locks, and what it does while jobs run.

As internals.smk: a function each, tried with the version that stands there.
"""

import sys

import snakemake.exceptions
import snakemake.jobs


def before_unlocking(check):
    """Call `check` before Snakemake does what --unlock asks for."""
    unlock = part(workflow, "unlock")

    def checked():
        check()
        unlock()

    workflow.unlock = checked


def lift_locks():
    """Lift locks that a killed run left; to be called where no other run is alive.

    Snakemake's own way takes away their folder as well, without which it cannot lock.
    """
    for lock in Path(".snakemake/locks").glob("*.lock"):
        lock.unlink()


def when_locked(refuse):
    """Have `refuse` called where another run has locked files.

    Snakemake would advise to lift these locks, after which two runs write to the same files.
    """
    snakemake.exceptions.LockException = refuse


def when_protected(refuse):
    """Have `refuse` called with the files that are to be made again and may not be written to.

    Snakemake would say so in several lines, as many as there are files.
    """
    snakemake.jobs.ProtectedOutputException = lambda _job, files: refuse(files)


def lift_rate_limit():
    """Take away the limit on jobs a second, of which there is always one.

    With it, the scheduler looks again a second after each look: every job that ends starts one
    more such row, and a hundred of them take more than half a core from what is timed.
    """
    part(workflow.scheduler, "job_rate_limiter")
    workflow.scheduler.job_rate_limiter = None


def ask_slurm_again():
    """Let Snakemake's executor ask again for jobs of which Slurm said nothing.

    Version 2.8 of its plugin forgets all jobs when each of its attempts to ask failed, as while the
    controller is away, and the run would wait for them for ever. It notes every answered round.
    """
    executor = part(workflow.scheduler, "_executor")
    check = part(executor, "check_active_jobs")
    answered = part(executor, "_status_query_cycle_rows")

    async def check_all(active_jobs):
        before = len(answered)
        async for job in check(active_jobs):
            yield job
        if active_jobs and len(answered) == before:
            print(
                "Slurm does not answer; it is asked again", file=sys.stderr, flush=True
            )
            for job in active_jobs:
                yield job

    executor.check_active_jobs = check_all
