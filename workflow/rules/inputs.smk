"""What each rule reads, as functions of its wildcards.

Inputs: the steps of common.smk.
Whatever is expensive lies at a path with its identity in it, so it is there or it is not.
"""


def kept(path, needed=True):
    """An input whose file time says nothing, and whose being made again changes nothing.

    Unless something is forced: whoever does that wants what is below it as well. Where whoever reads
    it is `needed`, and the lock.json beside it is broken, it is made again, and read then: below
    what must be made Snakemake looks at nothing but what it is asked to follow.
    """
    if needed and broken_lock(Path(path).with_name("lock.json")):
        renewed(path)
        return path
    ordered = workflow.dag_settings
    forced = ordered.forcerun or ordered.forcetargets or ordered.forceall
    return path if forced else ancient(path)


def environment_of(name, needed=True):
    return kept(str(environments.lock(name)), needed) if name else []


@told
def cell_of(wildcards):
    lift_stale_locks()
    return STEPS.cell(wildcards.variant, wildcards.device, wildcards.task)


def device_of(wildcards):
    return CATALOGUE.devices[wildcards.device]


def dataset_path(dataset, reader):
    path = f"resources/datasets/{dataset}/{STEPS.dataset(dataset).identity}/lock.json"
    return kept(path, needed=not Path(reader).exists())


@told
def dataset_of(wildcards):
    task = wildcards.task
    return dataset_path(CATALOGUE.tasks[task].dataset, sample_path(task))


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
    texts = f"resources/calibrations/{wildcards.calibration}/{wildcards.identity}/texts.jsonl"
    return [dataset_path(CATALOGUE.tasks[task].dataset, texts) for task in tasks]


def preparation_of(wildcards):
    return STEPS.preparation(wildcards.variant, wildcards.engine)


@told
def preparation_inputs(wildcards):
    made = preparation_of(wildcards)
    model, _ = plan.parts(CATALOGUE, wildcards.variant)
    folder = f"resources/quantized/{wildcards.variant}/{wildcards.engine}/{wildcards.identity}"
    needed = not Path(folder, "lock.json").exists()
    inputs = {
        "model": kept(model_path(model), needed),
        "environment": environment_of(made.environment, needed),
    }
    if made.calibration:
        identity = STEPS.calibration(made.calibration).identity
        texts = f"resources/calibrations/{made.calibration}/{identity}/texts.jsonl"
        inputs["texts"] = kept(texts, needed)
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
    measured, altered = FRESH.measured(cell)
    needed = altered or not measured
    inputs = {
        "model": kept(path, needed),
        "sample": kept(sample_path(cell.task), needed),
        "environment": environment_of(setting_of(wildcards).environment, needed),
    }
    if adapter:
        inputs["adapter"] = kept(
            f"resources/adapters/{cell.model}/{adapter.identity}/lock.json",
            needed,
        )
    return inputs
