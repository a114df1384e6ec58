"""What happens around a run: what a killed one left, what it must know first, how it goes on.

Inputs: .snakemake/, and the host.
"""

import forked

PRESENCE = Path(".snakemake/presence")
STARTED = []
"""Holds the open file by which others see this run, once it has started."""


@report_user_errors
def another_run():
    raise UserError(
        "another Snakemake is at work here on the same files: wait until it has ended, or end it;"
        " nothing is to be unlocked"
    )


@report_user_errors
def write_protected(paths):
    words = "is to be made again, and may not be written to; the same command goes on when it may"
    raise UserError(f"{paths[0]}: {words}")


def refuse_unlocking():
    if not presence.acquire_run_lock(PRESENCE)[0]:
        another_run()


@report_user_errors
def start_run():
    """Take up what a killed run left, if no other run is alive: the same command goes on."""
    if is_run() and not default_profile_is_read():
        raise UserError(
            "profiles/default is not read, without which finished work is repeated or left out:"
            " --workflow-profile names another, or one that does not exist; leave it out"
        )
    if not starts_jobs():
        return
    first, file = presence.acquire_run_lock(PRESENCE)
    STARTED.append(file)
    if first:
        slurm.cancel_orphans(Path.cwd())
        lift_locks()
    else:
        when_locked(another_run)


@report_user_errors
def check_plan():
    """What Snakemake is going to do is what the digests say: some of its ways are undocumented."""
    if not is_run():
        return
    otherwise = (
        f"by Snakemake {snakemake.__version__}; this workflow was tried with {TRIED}"
    )
    if (output := unplanned()) is not None:
        raise UserError(
            f"{output}: is out of date and is not going to be made again {otherwise}"
        )
    if (output := unneeded()) is not None:
        raise UserError(
            f"{output}: is up to date and is going to be made again {otherwise}"
        )
    say_why()


def say_why():
    """Say in one line why cells are measured again, and what says all."""
    jobs = [job for job in jobs_to_run() if job.rule.name == "measure"]
    study = "".join(
        f" --config {shlex.quote(str(one))}" for one in (*STUDY_FILES, *STUDY_KEYS)
    )
    line = in_words.announcement(
        FRESH,
        [cell_of(job.wildcards) for job in jobs],
        f"python workflow/scripts/plan.py --why{study}",
    )
    if line:
        print(line, file=sys.stderr)


when_protected(write_protected)
before_unlocking(refuse_unlocking)
around_planning(start_run, check_plan)


def how_to_go_on():
    print("What is finished is kept; the same command goes on.", file=sys.stderr)


onstart:
    # At the end of anything but a success: Snakemake ends otherwise than by `onerror` too, where it
    # cannot write down what it did.
    atexit.register(how_to_go_on)
    jobs = jobs_to_run()
    if not STARTED or not jobs:
        end_run(f"Snakemake {snakemake.__version__} starts otherwise than {TRIED}")
    lift_rate_limit()
    report_user_errors(workplace.check_writable)(
        Path(file) for job in jobs for file in job.output
    )
    restore_records()
    time_again(jobs)
    # Only a local run measures on this host; a cluster's jobs look at their own.
    if runs_here():
        check_host(jobs)
        atexit.register(forked.end, os.getpid())
    else:
        slurm.SUBMITTED.touch()
        if runs_on_slurm():
            ask_slurm_again()


onsuccess:
    atexit.unregister(how_to_go_on)
