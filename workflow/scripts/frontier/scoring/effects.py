"""Techniques that had no effect, as only the answers show."""

from __future__ import annotations

from collections.abc import Sequence

from frontier.results.measurement import Measurement
from frontier.results.records import Record
from frontier.techniques.common.fitting import ignored


def without(measured: Measurement, records: Sequence[Record]) -> dict[str, str]:
    """The outcome and the reason of a measured cell whose technique was ignored; else nothing."""
    block = measured.technique("guided")
    if block is None or measured.outcome != "measured":
        return {}
    texts: dict[str, list[str]] = {"stop": [], "length": []}
    for one in records:
        if one.failure is None and one.finish_reason in texts:
            texts[one.finish_reason].append(one.text)
    reason = ignored(block, texts["stop"], texts["length"])
    return {} if reason is None else {"outcome": "unsupported", "reason": reason}
