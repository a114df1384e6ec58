"""Small worlds for the demo: grammars that generate sentences together with their right answers.

Each file here is one grammar: a class that is found by the file's name.

What a model grows on and what it is tested on must never meet: every example belongs to exactly one
of two splits, by a hash of its own content, so drawing training examples skips all test content by
construction. The one source of chance is `Random.random()`: of all of `random`, it is what Python
promises to keep the same across versions.
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
# A grammar may run dry: after so many draws in a row without anything new it is taken as exhausted.
PATIENCE = 2000


@dataclass(frozen=True)
class Example:
    """One sentence of a small world: what a prompt may show, the right answer, and its kind."""

    fields: Mapping[str, str]
    reference: str
    stratum: str

    @property
    def digest(self) -> str:
        """sha256 (hex) of what the example shows, from which its reference follows."""
        text = json.dumps(dict(self.fields), sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def split(self) -> Split:
        return "test" if int(self.digest, 16) % ONE_IN == 0 else "train"


class Grammar(ABC):
    """A small world."""

    FIELDS: ClassVar[tuple[str, ...]]
    """What a prompt template may use of an example."""

    @abstractmethod
    def example(self, rng: random.Random) -> Example:
        """A sentence drawn by chance, with its right answer."""

    def examples(self, split: Split, seed: int) -> Iterator[Example]:
        """Different examples of one split, the same on every machine, until the world runs dry."""
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
    """One of the options, each equally likely."""
    return options[int(rng.random() * len(options))]
