"""The agreement of another tool's generations with ours, and the kind of each difference."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

Kind = Literal[
    "equal", "missing", "white space", "stop text", "tokenization", "rounding tie", "unexplained"
]
TIES = {"float32": 1e-3, "float16": 0.032, "bfloat16": 0.25}
"""The largest difference of two logits that rounding may turn around, by precision: two units in
the last place of logits up to 32 in half precision, and more in float32."""


@dataclass(frozen=True)
class Steps:
    """Our decoding of a request, step by step: the text so far, and the lead of the likeliest
    token's logit over the next one's."""

    texts: Sequence[str]
    margins: Sequence[float]


def kind(
    ours: str,
    theirs: str | None,
    stop: Sequence[str],
    *,
    other_ids: bool = False,
    steps: Steps | None = None,
    tie: float = TIES["float32"],
) -> Kind:
    """The kind of a difference; `other_ids`: the prompt has other token ids there.

    `tie` is the largest lead that rounding may turn around.
    """
    if theirs is None:
        return "missing"
    if ours == theirs:
        return "equal"
    if ours.strip() == theirs.strip():
        return "white space"
    if _longer_by_a_stop(ours, theirs, stop) or _longer_by_a_stop(theirs, ours, stop):
        return "stop text"
    if other_ids:
        return "tokenization"
    if steps and _leads_elsewhere(steps, theirs) <= tie:
        return "rounding tie"
    return "unexplained"


def _longer_by_a_stop(shorter: str, longer: str, stop: Sequence[str]) -> bool:
    """Whether one text is the other up to a stop text, but for white space."""
    if not longer.startswith(shorter):
        return False
    places = [place for one in stop if (place := longer.find(one)) >= 0]
    return bool(places) and longer[: min(places)].strip() == shorter.strip()


def _leads_elsewhere(steps: Steps, theirs: str) -> float:
    """The lead at the step at which another text leaves ours; infinite if it does not."""
    for text, margin in zip(steps.texts, steps.margins, strict=True):
        if not theirs.startswith(text):
            return margin
    return float("inf")


def agreement(
    ours: Mapping[str, str],
    theirs: Mapping[str, str],
    stop: Sequence[str],
    other_ids: Collection[str] = (),
    steps: Mapping[str, Steps] | None = None,
    dtype: str = "float32",
) -> dict[str, Kind]:
    """The kind of each request's difference."""
    return {
        name: kind(
            text,
            theirs.get(name),
            stop,
            other_ids=name in other_ids,
            steps=(steps or {}).get(name),
            tie=TIES.get(dtype, TIES["float32"]),
        )
        for name, text in ours.items()
    }


def words(kinds: Mapping[str, Kind]) -> str:
    """The agreement as text: equal ones of all, and the count of each other kind."""
    counts = Counter(kinds.values())
    others = [f"{count} {name}" for name, count in counts.most_common() if name != "equal"]
    return f"{counts['equal']} of {len(kinds)}" + (f" ({', '.join(others)})" if others else "")
