"""What the rules share: the catalogue as steps, and pools.

Inputs: config/*.yaml.
What a result depends on is decided in frontier/planning/steps.py, and whether it is out of date in
freshness.py beside it; here, and in inputs.smk, Snakemake learns of both.
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
from frontier.explaining import in_words
from frontier.fetching import environments
from frontier.fetching.hub import require_token
from frontier.host import locks, presence, slurm, workplace
from frontier.machine import hardware
from frontier.planning import cells, estimates, freshness
from frontier.planning.jobs import Jobs
from frontier.planning.steps import Steps
from frontier.results import bundles, journal, layout

# A study's jobs are millions of objects that stay: looking through them for cycles again and again
# takes a sixth of the time to plan, and finds next to nothing.
gc.freeze()
gc.set_threshold(200_000, 20, 50)

# `python` in a rule is the one that runs Snakemake, also where its environment is not activated;
# programs learn who runs them, to end with it.
path = os.pathsep.join([os.path.dirname(sys.executable), *os.get_exec_path()])
os.environ.update({"PATH": path, presence.RUNNER: str(os.getpid())})
SCRIPTS = os.path.relpath(code_folder() / "workflow" / "scripts")


def located(command):
    """A rule's command as it is typed in this folder, which may be another workflow's."""
    return command.replace("workflow/scripts", shlex.quote(SCRIPTS))


check_paths()
report_user_errors(workplace.check_folders)(layout.FOLDERS)
report_user_errors(workplace.check_memory)()

# This host's pools, which the command line may set otherwise: a timed job on the CPU takes the
# whole machine, any other job a hundredth of it; GPUs are as many as the driver counts. A
# cluster's jobs have hosts of their own.
default_pool("machine", 100)
default_pool("gpu", max(1, len(hardware.gpus())))


resource_scopes:
    machine="local",
    gpu="local",


@report_user_errors
def read_config():
    """The catalogue and the study: that of another workflow, or of files, or of this folder."""
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
    # A job's own process would only say it again.
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
    # Not the known ids: a mistyped one must reach cell_of, which names the nearest.
    variant="[^/]+",
    device="[^/@]+",
    task="[^/.]+",
    scenario=r"(\.[^/]+)?",
    identity="[0-9a-f]{16}",


include: "lifecycle.smk"
include: "existing.smk"
include: "inputs.smk"
include: "freshness.smk"
include: "arguments.smk"
include: "resources.smk"
include: "starts.smk"
include: "environments.smk"
