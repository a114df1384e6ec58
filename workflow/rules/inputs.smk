"""What each rule reads, as functions of its wildcards.

Inputs: the steps of common.smk.
Whatever is expensive lies at a path with its identity in it, so it is there or it is not.
"""


def environment_of(name, needed=True):
    return existing(str(environments.lock(name)), needed) if name else []


@report_user_errors
def cell_of(wildcards):
    return STEPS.cell(wildcards.variant, wildcards.device, wildcards.task)


def device_of(wildcards):
    return CATALOGUE.devices[wildcards.device]


def dataset_path(dataset):
    return f"resources/datasets/{dataset}/{STEPS.dataset(dataset).identity}/lock.json"


@report_user_errors
def dataset_environment(wildcards):
    generator = STEPS.source(wildcards.dataset).source.generator
    needed = to_make(dataset_path(wildcards.dataset))
    if generator not in environments.names() or not lists_inputs(needed):
        return []
    return environment_of(generator, needed)


@report_user_errors
def sample_datasets(wildcards):
    rows = sample_path(wildcards.task)
    needed = to_make(rows, str(Path(rows).with_name("lock.json")))
    path = dataset_path(CATALOGUE.tasks[wildcards.task].dataset)
    return existing(path, needed) if lists_inputs(needed) else []


def sample_path(task):
    return f"resources/samples/{task}/{STEPS.sample(task).identity}/sample.jsonl"


def model_path(model):
    return f"resources/models/{model}/{STEPS.model(model).identity}/lock.json"


def texts_path(calibration):
    identity = STEPS.calibration(calibration).identity
    return f"resources/calibrations/{calibration}/{identity}/texts.jsonl"


@report_user_errors
def calibration_datasets(wildcards):
    texts = texts_path(wildcards.calibration)
    needed = to_make(texts, str(Path(texts).with_name("lock.json")))
    tasks = CATALOGUE.calibrations[wildcards.calibration].tasks
    paths = [dataset_path(CATALOGUE.tasks[task].dataset) for task in tasks]
    return [existing(path, needed) for path in paths] if lists_inputs(needed) else []


def preparation_of(wildcards):
    return STEPS.preparation(wildcards.variant, wildcards.engine)


def prepared_path(variant, engine, identity):
    return f"resources/quantized/{variant}/{engine}/{identity}/lock.json"


@report_user_errors
def preparation_inputs(wildcards):
    preparation = preparation_of(wildcards)
    needed = to_make(prepared_path(**wildcards))
    if not lists_inputs(needed):
        return {}
    model, _ = plan.parts(CATALOGUE, wildcards.variant)
    inputs = {
        "model": existing(model_path(model), needed),
        "environment": environment_of(preparation.environment, needed),
    }
    if preparation.calibration:
        inputs["texts"] = existing(texts_path(preparation.calibration), needed)
    return inputs


def setting_of(wildcards):
    cell = cell_of(wildcards)
    return STEPS.setting(cell.model, cell.quantization, cell.device)


@report_user_errors
def measure_inputs(wildcards):
    cell = cell_of(wildcards)
    measured, altered = FRESH.measured(cell)
    needed = altered or not measured
    if not lists_inputs(needed):
        return {}
    engine = CATALOGUE.devices[cell.device].engine
    prepared, adapter = STEPS.quantized(cell.variant, engine), STEPS.adapter(cell.model)
    path = model_path(cell.model)
    if prepared:
        path = prepared_path(cell.variant, engine, prepared.identity)
    inputs = {
        "model": existing(path, needed),
        "sample": existing(sample_path(cell.task), needed),
        "environment": environment_of(setting_of(wildcards).environment, needed),
    }
    if adapter:
        path = f"resources/adapters/{cell.model}/{adapter.identity}/lock.json"
        inputs["adapter"] = existing(path, needed)
    return inputs
