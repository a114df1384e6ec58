"""What each rule reads, as functions of its wildcards.

Inputs: the steps and the freshness of common.smk.
Whatever is expensive lies at a path with its identity in it, so it is there or it is not. A cell,
the table and the report have fixed names: one that is out of date is renewed here.
"""


def kept(path):
    """An input whose file time says nothing, and whose being made again changes nothing.

    Unless something is forced: whoever does that wants what is below it as well.
    """
    ordered = workflow.dag_settings
    forced = ordered.forcerun or ordered.forcetargets or ordered.forceall
    return path if forced else ancient(path)


def renewed(output):
    """Have a finished but outdated result made again, whatever file times and records say."""
    if Path(output).exists():
        workflow.dag.forcefiles.add(output)


@told
def cell_of(wildcards):
    lift_stale_locks()
    return STEPS.cell(wildcards.variant, wildcards.device, wildcards.task)


def device_of(wildcards):
    return CATALOGUE.devices[wildcards.device]


@told
def dataset_of(wildcards):
    dataset = CATALOGUE.tasks[wildcards.task].dataset
    identity = STEPS.dataset(dataset).identity
    return kept(f"resources/datasets/{dataset}/{identity}/lock.json")


def sample_path(task):
    return f"resources/samples/{task}/{STEPS.sample(task).identity}/sample.jsonl"


@told
def sample_of(wildcards):
    return kept(sample_path(wildcards.task))


@told
def model_of(wildcards):
    model = cell_of(wildcards).model
    identity = STEPS.model(model).identity
    return kept(f"resources/models/{model}/{identity}/lock.json")


@told
def score_inputs(wildcards):
    cell = cell_of(wildcards)
    fresh = FRESH.cell(cell)
    if not fresh:
        renewed(str(freshness.cell_path(cell)))
    if not cell.planned:
        return {}
    folder = f"results/{cell.name}/{STEPS.measure(cell).identity}"
    inputs = {
        "requests": f"{folder}/requests.jsonl",
        "measurement": f"{folder}/measurement.json",
        "sample": sample_path(cell.task),
    }
    return {name: kept(path) if fresh else path for name, path in inputs.items()}


def measured_options(wildcards, input):
    options = (f"--{name} {shlex.quote(str(path))}" for name, path in input.items())
    return " ".join(options)


@told
def study_cells(wildcards):
    paths = [str(freshness.cell_path(cell)) for cell in STEPS.cells]
    if not FRESH.study():
        renewed("results/study.lock.json")
        return paths
    return [kept(path) for path in paths]


@told
def study_lock(wildcards):
    if not FRESH.report():
        renewed("results/report.lock.json")
        return "results/study.lock.json"
    return kept("results/study.lock.json")
