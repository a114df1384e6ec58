"""Explanations why jobs would run: a page for all of them, and a line at the start of a run."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import replace

from frontier.explaining.difference_lines import line, lines
from frontier.explaining.differences import Input, Module, leaves, of_an_update
from frontier.explaining.keys import general
from frontier.explaining.why import TABLES, Cause, Why
from frontier.planning.cells import Cell
from frontier.planning.freshness import Freshness
from frontier.planning.jobs import Job, Jobs
from frontier.text import visible

MOST_NAMES, MOST_LINES, MOST_CAUSES = 4, 12, 3
NOTHING = (
    "Nothing would run: every result is up to date with the catalogue, inputs, code and packages."
)


def page(explained: list[tuple[Job, Cause]]) -> str:
    """A block per rule and cause, with the number of jobs."""
    if not explained:
        return NOTHING
    counts = Counter(job.rule for job, _ in explained)
    total = ", ".join(f"{count} {rule}" for rule, count in counts.items())
    blocks: dict[tuple[str, ...], list[tuple[Job, Cause]]] = {}
    for job, cause in explained:
        alike = replace(cause, differences=general(cause.differences))
        blocks.setdefault((job.rule, *_lines(job, alike)), []).append((job, cause))
    return "\n\n".join(
        [
            f"{_jobs(len(explained))} would run: {total}",
            *(_block(words, jobs) for words, jobs in blocks.items()),
            *_adoptable(explained),
        ]
    )


def _block(words: tuple[str, ...], jobs: list[tuple[Job, Cause]]) -> str:
    """The block for jobs with the same lines; a name common to all is given."""
    rule, *alike = words
    rows = zip(*(_lines(job, cause) for job, cause in jobs), strict=True)
    shown = (
        one[0] if len(set(one)) == 1 else any_of for any_of, one in zip(alike, rows, strict=True)
    )
    return "\n".join((_head(rule, [job for job, _ in jobs]), *(f"    {line}" for line in shown)))


def _adoptable(explained: list[tuple[Job, Cause]]) -> Iterator[str]:
    """A line on measurements that only an update would repeat."""
    found = [cause.differences for job, cause in explained if job.rule == "measure"]
    count = sum(
        all(of_an_update(where, one) for where, one in leaves(each)) for each in found if each
    )
    if count:
        are = "1 measurement differs" if count == 1 else f"{count} measurements differ"
        yield f"{are} in code and versions only: adopt.py can declare the earlier ones current"


def as_json(explained: list[tuple[Job, Cause]]) -> str:
    """The explanations as JSON, one object per job."""
    blocks = [
        {"rule": job.rule, **job.names, "output": str(job.output), **cause.as_json()}
        for job, cause in explained
    ]
    return json.dumps({"jobs": blocks}, indent=1)


def announcement(fresh: Freshness, planned: Iterable[Cell], command: str) -> str | None:
    """A line if cells will be measured that have earlier measurements; else None.

    `planned`: all cells that will be measured. `command`: the command that explains more.
    """
    jobs = Jobs(fresh.steps)
    why = Why(fresh, ())
    count, causes, named = 0, Counter[str](), defaultdict[str, set[str]](set)
    for cell in planned:
        found = why.cause(jobs.measure(cell)) if fresh.to_measure(cell) else Cause("forced")
        if found.kind in ("differs", "forced"):
            count += 1
            for words, exactly in _few_words(found).items():
                causes[words] += 1
                named[words].add(exactly)
    if not count:
        return None
    rows = ", ".join(
        f"{named[words].pop() if len(named[words]) == 1 else words} ({number})"
        for words, number in causes.most_common(MOST_CAUSES)
    )
    rest = ", …" if len(causes) > MOST_CAUSES else ""
    cells = "1 cell" if count == 1 else f"{count} cells"
    earlier = f"{cells} to measure for which there are earlier measurements"
    return visible(f"{earlier}: {rows}{rest}; all of it: {command}", 1000)


def _head(rule: str, jobs: list[Job]) -> str:
    names = [job.about for job in jobs if job.about]
    more = len(names) - MOST_NAMES
    shown = ", ".join(names[:MOST_NAMES]) + (f" and {more} more" if more > 0 else "")
    return visible(f"{rule}: {shown}" if shown else rule, 400)


def _lines(job: Job, cause: Cause) -> Iterator[str]:
    """The page's lines on a job."""
    match cause.kind:
        case "new":
            yield "new"
            return  # missing inputs have their own block
        case "unfinished":
            yield "started but not finished; it continues where it stopped"
        case "scorable":
            yield "could not be scored on the machine that tried; on this one it can"
        case "deleted" | "altered":
            what = "deleted" if cause.kind == "deleted" else "altered since it was written"
            # Many jobs share the same file, so they share a block.
            yield f"{what}: {', '.join(_file(job, path.name) for path in cause.files)}"
    differing = list(_differing(job, cause))
    yield from differing[:MOST_LINES]
    if len(differing) > MOST_LINES:
        yield f"and {len(differing) - MOST_LINES} more differences, which --json lists"
    if cause.takes_over:
        yield "requests already asked for another sample are reused"
    if job.rule in ("aggregate", "compare"):
        if cause.inputs:
            are = "is" if len(cause.inputs) == 1 else "are"
            yield f"{len(cause.inputs)} of its cells {are} rebuilt"
    elif cause.inputs and (job.rule in ("score", *TABLES) or not differing):
        are = "is" if len(cause.inputs) == 1 else "are"
        yield f"its {' and '.join(cause.inputs)} {are} rebuilt"


def _file(job: Job, name: str) -> str:
    return f"TASK{name.removeprefix(job.output.stem)}" if job.rule == "score" else name


def _differing(job: Job, cause: Cause) -> Iterator[str]:
    """The differences, without inputs for which it is enough to say that they are rebuilt."""
    made_again = (*cause.inputs, "cells") if job.rule in ("score", *TABLES) else ()
    yield from lines(
        one for one in cause.differences if not (isinstance(one, Input) and one.name in made_again)
    )
    if cause.kind == "differs" and not cause.differences:
        yield "built from other inputs, which its record does not list"


def _few_words(cause: Cause) -> dict[str, str]:
    """A short name for each part of a cause, by its full name; all modules share one."""
    if cause.kind == "forced":
        return {"forced": "forced"}
    ends = [one for _, one in leaves(cause.differences)]
    modules = [one for one in ends if isinstance(one, Module)]
    others = [one for one in ends if not isinstance(one, Module)]
    words = dict(zip(map(line, general(others)), map(line, others), strict=True))
    if modules:
        code = line(modules[0]) if len(modules) == 1 else f"{len(modules)} modules of code"
        words[code] = code
    return words or {"other inputs": "other inputs"}


def _jobs(count: int) -> str:
    return "1 job" if count == 1 else f"{count} jobs"
