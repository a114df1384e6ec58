"""Readers of a judge's preferences about each answer, from its texts or its probabilities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from frontier.judging import verdicts
from frontier.judging.agreement import Judged
from frontier.judging.asking import Inquiry
from frontier.judging.templates import PAIRS, Form

Said = str | Mapping[str, float]
"""A judge's text, or ln of the probability of each of its verdicts."""
RANGE = verdicts.HIGHEST - verdicts.LOWEST


def judged(
    form: Form, asked: Sequence[Inquiry], said: Mapping[str, Said]
) -> list[tuple[Judged, Inquiry]]:
    """The preference of each request or pair; a rating's is a share of the whole scale."""
    read = _rated if form == "rating" else _compared
    return [(read(form, about, said), about) for about in asked]


def _rated(form: Form, about: Inquiry, said: Mapping[str, Said]) -> Judged:
    texts = [said.get(name) if name else None for name in (about.first, about.second)]
    ratings = [verdicts.rating(text) if isinstance(text, str) else None for text in texts]
    if about.check:
        known = None not in ratings
        better = float(known and ratings[0] > ratings[1])  # type: ignore[operator]
        return Judged(better, better, about.characters, about.other_characters)
    share = None if ratings[0] is None else (ratings[0] - verdicts.LOWEST) / RANGE
    return Judged(share, share, about.characters, 0)


def _compared(form: Form, about: Inquiry, said: Mapping[str, Said]) -> Judged:
    texts = [said.get(name) if name else None for name in (about.first, about.second)]
    first, second = (_preference(form, text) for text in texts)
    swapped = None if second is None else 1 - second
    likely = any(isinstance(text, Mapping) for text in texts)
    lengths = about.characters, about.other_characters
    return Judged(first, swapped, *lengths, equal=about.equal, probable=likely)


def _preference(form: Form, said: Said | None) -> float | None:
    """The preference for the answer that was shown first."""
    if said is None:
        return None
    verdict = PAIRS[form](said) if isinstance(said, str) else verdicts.by_logprobs(said)
    return None if verdict is None else verdict.preference
