"""What the rules share: the catalogue as steps, and pools.

Inputs: config/*.yaml.
What a result depends on is decided in frontier/planning/steps.py, whether it is out of date in
frontier/planning/freshness.py; here, and in inputs.smk, both are told to Snakemake.
"""

import atexit
import functools
import gc
import json
import os
import re
import shlex
import sys

sys.path.insert(0, str(Path(workflow.basedir) / "workflow" / "scripts"))

from frontier.catalogue import snakemake_files
from frontier.catalogue.configuration import read_catalogue, read_study
from frontier.errors import UserError, one_line
from frontier.explaining import in_words
from frontier.fetching import environments
from frontier.fetching.hub import require_token
from frontier.host import locks, presence, slurm, workplace
from frontier.machine import hardware
from frontier.planning import cells, estimates, freshness
from frontier.planning.jobs import Jobs
from frontier.planning.steps import Steps
from frontier.results import bundles, journal

# A study's jobs are millions of objects that stay: looking through them for cycles again and again
# takes a sixth of the time to plan, and finds next to nothing.
gc.freeze()
gc.set_threshold(200_000, 20, 50)

# `python` in a rule is the one that runs Snakemake, also where its environment is not activated;
# programs are told who runs them, to end with it.
shell.prefix(
    f"export PATH={shlex.quote(str(Path(sys.executable).parent))}:$PATH"
    f" {presence.RUNNER}={os.getpid()}; "
)


def report_user_errors(function):
    """The same function, but a fault of the user's input ends Snakemake with its one line."""

    @functools.wraps(function)
    def reporting(*arguments):
        try:
            return function(*arguments)
        except UserError as error:
            end_run(one_line(error))

    return reporting


report_user_errors(workplace.check_folders)()
report_user_errors(workplace.check_memory)()

# This host's pools, which the command line may set otherwise: a timed job on the CPU takes the
# whole machine, any other job a hundredth of it; GPUs are as many as the driver counts. A
# cluster's jobs have hosts of their own.
default_pool("machine", 100)
default_pool("gpu", max(1, len(hardware.gpus())))


resource_scopes:
    machine="local",
    gpu="local",


CATALOGUE = report_user_errors(read_catalogue)(Path("config"))
# Not Snakemake's own `config`, which merges a study into another one and runs code that it finds.
STUDY_FILES, STUDY_KEYS = study_settings()
if snakemake_files.bypassed(STUDY_FILES):
    end_run(
        f"{STUDY_FILES[0]}: was read by Snakemake itself, so code in it may have run"
    )
CONFIG = report_user_errors(read_study)(
    STUDY_FILES or [Path("config/config.yaml")], STUDY_KEYS, CATALOGUE
)
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
GROWN_MODELS = [name for name, model in CATALOGUE.models.items() if model.grow]
GIVEN_MODELS = [name for name, model in CATALOGUE.models.items() if not model.grow]


def any_of(names):
    """A pattern that matches exactly these names."""
    return "|".join(map(re.escape, names)) or "(?!)"


wildcard_constraints:
    environment=any_of(environments.names()),
    # Not the known ids: a mistyped one must reach cell_of, which names the nearest.
    variant="[^/]+",
    device="[^/@]+",
    task="[^/]+",
    identity="[0-9a-f]{16}",
