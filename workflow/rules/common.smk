"""Shared by all rules: the catalogue as steps, and pools of resources.

Inputs: config/*.yaml.
frontier/planning/steps.py determines what a result depends on, and freshness.py, next to it, whether it
is out of date; this file and inputs.smk pass both to Snakemake.
"""


include: "internals.smk"


import atexit
import functools
import gc
import json
import os
import re
import shlex
import sys

sys.path.insert(0, str(code_folder() / "workflow" / "scripts"))

from frontier.catalogue import configuration, snakemake_files
from frontier.errors import UserError, one_line
from frontier.explaining import explanations
from frontier.fetching import environments
from frontier.fetching.hub import require_token
from frontier.host import locks, presence, slurm, workplace
from frontier.machine import hardware
from frontier.planning import cells, costs, estimates, freshness, judge_costs, shutdowns
from frontier.planning.jobs import Jobs
from frontier.planning.steps import Steps
from frontier.results import bundles, journal, layout

# A study's jobs are millions of long-lived objects: searching them for cycles takes a sixth of the
# planning time and finds almost nothing.
gc.freeze()
gc.set_threshold(200_000, 20, 50)

# `python` in a rule is the one that runs Snakemake, even if its environment is not activated;
# programs get the pid of their runner, to end with it.
path = os.pathsep.join([os.path.dirname(sys.executable), *os.get_exec_path()])
os.environ.update({"PATH": path, presence.RUNNER: str(os.getpid())})
SCRIPTS = os.path.relpath(code_folder() / "workflow" / "scripts")


def located(command):
    """A rule's command as typed in this folder, which may be another workflow's."""
    return command.replace("workflow/scripts", shlex.quote(SCRIPTS))


check_paths()
report_user_errors(workplace.check_folders)(layout.FOLDERS)
report_user_errors(workplace.check_memory)()

# This host's pools, which the command line can override: a timed job on the CPU takes the whole
# machine, any other job a hundredth of it; the driver counts the GPUs. A cluster's jobs run on
# other hosts.
default_pool("machine", 100)
default_pool("gpu", max(1, len(hardware.gpus())))


resource_scopes:
    machine="local",
    gpu="local",


@report_user_errors
def read_config():
    """The catalogue and the study: from another workflow, from files, or from this folder."""
    catalogue = configuration.read_catalogue(configuration.catalogue_folder())
    if (given := module_study()) is not None:
        where = "config of the module"
        return catalogue, configuration.read_config(given, catalogue, where)
    if snakemake_files.bypassed(STUDY_FILES):
        fault = "was read by Snakemake itself, so code in it may have run"
        raise UserError(f"{STUDY_FILES[0]}: {fault}")
    files = STUDY_FILES or [Path("config/config.yaml")]
    return catalogue, configuration.read_study(files, STUDY_KEYS, catalogue)


# Not Snakemake's own `config`, which merges a study into another one and runs code that it finds.
STUDY_FILES, STUDY_KEYS = study_settings()
CATALOGUE, CONFIG = read_config()
STEPS = Steps(CATALOGUE, CONFIG, hardware.memory_bytes)
JOBS = Jobs(STEPS)
FRESH = freshness.Freshness(
    STEPS,
    # A job's own process would only repeat it.
    tell=lambda line: in_job() or print(line, file=sys.stderr),
)
if not in_job():
    report_user_errors(STEPS.check)()
    atexit.register(FRESH.digests.save)


def any_of(names):
    """A pattern that matches exactly these names."""
    return "|".join(map(re.escape, names)) or "(?!)"


wildcard_constraints:
    environment=any_of(environments.names()),
    # Not only the known ids: a mistyped one must reach cell_of, which names the nearest.
    variant="[^/]+",
    device="[^/@]+",
    task="[^/.]+",
    scenario=r"(\.[^/]+)?",
    format="[^/]+",
    identity="[0-9a-f]{16}",


include: "lifecycle.smk"
include: "existing.smk"
include: "inputs.smk"
include: "freshness.smk"
include: "arguments.smk"
include: "resources.smk"
include: "starts.smk"
include: "environments.smk"
