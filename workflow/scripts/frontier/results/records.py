"""The records of a measurement: one line per request, and the sessions that asked them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Self

from frontier.arrivals import Arrival
from frontier.errors import UserError
from frontier.requests import WITHHELD, CountedBy
from frontier.results import checksums
from frontier.values import read_lines


@dataclass(frozen=True)
class Record:
    """One timed request.

    `due_ns`, when its scenario wanted it sent, and `start_ns`, when it was, are nanoseconds on the
    monotonic clock of the process numbered `session` (a measurement that was interrupted has
    several); all other times are nanoseconds since `start_ns`. `end_ns` is when the text was
    complete, tokenization and detokenization included. `tokens` were generated, as `counted_by`
    says (frontier/requests.py); `arrivals` has all of them, in order of time.

    `foreign_cores` is the average number of cores that other processes used meanwhile. A request
    during which the process was stopped is asked again, so there may be several `attempts`;
    `paused`: none of them was undisturbed. `prompt_sha256` is that of the prompt as the model reads
    it, in the chat template or in the user's. `input_sha256` is that of the task's own prompt, by
    which another sample's measurement finds it.

    The fields from `thinking` on are mostly a `Generation`'s, which only servers or techniques
    give; a line has those that are known. `failure` is the reason why there is no answer: such a
    record has no text, no token and no time that counts. `lost_shots` are the worked examples that
    its prompt lacks because the model had no room for them. `choices` are the answers whose
    likelihoods were asked for: ln p of each is in `logprobs` (None if it is not a number), its
    tokens are counted in `choice_tokens`; `merged` of them begin within a token that has the
    prompt's end too. Nothing is generated then, and `text` is the likeliest choice. `rate` and
    `repetition` are of the scenario `server`, which asks a request at several rates of arrivals and
    several times at each: arrivals per second, and the number of times that it was asked before at
    this rate. Where there is no rate, it is asked once. An answer that a server's filter withheld
    has its own `finish_reason`, and a `failure` too if there is no answer at all. `cpu_joules` is
    the energy of the processors with their memory, `gpu_joules` that of the GPUs, by their own
    counters. `watermark` are the tokens that belong to a watermark, and all that were tested.
    `drafted_tokens` were drafted by speculative decoding; the answer has `accepted_tokens` of them.
    """

    id: str
    prompt_sha256: str
    text: str
    tokens: int
    prompt_tokens: int
    finish_reason: str
    due_ns: int
    start_ns: int
    arrivals: list[Arrival]
    end_ns: int
    session: int
    foreign_cores: float | None = None
    attempts: int = 1
    paused: bool = False
    input_sha256: str = ""
    counted_by: CountedBy = "engine"
    thinking: str = ""
    first_answer_ns: int | None = None
    cached_tokens: int | None = None
    retries: int = 0
    doubts: tuple[str, ...] = ()
    late_ns: tuple[int, ...] = ()
    failure: str | None = None
    lost_shots: int = 0
    choices: tuple[str, ...] = ()
    logprobs: tuple[float | None, ...] = ()
    choice_tokens: tuple[int, ...] = ()
    merged: int = 0
    rate: float | None = None
    repetition: int = 0
    cpu_joules: float | None = None
    gpu_joules: float | None = None
    drafted_tokens: int | None = None
    accepted_tokens: int | None = None
    watermark: tuple[int, ...] = ()

    @property
    def key(self) -> str:
        """Unique in a measurement."""
        return self.id if self.rate is None else f"{self.id} {self.repetition} at {self.rate!r}"

    @classmethod
    def of_line(cls, value: Mapping[str, Any]) -> Self | None:
        """The record in a line's JSON; None unless it has our keys and no others."""
        if not _KEYS <= value.keys() <= _KEYS | _SERVED.keys():
            return None
        arrivals = [Arrival(*one) for one in value["arrivals"]]
        listed = {name: tuple(value.get(name, ())) for name in LISTED}
        return cls(**{**value, "arrivals": arrivals, **listed})

    def line(self) -> dict[str, Any]:
        """The JSON-able value that `of_line` reads."""
        own = vars(self)
        return {name: one for name, one in own.items() if name in _KEYS or one != _SERVED[name]}

    @property
    def chosen(self) -> bool:
        """True if likelihoods were asked for, and nothing was generated."""
        return bool(self.choices)

    @property
    def withheld(self) -> bool:
        """True if a server's filter kept something of the answer back, or all of it."""
        return self.finish_reason == WITHHELD

    @property
    def sound(self) -> bool:
        """True if it has an answer whose times nothing is known to have disturbed."""
        return self.failure is None and not self.paused and not self.doubts


def input_sha256(prompt: str) -> str:
    """The digest of a task's prompt, without the model's own or a chat template."""
    return hashlib.sha256(prompt.encode(errors="surrogatepass")).hexdigest()


_NAMES = [field.name for field in fields(Record)]
_KEYS = {*_NAMES[: _NAMES.index("thinking")]}
_SERVED = {field.name: field.default for field in fields(Record) if field.name not in _KEYS}
"""The keys that a line may lack, with the values that are not written."""
CHOSEN = "chosen"
"""The finish reason of a choice."""
LISTED = ("doubts", "late_ns", "choices", "logprobs", "choice_tokens", "watermark")
FORMER = "token_ns"  # a time per token, which earlier releases wrote instead of arrivals


def read(path: Path) -> list[Record]:
    """The records of a requests.jsonl. Raises UserError naming an invalid line."""
    records = []
    for number, line in enumerate(read_lines(path), start=1):
        value = dict(line) if isinstance(line, dict) else {}
        if FORMER in value:
            raise UserError(f"{path}: written by an earlier release ({FORMER!r}); measure it again")
        value.pop(checksums.KEY, None)
        record = Record.of_line(value)
        if record is None:
            unknown = value.keys() - _KEYS - _SERVED.keys()
            odd = ", ".join(map(repr, sorted(unknown | _KEYS - value.keys())))
            raise UserError(f"{path}: line {number} is not a request: missing or unknown: {odd}")
        records.append(record)
    return records


def rebind(content: bytes, before: str, after: str) -> bytes:
    """The lines of one identity's requests.jsonl, with the checksums for another.

    Raises ValueError if a line was altered, or is of another layout.
    """
    values = [checksums.read(line, before) for line in content.splitlines()]
    whole = [value for value in values if value is not None]
    if len(whole) < len(values):
        raise ValueError("a line was altered")
    if any(Record.of_line(value) is None for value in whole):
        raise ValueError("written by an earlier release, whose records had other keys")
    return b"".join(checksums.line(value, after) for value in whole)
