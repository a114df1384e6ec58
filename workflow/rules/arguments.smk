"""The parts of the rules' command lines.

Inputs: the inputs and freshness of inputs.smk and freshness.smk.
"""


def python_of(environment):
    """The interpreter for a program: the core's, or that of a separate environment."""
    return (
        located(f"python workflow/scripts/environment.py {environment}")
        if environment
        else "python"
    )


def measuring_python(wildcards):
    """Like python_of; for the core on a CPU, a fork of a process that has imported everything."""
    environment = placement_of(wildcards).environment
    copied = device_of(wildcards).accelerator == "cpu" and not environment
    if copied and sys.platform == "linux" and runs_here() and not in_cluster_job():
        return located("python workflow/scripts/forked.py")
    return python_of(environment)


def folder_of(name):
    """The folder of an input; empty for a finished job, which has none: see `lists_inputs`."""

    def folder(wildcards, input):
        return os.path.dirname(input.get(name) or "")

    return folder


def measured_options(wildcards, input):
    options = (f"--{name} {shlex.quote(str(path))}" for name, path in input.items())
    return " ".join(options)


def against_options(wildcards, input):
    """The requests of the variants with which a judge compares, by their names.

    None for a finished job, which has no inputs: see `lists_inputs`.
    """
    _, judging = judging_of(wildcards)
    paths = [
        (name, input.get(f"against_{at}")) for at, name in enumerate(judging.others)
    ]
    options = " ".join(shlex.quote(f"{name}={path}") for name, path in paths if path)
    return f"--against {options}" if options else ""


def check_option(wildcards):
    """The table of pairs by which a judge is checked, if it has one of its own."""
    _, judging = judging_of(wildcards)
    return f"--check {shlex.quote(str(judging.check))}" if judging.check else ""


def limits_option(wildcards, resources):
    """The job's limits on a cluster, and the number of attempts."""
    limits = {
        "memory_bytes": resources.mem_mb * 10**6,
        "seconds": resources.runtime * 60,
        "attempt": resources.attempt,
        "attempts": resources.get("attempts", 1),
    }
    return f"--limits {shlex.quote(json.dumps(limits))}"


def folder_option(name):
    """The option for the folder of an input that not every job has."""

    def option(wildcards, input):
        folder = os.path.dirname(input.get(name) or "")
        return f"--{name} {shlex.quote(folder)}" if folder else ""

    return option
