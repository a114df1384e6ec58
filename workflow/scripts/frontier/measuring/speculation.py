"""The end of a measurement with speculative decoding that drafted nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from frontier.results.measurement import Attempt
from frontier.results.records import Record
from frontier.techniques import Technique


def checked(
    attempt: Attempt, techniques: Iterable[Technique], records: Sequence[Record]
) -> Attempt:
    """The attempt, which is unsupported if no step of any request had a draft to verify.

    The cell would be a copy of its parent. Drafts of which none was accepted are a result, but not
    where an engine reports accepted tokens only: there may have been no draft. Nothing is known of
    a cell whose engine does not say how many tokens it drafted for an answer.
    """
    kinds = " and ".join(one.kind for one in techniques if one.SPECULATES)
    if attempt.outcome != "measured" or not kinds:
        return attempt
    answers = [one for one in records if one.arrivals]
    drafted = {one.drafted_tokens for one in answers}
    if drafted == {0}:
        return attempt.ended("unsupported", f"{kinds} changed nothing: no step verified a draft")
    if drafted == {None} and {one.accepted_tokens for one in answers} == {0}:
        return attempt.ended("unsupported", f"{kinds} changed nothing: no drafted token was right")
    return attempt
