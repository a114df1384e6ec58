"""What happens around a run: what a killed one left, what it must know first, how it goes on.

Inputs: .snakemake/, and the host.
"""

import snakemake.exceptions
import snakemake.jobs

PRESENCE = {}


@told
def another_run():
    raise UserError(
        "another Snakemake is at work here on the same files: wait until it has ended, or end it;"
        " nothing is to be unlocked"
    )


@told
def write_protected(_job, paths):
    words = "is to be made again, and may not be written to; the same command goes on when it may"
    raise UserError(f"{paths[0]}: {words}")


# In place of several lines, and of as many as there are files.
snakemake.jobs.ProtectedOutputException = write_protected

if "--unlock" in sys.argv and not presence.alone(Path(".snakemake/presence"))[0]:
    another_run()


@functools.cache
def lift_stale_locks():
    """Lift the locks that a killed run left, if no other run is alive: the same command goes on.

    Called while the DAG is built, which is before Snakemake looks for locks.
    """
    if workflow.is_main_process and not workflow.dryrun:
        first, PRESENCE["file"] = presence.alone(Path(".snakemake/presence"))
        if first:
            slurm.cancel_orphans(Path.cwd())
            for stale in Path(".snakemake/locks").glob("*.lock"):
                stale.unlink()
        else:
            # Raised where files are locked. Snakemake itself would advise to lift the locks, after
            # which two runs write to the same files.
            snakemake.exceptions.LockException = another_run


def how_to_go_on():
    print("What is finished is kept; the same command goes on.", file=sys.stderr)


onstart:
    # With a limit on jobs a second, of which there is always one, Snakemake's scheduler looks again
    # a second after each look: every job that ends starts one more such row, and a hundred of them
    # take more than half a core from what is timed.
    workflow.scheduler.job_rate_limiter = None
    # At the end of anything but a success: Snakemake ends otherwise than by `onerror` too, where it
    # cannot write down what it did.
    atexit.register(how_to_go_on)
    jobs = list(workflow.dag.needrun_jobs())
    told(workplace.check_writable)(
        Path(file) for job in jobs for file in job.output
    )
    time_again(jobs)
    # Only a local run measures on this host; a cluster's jobs look at their own.
    if workflow.local_exec:
        check_host(jobs)
    else:
        slurm.SUBMITTED.touch()
        if workflow.executor_plugin.name == "slurm":
            slurm.keep_unanswered(workflow.scheduler._executor)


onsuccess:
    atexit.unregister(how_to_go_on)
