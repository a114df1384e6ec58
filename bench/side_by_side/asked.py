"""The requests that every tool is asked, as the models read them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class Request:
    """A prompt in the model's own form, and its right answer."""

    id: str
    prompt: str
    ids: list[int]
    reference: str


@dataclass(frozen=True)
class Asked:
    """The requests of one run, and how each answer ends.

    `ends` are the ids of end tokens, `stopping` those of all tokens with a stop text in them, so
    that a plain loop ends where ours does without decoding after each token.
    """

    requests: Sequence[Request]
    max_new_tokens: int
    stop: Sequence[str]
    ends: Sequence[int]
    stopping: Sequence[int]
    dtype: str
    """The precision of the weights, by torch's name."""

    def write(self, path: Path) -> None:
        """Writes them as JSON, which the programs of other environments read."""
        path.write_text(json.dumps(asdict(self), ensure_ascii=False), encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> Asked:
        """Reads what `write` wrote."""
        value = json.loads(path.read_text(encoding="utf-8"))
        requests = [Request(**one) for one in value.pop("requests")]
        return cls(requests, **value)
