"""Addition and subtraction of two-digit numbers, half of them with a carry or a borrow.

Numbers are written the usual way, highest digit first, so the first digit of an answer depends on a
carry from the last ones. The larger number comes first, so that no sum of the test occurs in the
opposite order in training.
"""

import random

from frontier.grammars import Example, Grammar

SMALLEST, LARGEST = 10, 99


class Arithmetic(Grammar):
    """Sums and differences."""

    FIELDS = ("question",)

    def example(self, rng: random.Random) -> Example:
        """An example whose `question` is like "47 + 38" or "47 - 38"."""
        numbers = [SMALLEST + int(rng.random() * (LARGEST - SMALLEST + 1)) for _ in range(2)]
        a, b = max(numbers), min(numbers)
        if rng.random() < 0.5:
            carries = a % 10 + b % 10 >= 10
            stratum = "addition, carrying" if carries else "addition"
            return Example({"question": f"{a} + {b}"}, str(a + b), stratum)
        stratum = "subtraction, borrowing" if a % 10 < b % 10 else "subtraction"
        return Example({"question": f"{a} - {b}"}, str(a - b), stratum)
