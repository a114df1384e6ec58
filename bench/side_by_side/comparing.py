"""The rounds: every tool once in each, then the comparison of answers and scores."""

from __future__ import annotations

import json
import os
import statistics
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from frontier.errors import UserError
from frontier.machine import hardware
from frontier.results.records import read
from side_by_side import agreement, table
from side_by_side.agreement import Kind, Steps
from side_by_side.asked import Asked
from side_by_side.running import FailedError, run
from side_by_side.scores import scored
from side_by_side.table import Row
from side_by_side.tools import NotHereError, Tool, Work
from side_by_side.tools.loop import PROGRAMS
from side_by_side.workspace import DEVICE, Checkout

BENCH = Path(__file__).resolve().parents[1]
OURS = {"PYTHONPATH": os.pathsep.join(map(str, (BENCH, BENCH.parent / "workflow" / "scripts")))}
"""The variables of this comparison's own programs."""


def say(words: str) -> None:
    """Reports progress."""
    print(words, file=sys.stderr, flush=True)


def prepared(checkout: Checkout, folder: Path) -> Work:
    """Runs ours once, untimed: it fetches or grows the model, and shows the requests."""
    say(f"preparing {checkout.model}")
    try:
        checkout.build(DEVICE, folder / "preparing.log")
    except FailedError as error:
        raise UserError(f"preparing the cell: {error}") from None
    measured, own = checkout.measured(DEVICE)
    if measured.outcome != "measured":
        raise UserError(f"nothing to compare: {measured.outcome}: {measured.reason}")
    checkpoint, asked_file = checkout.checkpoint(), folder / "asked.json"
    command = [sys.executable, "-m", "side_by_side.asking", own, checkout.sample(), checkpoint]
    run([*command, asked_file], folder / "asking.log", variables=OURS)
    tokens = round(statistics.median(one.tokens for one in read(own / "requests.jsonl")))
    return Work(
        checkpoint, Asked.read(asked_file), asked_file, checkout.threads, folder, tokens, checkout
    )


def compared(work: Work, tools: Sequence[Tool], rounds: int) -> dict[str, Row]:
    """Runs every tool in every round; one that fails is left out with the reason."""
    rows = {tool.name: Row(tool) for tool in tools}
    for row in rows.values():
        try:
            row.tool.prepare(work)
        except (NotHereError, FailedError) as error:
            row.reason = _short(error)
            say(f"{row.tool.name}: not run: {row.reason}")
    for number in range(rounds):
        here = [row for row in rows.values() if not row.reason]
        for row in reversed(here) if number % 2 else here:
            try:
                row.runs.append(row.tool.run(work))
            except FailedError as error:
                row.reason = _short(error)
                say(f"{row.tool.name}: {error}")
                continue
            ran = row.runs[-1].ran
            seconds = f"{ran.wall_s:.1f} s" if ran else ""
            say(f"round {number + 1} of {rounds}: {row.tool.name}: {seconds}")
    _compare_answers(work, rows)
    return rows


def _short(error: Exception) -> str:
    """The last error in a message, or its last line, without what would end a table's cell."""
    lines = [line for line in str(error).splitlines() if line.strip()]
    lines = [line for line in lines if "Error:" in line] or lines
    return (lines[-1] if lines else "no message").replace("|", "/")[:200]


def _compare_answers(work: Work, rows: Mapping[str, Row]) -> None:
    """Adds agreement and scores, of the last round."""
    own = rows["ours"].runs[-1].texts
    ours = scored(work.checkout, own)
    tokens = json.loads(work.asked_file.with_suffix(".tokens.json").read_text("utf-8"))
    stop = work.asked.stop
    for row in rows.values():
        texts = row.runs[-1].texts if row.runs and not row.reason else {}
        if not texts or not row.tool.answers:
            continue
        kinds = agreement.agreement(own, texts, stop, tokens["other"])
        if "unexplained" in kinds.values():
            kinds = agreement.agreement(
                own, texts, stop, tokens["other"], _steps(work), work.asked.dtype
            )
        row.agreement = agreement.words(kinds)
        _show(row, kinds, own, texts)
        theirs = scored(work.checkout, texts)
        if ours and theirs and theirs.value is not None:
            same = sum(one == other for one, other in zip(ours.each, theirs.each, strict=True))
            row.score = f"{theirs.value:.4g} ({same} of {len(ours.each)} requests alike)"


def _show(
    row: Row, kinds: Mapping[str, Kind], own: Mapping[str, str], texts: Mapping[str, str]
) -> None:
    """Prints the first differences of each kind."""
    shown: set[Kind] = {"equal"}
    for name, kind in kinds.items():
        if kind not in shown:
            shown.add(kind)
            say(f"{row.tool.name}, {name}, {kind}: {own[name]!r}, theirs {texts.get(name)!r}")


def _steps(work: Work) -> dict[str, Steps]:
    """Our decoding step by step, computed again by the loop written by hand."""
    output = work.folder / "steps.json"
    command = [sys.executable, PROGRAMS / "hand.py", work.checkpoint, work.asked_file, output]
    variables = {**work.variables, "MARGINS": "1"}
    run([*command, str(work.threads)], work.folder / "steps.log", variables=variables)
    found = json.loads(output.read_text(encoding="utf-8"))
    return {one["id"]: Steps(one["texts"], one["margins"]) for one in found}


def turns(work: Work, rounds: int) -> list[list[float]]:
    """Seconds per token of our engine and of a bare `generate`, request by request.

    Then the processor's seconds of both.
    """
    own = work.checkout.measured(DEVICE)[1]
    output = work.folder / "turns.json"
    command = [sys.executable, "-m", "side_by_side.in_turns", own, work.checkpoint]
    command += [work.asked_file, output, str(rounds), work.checkout.sample()]
    run(command, work.folder / "turns.log", variables={**work.variables, **OURS})
    found: list[list[float]] = json.loads(output.read_text(encoding="utf-8"))
    return found


def page(work: Work, rows: Mapping[str, Row], pairs: Sequence[Sequence[float]]) -> str:
    """The table with its conditions, and the aims."""
    rounds = max(len(row.runs) for row in rows.values())
    # Processes that are not of a tool's tree, as our measuring one, would count as others.
    foreign = [
        one.ran.foreign_cores
        for row in rows.values()
        for one in row.runs
        if one.ran and one.peak_bytes is None
    ]
    others = (
        f"{statistics.median(foreign):.2f} (median; at most {max(foreign):.2f} during a run)"
        if foreign
        else "an unknown number"
    )
    size = sum(path.stat().st_size for path in work.checkpoint.glob("*.safetensors"))
    return "\n".join(
        [
            f"# Side by side: {work.checkout.model}, {work.checkout.task}",
            "",
            f"{len(work.asked.requests)} requests, {work.threads} threads, {rounds} rounds; "
            f"checkpoint of {size / 1e6:.0f} MB; {hardware.cpu_name()}, {os.cpu_count()} cores, "
            f"of which other processes used {others}.",
            "",
            *table.lines(rows),
            "",
            f"- whole: ours / (lm-eval + optimum-benchmark): {table.both(rows)} "
            "(aim: at most 0.30)",
            f"- TPOT in one process, in turns: our engine / generate: {table.in_turns(pairs)} "
            "(aim: 0.99 to 1.01)",
            f"- processor time of a request, in the same turns: {table.in_turns(pairs, 2)}",
            *(f"- {row.tool.name}: {row.tool.does}" for row in rows.values()),
            "",
        ]
    )
