"""Readers of a judge's verdict in its own text, or in the probabilities of its first token.

The last exact mark counts, since a judge may quote marks of the answers, or weigh several before
it decides. None: unparsable, which is neither a tie nor a bad rating.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from frontier.answers.thoughts import THOUGHT
from frontier.stats.preferences import LOSS, TIE, WIN, by_probability

LOWEST, HIGHEST = 1.0, 10.0
RATING = re.compile(r"\[\[(\d+\.?\d*)\]\]", re.ASCII)
PLAIN_RATING = re.compile(r"\[(\d+\.?\d*)\]", re.ASCII)
PAIR = re.compile(r"\[\[([ABC])\]\]")
ARENA = re.compile(r"\[\[([AB<>=]+)\]\]")
OF_A = {"A": WIN, "B": LOSS, "C": TIE}
OF_ARENA = {"A>>B": WIN, "A>B": WIN, "A=B": TIE, "B>A": LOSS, "B>>A": LOSS}
STRONG_GAMES = 3
"""The games that a `>>` counts as in Arena-Hard's ratings."""
FIRST, SECOND = "m", "M"
"""AlpacaEval's identifiers of the outputs, in the order of presentation."""


@dataclass(frozen=True)
class Verdict:
    """A judge's preference for the answer that it saw first: 1, 0.5, 0, or between them."""

    preference: float
    strong: bool = False
    """Whether one is much better, which only Arena's five verdicts say."""


def own_text(text: str) -> str:
    """The judge's text without its thoughts; empty if they never ended."""
    return THOUGHT.sub("", text)


def rating(text: str) -> float | None:
    """The rating from 1 to 10: the last `[[5]]`, or else the last `[5]`. Others are unparsable."""
    said = own_text(text)
    marks = RATING.findall(said) or PLAIN_RATING.findall(said)
    value = float(marks[-1]) if marks else None
    return value if value is not None and LOWEST <= value <= HIGHEST else None


def pair(text: str) -> Verdict | None:
    """The verdict of two answers: the last of `[[A]]`, `[[B]]` and `[[C]]`, a tie."""
    marks = PAIR.findall(own_text(text))
    return Verdict(OF_A[marks[-1]]) if marks else None


def arena(text: str) -> Verdict | None:
    """The last of Arena's five verdicts: `[[A>>B]]`, `[[A>B]]`, `[[A=B]]`, `[[B>A]]`, `[[B>>A]]`.

    Unparsable if the last mark is none of them, such as `[[A<B]]`.
    """
    marks = ARENA.findall(own_text(text))
    if not marks or marks[-1] not in OF_ARENA:
        return None
    return Verdict(OF_ARENA[marks[-1]], strong=">>" in marks[-1])


def identifier(text: str) -> Verdict | None:
    """The verdict of a judge that answers `m` (the first answer) or `M`, and nothing else."""
    said = own_text(text).strip().strip("\"'`.")
    if said not in (FIRST, SECOND):
        return None
    return Verdict(WIN if said == FIRST else LOSS)


def by_logprobs(tokens: Mapping[str, float]) -> Verdict | None:
    """The verdict by the logarithms of the probabilities of the most probable first tokens.

    A token with a space before it is the same identifier; the more probable one counts.
    """
    found: dict[str, float] = {}
    for token, logprob in tokens.items():
        name = token.strip()
        if name in (FIRST, SECOND):
            found[name] = max(found.get(name, logprob), logprob)
    preference = by_probability(found.get(FIRST), found.get(SECOND))
    return None if preference is None else Verdict(preference)
