"""What the rules' command lines are put together from.

Inputs: what inputs.smk and freshness.smk found.
"""


def python_of(environment):
    """What starts a program: the core's python, or that of an environment of its own."""
    return (
        located(f"python workflow/scripts/environment.py {environment}")
        if environment
        else "python"
    )


def measuring_python(wildcards):
    """As python_of; for the core on a CPU, a copy of a process that has imported all of it."""
    environment = placement_of(wildcards).environment
    copied = device_of(wildcards).accelerator == "cpu" and not environment
    if copied and sys.platform == "linux" and runs_here() and not in_cluster_job():
        return located("python workflow/scripts/forked.py")
    return python_of(environment)


def folder_of(name):
    """The folder of an input; empty for a finished job, which lists none: see `lists_inputs`."""

    def folder(wildcards, input):
        return os.path.dirname(input.get(name) or "")

    return folder


def measured_options(wildcards, input):
    options = (f"--{name} {shlex.quote(str(path))}" for name, path in input.items())
    return " ".join(options)


def limits_option(wildcards, resources):
    """What a cluster gives the job, and whether a larger attempt may follow."""
    limits = {
        "memory_bytes": resources.mem_mb * 10**6,
        "seconds": resources.runtime * 60,
        "attempt": resources.attempt,
        "attempts": resources.get("attempts", 1),
    }
    return f"--limits {shlex.quote(json.dumps(limits))}"


def adapter_option(wildcards, input):
    if "adapter" not in input.keys():
        return ""
    return f"--adapter {shlex.quote(str(Path(input.adapter).parent))}"
