"""Snakemake's internals, part two: planning, from the known jobs to those that will run.

See internals.smk.
"""

import os
import types

import snakemake.common
import snakemake.rules

FORCED = shared("forced", set())


def default_pool(name, size):
    """Limits a resource unless the command line does: without a limit jobs take any number."""
    part(workflow, "global_resources").setdefault(name, size)


def forced_by_user():
    """True if jobs are forced on the command line; known once the Snakefile is read."""
    asked = part(workflow, "dag_settings")
    return bool(asked.forcerun or asked.forcetargets or asked.forceall)


def force_rebuild(output):
    """Rebuilds an existing result, regardless of file times and Snakemake's records.

    Called by input functions, which run before these files are checked.
    """
    if os.path.exists(output):
        FORCED.add(output)
        part(workflow.dag, "forcefiles").add(output)


def jobs_to_run(name=None):
    """Our jobs that will run, in any order, or those of one rule: job.wildcards, job.output."""
    return [job for job in part(workflow.dag, "needrun_jobs")() if is_ours(job, name)]


def is_forced(job):
    """True if a job runs because it is forced, by the user or by `force_rebuild`."""
    return part(workflow.dag, "reason")(job).forced


def unplanned():
    """An output that `force_rebuild` named and that no planned job will produce."""
    planned = {str(file) for job in jobs_to_run() for file in job.output}
    known = {str(file) for job in workflow.dag.jobs for file in job.output}
    return next(iter(sorted(FORCED & known - planned)), None)


def unneeded():
    """An output that a job will produce although nothing of that job is missing or forced."""
    for job in () if forced_by_user() else jobs_to_run():
        outputs = list(map(str, job.output))
        if outputs and FORCED.isdisjoint(outputs) and all(map(os.path.exists, outputs)):
            return outputs[0]
    return None


def around_planning(before, after):
    """Calls `before` when a run starts to check files, and `after` when its jobs are known.

    The only documented hook is onstart, which runs after locking, and never in a dry run.
    """
    build = part(workflow, "_build_dag")

    def planned():
        before()
        build()
        after()

    if not (in_job() or shared("planned", [])):
        workflow._build_dag = planned
        shared("planned", []).append(planned)


def remember_parameters():
    """Caches the signatures of functions: inspecting one takes longer than most of ours run.

    Snakemake does so several times per job for each function of a rule.
    """
    work_out, known = part(snakemake.common, "get_function_params"), {}

    def parameters(function):
        plain = getattr(function, "__func__", function)
        # Other callables may compare equal, such as a text.
        if not isinstance(plain, types.FunctionType):
            return work_out(function)
        key = plain, plain is function
        if key not in known:
            known[key] = work_out(function)
        return known[key]

    snakemake.common.get_function_params = parameters
    snakemake.rules.get_function_params = parameters


remember_parameters()
