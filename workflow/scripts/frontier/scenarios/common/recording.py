"""The record of a request: its answer, or the reason why there is none."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from frontier.engines import Choice, Choose, Failed, Generation
from frontier.requests import WITHHELD, Request
from frontier.results.records import CHOSEN, Record, input_sha256

if TYPE_CHECKING:
    from frontier.scenarios import Bench

ANSWERED = (
    "text", "tokens", "prompt_tokens", "finish_reason", "arrivals", "counted_by", "thinking",
    "first_answer_ns", "cached_tokens", "drafted_tokens", "accepted_tokens", "doubts", "late_ns",
    "watermark",
)  # fmt: skip
"""The facts of an answer that a record has under the same name."""


def recorded(
    bench: Bench,
    name: str,
    answer: Generation | Choice | Failed,
    due_ns: int | None = None,
    before: Mapping[str, Record] | None = None,
) -> Record:
    """The record of a request's answer, or of its failure, which has no text, token or count.

    The text of a choice is the likeliest one; that of several alike the first.

    `due_ns`: when the scenario wanted it sent; None: when it was. Of a request that was sent again
    the last attempt counts, so that no time has the wait for it. `before`: the records that a later
    turn of a conversation follows.
    """
    request = bench.requests[name]
    own: dict[str, Any]
    if isinstance(answer, Failed):
        own = dict.fromkeys(("tokens", "prompt_tokens"), 0) | {"text": "", "arrivals": []}
        ended = WITHHELD if answer.withheld else "failed"
        own |= {"finish_reason": ended, "failure": answer.reason}
    elif isinstance(answer, Choice):
        own = _chosen(request, answer)
    else:
        own = {key: getattr(answer, key) for key in ANSWERED}
    return Record(
        id=name,
        prompt_sha256=hashlib.sha256(bench.model.render(request.prompt).encode()).hexdigest(),
        due_ns=answer.start_ns if due_ns is None or answer.retries else due_ns,
        start_ns=answer.start_ns,
        end_ns=answer.end_ns,
        session=bench.journal.session,
        input_sha256=input_sha256(bench.input(name, before or {})),
        lost_shots=request.lost_shots,
        retries=answer.retries,
        **own,
    )


def _chosen(request: Request, answer: Choice) -> dict[str, Any]:
    """The facts of a choice for its record; what is not a finite number is None."""
    assert isinstance(request, Choose)
    choices = tuple(text.lstrip() for text in request.choices)
    logprobs = tuple(one if math.isfinite(one) else None for one in answer.logprobs)
    known = [one for one in logprobs if one is not None]
    likeliest = choices[logprobs.index(max(known))] if len(known) == len(choices) else ""
    return {
        "text": likeliest,
        "tokens": 0,
        "prompt_tokens": answer.prompt_tokens,
        "finish_reason": CHOSEN,
        "arrivals": [],
        "choices": choices,
        "logprobs": logprobs,
        "choice_tokens": tuple(answer.tokens),
        "merged": answer.merged,
    }
