"""What each rule reads, as functions of its wildcards.

Inputs: the steps of common.smk.
Whatever is expensive lies at a path with its identity in it, so it is there or it is not.
"""

@functools.cache
def without_broken_lock(path):
    """Have what lies in a folder made again where it is needed, if its lock.json is broken."""
    lock = Path(path).with_name("lock.json")
    if lock.exists() and not files.lock_is_whole(lock) and workflow.is_main_process:
        where = "it is made again where it is needed"
        print(f"{lock}: not as it was written; {where}", file=sys.stderr)
        if not workflow.dryrun:
            for file in (lock, Path(path)):
                file.unlink(missing_ok=True)


def kept(path):
    """An input whose file time says nothing, and whose being made again changes nothing.

    Unless something is forced: whoever does that wants what is below it as well.
    """
    without_broken_lock(path)
    ordered = workflow.dag_settings
    forced = ordered.forcerun or ordered.forcetargets or ordered.forceall
    return path if forced else ancient(path)


def environment_of(name):
    return kept(str(environments.lock(name))) if name else []


@told
def cell_of(wildcards):
    lift_stale_locks()
    return STEPS.cell(wildcards.variant, wildcards.device, wildcards.task)


def device_of(wildcards):
    return CATALOGUE.devices[wildcards.device]


def dataset_path(dataset):
    return kept(
        f"resources/datasets/{dataset}/{STEPS.dataset(dataset).identity}/lock.json"
    )


@told
def dataset_of(wildcards):
    return dataset_path(CATALOGUE.tasks[wildcards.task].dataset)


def sample_path(task):
    return f"resources/samples/{task}/{STEPS.sample(task).identity}/sample.jsonl"


def model_path(model):
    return f"resources/models/{model}/{STEPS.model(model).identity}/lock.json"


def generator_of(wildcards):
    generator = STEPS.source(wildcards.dataset).source.generator
    return generator if generator in environments.names() else None


@told
def calibration_datasets(wildcards):
    tasks = CATALOGUE.calibrations[wildcards.calibration].tasks
    return [dataset_path(CATALOGUE.tasks[task].dataset) for task in tasks]


def preparation_of(wildcards):
    return STEPS.preparation(wildcards.variant, wildcards.engine)


@told
def preparation_inputs(wildcards):
    made = preparation_of(wildcards)
    model, _ = plan.parts(CATALOGUE, wildcards.variant)
    inputs = {
        "model": kept(model_path(model)),
        "environment": environment_of(made.environment),
    }
    if made.calibration:
        identity = STEPS.calibration(made.calibration).identity
        texts = f"resources/calibrations/{made.calibration}/{identity}/texts.jsonl"
        inputs["texts"] = kept(texts)
    return inputs


def setting_of(wildcards):
    cell = cell_of(wildcards)
    return STEPS.setting(cell.model, cell.quantization, cell.device)


@told
def measure_inputs(wildcards):
    cell = cell_of(wildcards)
    engine = CATALOGUE.devices[cell.device].engine
    made, adapter = STEPS.quantized(cell.variant, engine), STEPS.adapter(cell.model)
    path = model_path(cell.model)
    if made:
        path = f"resources/quantized/{cell.variant}/{engine}/{made.identity}/lock.json"
    inputs = {
        "model": kept(path),
        "sample": kept(sample_path(cell.task)),
        "environment": environment_of(setting_of(wildcards).environment),
    }
    if adapter:
        inputs["adapter"] = kept(
            f"resources/adapters/{cell.model}/{adapter.identity}/lock.json"
        )
    return inputs
