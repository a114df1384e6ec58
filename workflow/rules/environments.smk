"""Separate Python environments for engines and tools that cannot share the core's packages.

Inputs: workflow/envs/NAME.txt, complete pins.
Outputs: resources/envs/NAME/IDENTITY/: the environment, and lock.json: the installed packages.
Steps: create a virtual environment and install the pins; it is checked before each use.
"""


rule environment:
    output:
        lock=environments.lock_of("{environment}", "{identity}"),
    localrule: True
    resources:
        machine=1,
    shell:
        located("python workflow/scripts/environment.py {wildcards.environment:q}")
