"""What the rules' command lines are put together from.

Inputs: what inputs.smk and outdated.smk found.
"""


def python_of(environment):
    """What starts a program: the core's python, or that of an environment of its own."""
    return (
        f"python workflow/scripts/environment.py {environment}"
        if environment
        else "python"
    )


def measured_options(wildcards, input):
    options = (f"--{name} {shlex.quote(str(path))}" for name, path in input.items())
    return " ".join(options)


def adapter_option(wildcards, input):
    if "adapter" not in input.keys():
        return ""
    return f"--adapter {shlex.quote(str(Path(input.adapter).parent))}"
