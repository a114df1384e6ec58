"""The inputs of each rule, as functions of its wildcards.

Inputs: the jobs of common.smk.
Expensive results have their identity in their path, so they exist or they do not.
"""

@report_user_errors
def cell_of(wildcards):
    task = wildcards.task + wildcards.scenario
    return STEPS.cell_at(layout.asked(wildcards.variant, wildcards.device, task))


def device_of(wildcards):
    return CATALOGUE.devices[wildcards.device]


def placement_of(wildcards):
    cell = cell_of(wildcards)
    return STEPS.placement(cell.model, cell.quantization, cell.device)


@report_user_errors
def checkpoint_of(wildcards):
    """The job of a checkpoint that is not a model's own."""
    return JOBS.checkpoint(wildcards.variant, wildcards.format, wildcards.identity)


@report_user_errors
def preparation_of(wildcards):
    prepared, _ = STEPS.produced(
        wildcards.variant, wildcards.format, wildcards.identity
    )
    return prepared


def inputs_of(job, needed):
    """The inputs of a job (frontier/planning/jobs.py) by name; `needed`: its output is missing."""
    if not lists_inputs(needed):
        return {}
    return {name: existing(str(one.output), needed) for name, one in job.reads.items()}


@report_user_errors
def dataset_inputs(wildcards):
    job = JOBS.dataset(wildcards.dataset)
    return inputs_of(job, needed=to_make(job.output))


@report_user_errors
def sample_inputs(wildcards):
    job = JOBS.sample(wildcards.task)
    needed = to_make(job.output, layout.lock_beside(job.output))
    return inputs_of(job, needed)


@report_user_errors
def calibration_inputs(wildcards):
    job = JOBS.calibration(wildcards.calibration)
    needed = to_make(job.output, layout.lock_beside(job.output))
    return {"datasets": list(inputs_of(job, needed).values())}


@report_user_errors
def adapter_inputs(wildcards):
    job = JOBS.adapter_files(wildcards.model)
    return inputs_of(job, needed=to_make(job.output))


@report_user_errors
def merge_inputs(wildcards):
    job = JOBS.model(wildcards.model)
    return inputs_of(job, needed=to_make(job.output))


@report_user_errors
def preparation_inputs(wildcards):
    job = checkpoint_of(wildcards)
    return inputs_of(job, needed=to_make(job.output))


@report_user_errors
def measure_inputs(wildcards):
    cell = cell_of(wildcards)
    return inputs_of(JOBS.measure(cell), needed=FRESH.to_measure(cell))


@report_user_errors
def judging_of(wildcards):
    """The cell whose answers are judged in a job, and its judging."""
    return STEPS.judged_cell(wildcards.task, wildcards.identity)


@report_user_errors
def judge_requests_inputs(wildcards):
    cell, judging = judging_of(wildcards)
    job = JOBS.judge_requests(cell)
    needed = to_make(job.output, layout.lock_beside(job.output))
    found = inputs_of(job, needed)
    for name in [one for one in found if one == "measurement" or "against" in one]:
        requests = job.reads[name].output.with_name(layout.REQUESTS)
        other = "requests" if name == "measurement" else name
        found[other] = existing(str(requests), needed)
    return found


@report_user_errors
def judge_inputs(wildcards):
    cell, judging = judging_of(wildcards)
    return inputs_of(JOBS.judge(cell), needed=FRESH.to_judge(cell))
