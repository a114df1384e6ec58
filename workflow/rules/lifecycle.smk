"""The start of a run: the remains of a killed one, checks of the profile and the plan.

Inputs: .snakemake/, and the host.
"""

import forked

PRESENCE = Path(".snakemake/presence")
STARTED = []
"""The open file that shows this run to others, once it has started."""


@report_user_errors
def another_run():
    raise UserError(
        "another Snakemake is running here on the same files: wait for it or stop it;"
        " there is nothing to unlock"
    )


@report_user_errors
def write_protected(paths):
    words = "must be rebuilt but is write-protected; make it writable and run the same command again"
    raise UserError(f"{paths[0]}: {words}")


def refuse_unlocking():
    if not presence.acquire_run_lock(PRESENCE)[0]:
        another_run()


@report_user_errors
def start_run():
    """Cleans up after a killed run, unless another run is alive, so that this one can continue."""
    if is_run() and not default_profile_is_read():
        mend = (
            "--workflow-profile names another, or one that does not exist; leave it out"
        )
        if is_module() and not Path("profiles/default").exists():
            mend = "copy that folder of llm-frontier's to the same place here"
        raise UserError(
            "profiles/default is not read, without which finished work is repeated or left out:"
            f" {mend}"
        )
    # Jobs of another workflow must not run alongside timed jobs either.
    give_others("machine", 1)
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
    """Checks Snakemake's plan against the digests, since it uses undocumented parts."""
    if not is_run():
        return
    otherwise = (
        f"by Snakemake {snakemake.__version__}; this workflow was tested with {TRIED}"
    )
    if (output := unplanned()) is not None:
        raise UserError(
            f"{output}: is out of date but would not be rebuilt {otherwise}"
        )
    if (output := unneeded()) is not None:
        raise UserError(f"{output}: is up to date but would be rebuilt {otherwise}")
    measured = [cell_of(job.wildcards) for job in jobs_to_run("measure")]
    judged = [judging_of(job.wildcards)[0] for job in jobs_to_run("judge")]
    say_costs(measured, judged)
    if module_study() is None:  # plan.py reads files only
        say_why(measured)
    if is_module() and starts_jobs():
        around_jobs(begin, succeed)


def say_costs(measured, judged):
    """Prints what is shut down and what is paid for; reports what cannot be measured."""
    day = shutdowns.today()
    said = [
        *shutdowns.lines(CATALOGUE, [*STEPS.cells, *measured], day),
        *costs.lines(STEPS, measured),
        *judge_costs.lines(STEPS, judged),
    ]
    for line in said:
        print(line, file=sys.stderr)
    asked = [*measured, *(STEPS.judging(cell).judge for cell in judged)]
    shutdowns.refuse(CATALOGUE, asked, day)
    costs.refuse(STEPS, asked)


def say_why(measured):
    """Prints a line on why cells are measured again, and the command that explains more."""
    study = "".join(
        f" --config {shlex.quote(str(one))}" for one in (*STUDY_FILES, *STUDY_KEYS)
    )
    line = explanations.announcement(
        FRESH,
        measured,
        located(f"python workflow/scripts/plan.py --why{study}"),
    )
    if line:
        print(line, file=sys.stderr)


when_protected(write_protected)
before_unlocking(refuse_unlocking)
around_planning(start_run, check_plan)
