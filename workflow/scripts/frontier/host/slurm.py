"""Slurm jobs that outlived the run that submitted them."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

from frontier.errors import UserError

# Snakemake names its jobs by the run's id, after a prefix that the user may have set.
RUN_ID = re.compile(r"(?:[\w-]+_)?[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
WAIT_S = 60.0
SUBMITTED = Path(".snakemake/submitted")
"""Exists once a run from this folder has submitted jobs to a scheduler."""


def orphans(folder: Path) -> list[str]:
    """Ids of this user's jobs that Snakemake submitted from a folder and that have not ended.

    Raises UserError if there may be some and Slurm does not answer.
    """
    if not (folder / SUBMITTED).exists() or shutil.which("squeue") is None:
        return []
    listed = subprocess.run(
        ["squeue", "--me", "--noheader", "--format=%i|%j|%Z"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if listed.returncode != 0:
        raise UserError(
            f"jobs of a killed run may still be running, and squeue failed: "
            f"{listed.stderr.strip()} (if there are none: rm {SUBMITTED})"
        )
    rows = (line.split("|", 2) for line in listed.stdout.splitlines() if line.count("|") >= 2)
    return [job for job, name, at in rows if RUN_ID.fullmatch(name) and Path(at) == folder]


def cancel_orphans(folder: Path) -> None:
    """Cancels the jobs that a killed run left, prints them, and waits until they have ended.

    They would otherwise write to the files of new jobs. Raises UserError if they do not end.
    """
    found = orphans(folder)
    if found:
        subprocess.run(["scancel", *found], capture_output=True, check=False)
        deadline = time.monotonic() + WAIT_S
        while left := orphans(folder):
            if time.monotonic() > deadline:
                raise UserError(
                    f"Slurm jobs of a killed run have not ended: scancel {' '.join(left)}"
                )
            time.sleep(0.5)
    for job in found:
        print(f"cancelled Slurm job {job}, left by a killed run", file=sys.stderr)
