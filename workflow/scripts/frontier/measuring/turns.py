"""Conversations: each turn follows the model's own answers to the turns before it.

A later turn's request is known once those are answered. Its record has the digest of all of them
(`Record.input_sha256`), so one that followed other answers than those recorded is noticed, and
asked again.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from frontier.errors import Reason
from frontier.prompts import Question
from frontier.requests import Failed
from frontier.results.records import Record, input_sha256

UNANSWERED: Reason = "the turn before it has no answer"
TOO_LONG: Reason = "the conversation is too long for the model"


def behind(question: Question, records: Mapping[str, Record]) -> Question | None:
    """A turn's question behind the recorded answers to those before; None if one is missing."""
    earlier = [records.get(name) for name in question.follows]
    answers = [one.text for one in earlier if one is not None and one.failure is None]
    if len(answers) < len(earlier):
        return None
    return replace(question, answers=tuple(answers))


def outdated(questions: Mapping[str, Question], records: Iterable[Record]) -> Iterator[Record]:
    """The records of later turns that follow other answers than those recorded, or none."""
    known = {record.id: record for record in records}
    for name, question in questions.items():
        record = known.get(name)
        if record is None or not question.follows:
            continue
        now = behind(question, known)
        wanted = None if now is None else input_sha256(now.input)
        if (record.failure is None or wanted) and record.input_sha256 != wanted:
            yield record
            del known[name]


def failed(reason: Reason) -> Failed:
    """A turn that cannot be asked."""
    return Failed(reason, start_ns=time.perf_counter_ns(), end_ns=0)
