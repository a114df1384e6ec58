"""Small worlds for the demo: grammars that generate sentences together with their right answers.

A grammar is a module in this package with two names:

    FIELDS: tuple[str, ...]                    what a prompt template may use
    def example(rng: random.Random) -> Example

What a model grows on and what it is tested on must never meet: every example belongs to exactly one
of two splits, by a hash of its own content, so drawing training examples skips all test content by
construction. The one source of chance is `Random.random()`: of all of `random`, it is what Python
promises to keep the same across versions.
"""

import hashlib
import importlib
import json
import pkgutil
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Literal, TypeVar

from frontier.errors import UserError, did_you_mean

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


def names() -> list[str]:
    """The grammars there are: the modules of this package."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__) if not module.ispkg)


def module_name(grammar: str) -> str:
    """The full name of a grammar's module, for digests of the code that an example depends on."""
    if grammar not in names():
        raise UserError(f"there is no grammar {grammar!r}{did_you_mean(grammar, names())}")
    return f"{__name__}.{grammar}"


def load(grammar: str) -> ModuleType:
    """The grammar's module. Raises UserError for an unknown name."""
    return importlib.import_module(module_name(grammar))


def examples(grammar: str, split: Split, seed: int) -> Iterator[Example]:
    """Different examples of one split, the same on every machine, until the grammar runs dry."""
    generate = load(grammar).example
    rng = random.Random(seed)
    seen: set[str] = set()
    misses = 0
    while misses < PATIENCE:
        found = generate(rng)
        if found.split == split and found.digest not in seen:
            seen.add(found.digest)
            misses = 0
            yield found
        else:
            misses += 1


def pick(rng: random.Random, options: Sequence[T]) -> T:
    """One of the options, each equally likely."""
    return options[int(rng.random() * len(options))]
