"""The larger of two numbers: a world for adapters, on models that know the demo's other three.

Its numbers are those of the sums, so a model has read all of its tokens, but neither the comparison
nor its prompt. In most examples the first digits are equal or the second ones mislead. A pair is in
the same split in both orders.
"""

import random
from dataclasses import dataclass

from frontier.grammars import Example, Grammar, Split, pick
from frontier.grammars.arithmetic import LARGEST, SMALLEST


@dataclass(frozen=True)
class Pair(Example):
    """Two numbers, in the split of both in ascending order."""

    @property
    def split(self) -> Split:
        """The split of the pair, whatever its order."""
        ordered = " , ".join(sorted(self.fields["pair"].split(" , ")))
        return Example({"pair": ordered}, "", "").split


class Comparison(Grammar):
    """Pairs of different numbers."""

    FIELDS = ("pair",)

    def example(self, rng: random.Random) -> Example:
        """An example whose `pair` is like "47 , 83"; its reference is the larger number."""
        a = SMALLEST + int(rng.random() * (LARGEST - SMALLEST + 1))
        others = [other for other in range(SMALLEST, LARGEST + 1) if other != a]
        misleading = [other for other in others if _misleads(a, other)]
        b = pick(rng, misleading if misleading and rng.random() < 0.5 else others)
        stratum = "misleading digits" if _misleads(a, b) else "plain"
        return Pair({"pair": f"{a} , {b}"}, str(max(a, b)), stratum)


def _misleads(a: int, b: int) -> bool:
    """True if the first digits do not decide, or the second ones say the opposite."""
    tens, units = a // 10 - b // 10, a % 10 - b % 10
    return tens == 0 or tens * units < 0
