"""TTFT by the length of prompts and TPOT by the length of outputs, from a cell's requests."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from frontier import words
from frontier.report.deciding.entries import FEWEST
from frontier.results.outputs import read_requests

PARTS = 3
TIMES = (("ttft_s", "prompt_tokens", "TTFT, prompts of"), ("tpot_s", "tokens", "TPOT, outputs of"))


def by_length(requests: Path) -> list[tuple[str, str]]:
    """Names and texts: ("TTFT, prompts of 8–14 tokens", "3.2 ms (66 requests)").

    The requests in thirds by length; equal lengths are in one part, and parts with too few requests
    for a median are left out.
    """
    columns = list(dict.fromkeys(name for time, length, _ in TIMES for name in (time, length)))
    frame = read_requests(requests, (), columns)
    found = []
    for time, length, said in TIMES:
        if {time, length} <= set(frame.columns):
            known = frame.select(time, length).drop_nulls()
            found += [(f"{said} {name}", text) for name, text in _parts(known, time, length)]
    return found


def _parts(frame: pl.DataFrame, time: str, length: str) -> list[tuple[str, str]]:
    if frame.height < FEWEST:
        return []
    ends = [frame[length].quantile(part / PARTS, "lower") for part in range(1, PARTS + 1)]
    found, below = [], -1.0
    for end in sorted({float(end) for end in ends if end is not None}):
        part = frame.filter(pl.col(length) > below, pl.col(length) <= end)
        below = end
        if part.height >= FEWEST:
            few, many = (int(part[length].quantile(q) or 0) for q in (0, 1))
            name = f"{few} tokens" if few == many else f"{few}–{many} tokens"
            middle = words.seconds(float(part[time].median()))  # type: ignore[arg-type]
            found.append((name, f"median {middle} ({part.height} requests)"))
    return found
