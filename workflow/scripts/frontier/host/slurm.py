"""Slurm jobs that outlived the run that submitted them, and a Slurm that is away for a while."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

from frontier.errors import UserError

# Snakemake names its jobs by its run's id, behind a prefix that the user may have set.
RUN_ID = re.compile(r"(?:[\w-]+_)?[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
WAIT_S = 60.0
SUBMITTED = Path(".snakemake/submitted")
"""Is there once a run from this folder has handed jobs to a scheduler."""


def orphans(folder: Path) -> list[str]:
    """Ids of this user's jobs that Snakemake submitted from a folder and that have not ended.

    Raises UserError where some may have been submitted and Slurm does not answer.
    """
    if not (folder / SUBMITTED).exists() or shutil.which("squeue") is None:
        return []
    listed = subprocess.run(
        ["squeue", "--me", "--noheader", "--format=%i|%j|%Z"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if listed.returncode != 0:
        raise UserError(
            f"jobs of a killed run may be alive, and squeue does not tell: {listed.stderr.strip()} "
            f"(if there are none: rm {SUBMITTED})"
        )
    rows = (line.split("|", 2) for line in listed.stdout.splitlines() if line.count("|") >= 2)
    return [job for job, name, at in rows if RUN_ID.fullmatch(name) and Path(at) == folder]


def cancel_orphans(folder: Path) -> None:
    """End the jobs that a killed run left, name them, and wait until they have ended.

    Otherwise they would write to the files that new jobs write to. Raises UserError where they do
    not end.
    """
    found = orphans(folder)
    if found:
        subprocess.run(["scancel", *found], capture_output=True, check=False)
        deadline = time.monotonic() + WAIT_S
        while left := orphans(folder):
            if time.monotonic() > deadline:
                raise UserError(f"Slurm jobs of a killed run do not end: scancel {' '.join(left)}")
            time.sleep(0.5)
    for job in found:
        print(f"cancelled Slurm job {job}, which a killed run left", file=sys.stderr)
