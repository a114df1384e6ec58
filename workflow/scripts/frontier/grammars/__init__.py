"""Grammars for the demo, which generate sentences together with their right answers.

Each file here has one grammar: a class found by the file's name.

Training and test data never overlap: every example belongs to exactly one of two splits, by a hash
of its content, so training examples exclude all test content by construction. The only source of
randomness is `Random.random()`, the one method that Python guarantees to stay the same across
versions.
"""

from __future__ import annotations

import hashlib
import json
import random
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, TypeVar

from frontier.registry import Registry

T = TypeVar("T")
Split = Literal["train", "test"]
ONE_IN = 10  # one example in this many is held out for testing
# A grammar is finite: after this many draws in a row without a new example it counts as exhausted.
PATIENCE = 2000


@dataclass(frozen=True)
class Example:
    """One example: the fields for a prompt, the right answer, and its kind."""

    fields: Mapping[str, str]
    reference: str
    stratum: str

    @property
    def digest(self) -> str:
        """sha256 (hex) of the example's fields, which determine its reference."""
        text = json.dumps(dict(self.fields), sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def split(self) -> Split:
        return "test" if int(self.digest, 16) % ONE_IN == 0 else "train"


class Grammar(ABC):
    """A grammar of sentences."""

    FIELDS: ClassVar[tuple[str, ...]]
    """The fields that a prompt template may use."""

    @abstractmethod
    def example(self, rng: random.Random) -> Example:
        """A random sentence with its right answer."""

    def examples(self, split: Split, seed: int) -> Iterator[Example]:
        """Different examples of one split, the same on every machine, until none is left."""
        rng = random.Random(seed)
        seen: set[str] = set()
        misses = 0
        while misses < PATIENCE:
            found = self.example(rng)
            if found.split == split and found.digest not in seen:
                seen.add(found.digest)
                misses = 0
                yield found
            else:
                misses += 1


GRAMMARS: Registry[Grammar] = Registry("grammars", Grammar)


def pick(rng: random.Random, options: Sequence[T]) -> T:
    """A random option, each equally likely."""
    return options[int(rng.random() * len(options))]
