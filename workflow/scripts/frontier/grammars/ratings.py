"""Ratings of answers to sums whose right result is shown: a judge of the demo's arithmetic.

A judge sees the right answer, as MT-Bench's judges of mathematics do, and rates an answer by
[[10]] if it is the same number and by [[1]] if it is another one. Its examples are about the
questions of that grammar's split, so a judge is never trained on a question of the test.
"""

import random
from dataclasses import dataclass

from frontier.grammars import Example, Grammar, Split, pick
from frontier.grammars.arithmetic import Arithmetic

RIGHT, WRONG = "[[10]]", "[[1]]"
STEPS = (1, 2, 3, 9, 10, 11, 20, 30, 90, 100)
"""Errors of wrong answers: a digit, or a carry."""


@dataclass(frozen=True)
class Rated(Example):
    """An answer with its rating, in the split of its question."""

    @property
    def split(self) -> Split:
        """The split of the question, whatever the answer is."""
        return Example({"question": self.fields["question"]}, "", "").split


class Ratings(Grammar):
    """Right and wrong answers to sums and differences."""

    FIELDS = ("question", "right", "answer")

    def example(self, rng: random.Random) -> Example:
        """An example whose `answer` is right half of the time, such as "85" to "47 + 38"."""
        asked = Arithmetic().example(rng)
        right = asked.reference
        answer = right if rng.random() < 0.5 else self._wrong(rng, int(right))
        fields = {**asked.fields, "right": right, "answer": answer}
        rating = RIGHT if answer == right else WRONG
        return Rated(fields, rating, "right" if answer == right else "wrong")

    def _wrong(self, rng: random.Random, right: int) -> str:
        """Another number: near it, or any."""
        if rng.random() < 0.3:
            other = int(rng.random() * 200)
            return str(other if other != right else other + 1)
        step = pick(rng, STEPS)
        return str(right + step if rng.random() < 0.5 or step > right else right - step)
