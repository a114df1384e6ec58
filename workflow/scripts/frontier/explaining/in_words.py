"""Why jobs would run, in words: a page of all of them, and one line at the start of a run."""

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
    "Nothing would run: every result is of the catalogue, inputs, code and packages as they are."
)


def page(explained: list[tuple[Job, Cause]]) -> str:
    """A block for the jobs of each rule that run for the same cause, and how many there are."""
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
    """The block of jobs of which these words can be said; what is one for all has its name."""
    rule, *alike = words
    told = zip(*(_lines(job, cause) for job, cause in jobs), strict=True)
    shown = (
        one[0] if len(set(one)) == 1 else any_of for any_of, one in zip(alike, told, strict=True)
    )
    return "\n".join((_head(rule, [job for job, _ in jobs]), *(f"    {line}" for line in shown)))


def _adoptable(explained: list[tuple[Job, Cause]]) -> Iterator[str]:
    """What there is to say of measurements that only an update would make again."""
    found = [cause.differences for job, cause in explained if job.rule == "measure"]
    count = sum(
        all(of_an_update(where, one) for where, one in leaves(each)) for each in found if each
    )
    if count:
        are = "1 measurement differs" if count == 1 else f"{count} measurements differ"
        yield f"{are} in code and versions only: adopt.py can take the earlier as current"


def as_json(explained: list[tuple[Job, Cause]]) -> str:
    """All of it as JSON, a block a job."""
    blocks = [
        {"rule": job.rule, **job.names, "output": str(job.output), **cause.as_json()}
        for job, cause in explained
    ]
    return json.dumps({"jobs": blocks}, indent=1)


def announcement(fresh: Freshness, planned: Iterable[Cell], command: str) -> str | None:
    """One line where cells are to be measured of which there are measurements; else None.

    `planned`: all those that are to be measured. `command`: the one that says more.
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
    told = ", ".join(
        f"{named[words].pop() if len(named[words]) == 1 else words} ({number})"
        for words, number in causes.most_common(MOST_CAUSES)
    )
    rest = ", …" if len(causes) > MOST_CAUSES else ""
    cells = "1 cell" if count == 1 else f"{count} cells"
    earlier = f"{cells} to measure of which there are earlier measurements"
    return visible(f"{earlier}: {told}{rest}; all of it: {command}", 1000)


def _head(rule: str, jobs: list[Job]) -> str:
    names = [job.about for job in jobs if job.about]
    more = len(names) - MOST_NAMES
    shown = ", ".join(names[:MOST_NAMES]) + (f" and {more} more" if more > 0 else "")
    return visible(f"{rule}: {shown}" if shown else rule, 400)


def _lines(job: Job, cause: Cause) -> Iterator[str]:
    """What the page says of a job."""
    match cause.kind:
        case "never made":
            yield "never made"
            return  # what it reads and is not there has a block of its own
        case "unfinished":
            yield "begun and not finished; what there is of it is taken"
        case "deleted" | "altered":
            what = "deleted" if cause.kind == "deleted" else "altered since it was written"
            # Of many jobs it is the same file, so their blocks are one.
            yield f"{what}: {', '.join(_file(job, path.name) for path in cause.files)}"
    differing = list(_differing(job, cause))
    yield from differing[:MOST_LINES]
    if len(differing) > MOST_LINES:
        yield f"and {len(differing) - MOST_LINES} more differences, which --json lists"
    if cause.takes_over:
        yield "what was asked already, of another sample, is taken over"
    if job.rule in ("aggregate", "compare"):
        if cause.inputs:
            are = "is" if len(cause.inputs) == 1 else "are"
            yield f"{len(cause.inputs)} of its cells {are} made again"
    elif cause.inputs and (job.rule in ("score", *TABLES) or not differing):
        are = "is" if len(cause.inputs) == 1 else "are"
        yield f"its {' and '.join(cause.inputs)} {are} made again"


def _file(job: Job, name: str) -> str:
    return f"TASK{name.removeprefix(job.output.stem)}" if job.rule == "score" else name


def _differing(job: Job, cause: Cause) -> Iterator[str]:
    """The differences, but for those inputs of which it is enough that they are made again."""
    made_again = (*cause.inputs, "cells") if job.rule in ("score", *TABLES) else ()
    yield from lines(
        one for one in cause.differences if not (isinstance(one, Input) and one.name in made_again)
    )
    if cause.kind == "differs" and not cause.differences:
        yield "made of something else, which its record does not tell"


def _few_words(cause: Cause) -> dict[str, str]:
    """What to count of a cause, and what that is called exactly; all modules are one."""
    if cause.kind == "forced":
        return {"forced": "forced"}
    ends = [one for _, one in leaves(cause.differences)]
    modules = [one for one in ends if isinstance(one, Module)]
    others = [one for one in ends if not isinstance(one, Module)]
    words = dict(zip(map(line, general(others)), map(line, others), strict=True))
    if modules:
        code = line(modules[0]) if len(modules) == 1 else f"{len(modules)} modules of code"
        words[code] = code
    return words or {"made of something else": "made of something else"}


def _jobs(count: int) -> str:
    return "1 job" if count == 1 else f"{count} jobs"
