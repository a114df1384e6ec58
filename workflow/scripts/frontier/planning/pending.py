"""The jobs that would run, as Snakemake's dry run lists them, computed without Snakemake.

Freshness says which cells and tables are out of date. A result with its identity in its path is
built if it is missing, or its lock is damaged, and a job that runs needs it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from frontier.host.locks import lock_is_whole
from frontier.planning.cells import Cell
from frontier.planning.freshness import Freshness
from frontier.planning.jobs import Job, Jobs
from frontier.results import layout


def pending(fresh: Freshness, cells: Iterable[Cell], tables: bool) -> list[Job]:
    """The jobs that would run for some cells, and for the study's tables and report.

    Jobs come after the jobs that produce their inputs.
    """
    jobs = Jobs(fresh.steps)
    found: dict[Path, Job] = {}
    for cell in cells:
        if not fresh.cell(cell):
            scoring = jobs.score(cell)
            if cell.planned and fresh.to_measure(cell):
                measuring = scoring.reads["measurement"]
                found |= {job.output: job for job in _needed(fresh.root, measuring)}
                found[measuring.output] = measuring
            if fresh.steps.judging(cell):
                judging = scoring.reads["judging"]
                if fresh.to_judge(cell):
                    found |= {job.output: job for job in _needed(fresh.root, judging)}
                    found[judging.output] = judging
                else:
                    asked = scoring.reads["asked"]
                    found |= {job.output: job for job in _lacking(fresh.root, asked)}
            if cell.planned:
                found |= {job.output: job for job in _lacking(fresh.root, scoring.reads["sample"])}
            found[scoring.output] = scoring
    if tables:
        scores = {job.about: job for job in found.values() if job.rule == "score"}
        found |= {job.output: job for job in _tables(fresh, scores)}
    return list(found.values())


def is_missing(root: Path, job: Job) -> bool:
    """True if a job's result is missing, or must be rebuilt because its lock is damaged."""
    return not (root / job.output).exists() or broken_lock(root, job)


def broken_lock(root: Path, job: Job) -> bool:
    """True if the lock next to a job's result exists but was altered."""
    lock = root / layout.lock_beside(job.output)
    return lock.exists() and not lock_is_whole(lock)


def _lacking(root: Path, job: Job) -> Iterator[Job]:
    """A job and those that it needs, if its result is missing."""
    if is_missing(root, job):
        yield from _needed(root, job)
        yield job


def _needed(root: Path, job: Job) -> Iterator[Job]:
    """The jobs that must run before a job."""
    for read in job.reads.values():
        yield from _lacking(root, read)


def _tables(fresh: Freshness, scores: dict[str, Job]) -> Iterator[Job]:
    """The jobs for the tables and the report that will be out of date."""
    steps = fresh.steps
    if fresh.report():
        return
    study = Job("aggregate", {}, steps.aggregate, layout.lock(layout.STUDY), scores)
    compared = layout.lock(layout.COMPARISONS)
    comparisons = Job("compare", {}, steps.compare, compared, scores)
    if not fresh.study():
        yield study
    if not fresh.comparisons():
        yield comparisons
    reads = {"study": study, "comparisons": comparisons}
    yield Job("render", {}, steps.render, layout.report(), reads)
