"""Long texts with a few secrets in them, and the question for one: needles in a haystack.

The haystack is the demo's English sentences. Each needle is a sentence such as "The secret animal
is tiger.", whose last word is nowhere else in the text. A text has one for each of several kinds,
so the answer is the one of the kind that is asked for. To guess a word of that kind is right once
in sixteen times.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

from frontier.grammars import Example, Grammar, Split, pick
from frontier.grammars.translation import Translation

KINDS = {
    "animal": "tiger eagle falcon salmon turtle dragon rabbit camel dolphin lizard monkey panther "
    "raven spider walrus zebra",
    "city": "Paris London Berlin Madrid Rome Vienna Oslo Lisbon Athens Dublin Prague Warsaw Cairo "
    "Tokyo Lima Delhi",
    "colour": "blue green yellow purple orange pink brown grey violet crimson turquoise ivory "
    "scarlet silver golden black",
    "fruit": "mango banana cherry peach plum melon grape lemon pear fig papaya kiwi apricot "
    "raspberry quince lychee",
    "instrument": "piano violin guitar trumpet flute drum harp cello clarinet banjo organ oboe "
    "trombone viola tuba accordion",
    "metal": "iron copper zinc nickel cobalt titanium tin lead mercury platinum aluminium chromium "
    "tungsten lithium sodium uranium",
    "sport": "tennis football hockey rugby golf boxing rowing skiing cricket judo karate fencing "
    "sailing archery badminton volleyball",
    "tree": "oak maple birch cedar willow pine elm beech ash poplar spruce larch hazel chestnut "
    "cypress alder",
}
SECRETS = {kind: tuple(words.split()) for kind, words in KINDS.items()}
NEEDLES = 4
"""Needles in a text of the grammar, one of which is asked for."""
SHORTEST, LONGEST = 5, 400
"""Words of the grammar's haystacks: each doubling is equally frequent, for models learn to find a
needle in short ones first."""


@dataclass(frozen=True)
class Hidden(Example):
    """An example in the split of its needles, which are drawn before their haystack."""

    needles: str = ""

    @property
    def split(self) -> Split:
        """The split of the needles: no model has learned a test's combination of them."""
        return Example({"needles": self.needles}, "", "").split


def secrets(rng: random.Random, count: int, split: Split | None = None) -> dict[str, str]:
    """The secrets of a text by kind, in the order of the text, as drawn or of one split."""
    while True:
        kinds = sorted(SECRETS, key=lambda _: rng.random())[:count]
        found = {kind: pick(rng, SECRETS[kind]) for kind in kinds}
        if split in (None, Hidden({}, "", "", str(found)).split):
            return found


def hidden(
    rng: random.Random, found: dict[str, str], words: int, depth: float | None = None
) -> Hidden:
    """An example whose haystack has `words` words or a few more: whole sentences.

    The needle that is asked for is at `depth`, from 0 (the text's beginning) to 1 (its end); the
    others, or all without a `depth`, are anywhere.
    """
    haystack = sentences(rng, words)
    count = len(haystack)
    asked = pick(rng, tuple(found))
    places = {kind: rng.random() for kind in found}
    if depth is not None:
        places[asked] = depth
    # From the last place to the first, so that a needle moves no other's place.
    for kind in sorted(found, key=places.__getitem__, reverse=True):
        at = round(places[kind] * count)
        haystack.insert(at, f"The secret {kind} is {found[kind]}.")
    text = " ".join(haystack)
    return Hidden({"text": text, "kind": asked}, found[asked], asked, str(found))


def sentences(rng: random.Random, words: int) -> list[str]:
    """Sentences of the demo's world with so many words, or a few more."""
    found: list[str] = []
    count = 0
    while count < words:
        english = Translation().example(rng).fields["english"]
        found.append(f"{english[0].upper()}{english[1:]}.")
        count += len(english.split())
    return found


class Needle(Grammar):
    """Texts with needles, from which small models learn to find them."""

    FIELDS = ("text", "kind")

    def example(self, rng: random.Random) -> Example:
        """An example whose `text` has the secret of a `kind`, which is the reference."""
        return hidden(rng, secrets(rng, NEEDLES), _words(rng))

    def examples(self, split: Split, seed: int) -> Iterator[Example]:
        """Examples of one split without end, whose needles are drawn before their haystacks."""
        rng = random.Random(seed)
        while True:
            yield hidden(rng, secrets(rng, NEEDLES, split), _words(rng))


def _words(rng: random.Random) -> int:
    return int(SHORTEST * (LONGEST / SHORTEST) ** rng.random())
