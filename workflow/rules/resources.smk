"""The resources that each job needs on its host.

Inputs: the catalogue, and a variant's placement from inputs.smk.
"""

import zlib


def machine_of(device):
    """The hundredths of this host that a timed job takes: all of it, unless GPUs do the work."""
    return 1 if device.gpus and device.accelerator != "mps" else 100


def preparation_gpus(wildcards):
    """The number of GPUs to quantize on: one if there are any and texts are run through the model."""
    devices = [CATALOGUE.devices[name] for name in CONFIG.study.ids("devices")]
    fit = ("cuda", "rocm")  # torch calls both "cuda", on which these libraries compute
    on_gpu = any(map(hardware.gpus, fit)) or any(
        one.accelerator in fit for one in devices
    )
    return int(bool(preparation_of(wildcards).calibration and on_gpu))


def draft_of(wildcards):
    """The placement of the second model that a cell's techniques load; None without one."""
    draft = STEPS.draft(cell_of(wildcards))
    return draft and draft[1]


def measure_memory(wildcards, attempt):
    task, draft = CATALOGUE.tasks[wildcards.task], draft_of(wildcards)
    placement = placement_of(wildcards)
    return estimates.host_bytes(placement, task, attempt, draft) // 10**6


def measure_priority(wildcards):
    """Above scoring's; cells that one server can answer follow each other, so that it starts once."""
    if not placement_of(wildcards).engine.starts_servers:
        return 1
    same = f"{wildcards.device}/{wildcards.variant}"
    return 1 + zlib.crc32(same.encode()) / 2**32


def measure_minutes(wildcards, attempt):
    scenario = STEPS.scenario(cell_of(wildcards))
    task, placement = CATALOGUE.tasks[wildcards.task], placement_of(wildcards)
    draft = draft_of(wildcards)
    return estimates.minutes(placement, task, scenario, attempt, draft)


def preparation_memory(wildcards, attempt):
    model = cells.parts(CATALOGUE, wildcards.variant).model
    return estimates.preparation_bytes(CATALOGUE.models[model], attempt) // 10**6


def merging_memory(wildcards, attempt):
    return (
        estimates.preparation_bytes(CATALOGUE.models[wildcards.model], attempt) // 10**6
    )


def preparation_minutes(wildcards, attempt):
    return attempt * estimates.PREPARATION_MINUTES


@report_user_errors
def check_host():
    """Reports jobs that cannot run on this host, before anything is fetched, grown or measured."""
    asking = [*jobs_to_run("measure"), *jobs_to_run("judge")]
    for name in sorted({job.wildcards.device for job in asking}):
        device = CATALOGUE.devices[name]
        hardware.require(name, device.accelerator, device.gpu, device.gpus)
        engine = CATALOGUE.engines[device.engine]
        engine.require(device.engine)
        # What a separate environment will have installed, its job finds out.
        if not engine.environment and (
            reason := engine.why_not_here(device.accelerator)
        ):
            raise UserError(f"device {name!r}: {reason}")
    for name in sorted({job.wildcards.model for job in jobs_to_run("fetch_model")}):
        model = CATALOGUE.models[name]
        if model.gated and model.hub:
            require_token(model.hub, model.revision)
