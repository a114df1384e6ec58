"""Film reviews whose label follows from composition: no single word gives it away.

A clause describes one thing: "the plot is not very dull". Its value is the polarity of the
adjective times the strength of the adverb (slightly 1, none 2, very 3), and a negation inverts it;
it weakens "very" ("not very dull" is 1). A frame such as "i doubt that" inverts the clause once
more. A sentence has one clause or two:

    A , but B            B decides
    although A , B       B decides
    A , although B       A decides
    A and B              the stronger of the two decides (ties are drawn again)
"""

import random

from frontier.grammars import Example, Grammar, pick

THINGS = ("plot", "acting", "music", "ending", "story", "script", "cast", "humour", "pace", "film")
PRAISE = ("clever", "moving", "fresh", "charming", "brilliant", "funny", "warm", "gripping")
BLAME = ("dull", "clumsy", "stale", "shallow", "noisy", "tedious", "cold", "silly")
ADVERBS = {"": 2, "slightly": 1, "very": 3}
FRAMES = ("nobody could say that", "i doubt that")


def clause(rng: random.Random) -> tuple[str, int]:
    """A clause and its value, from -3 (worst) to 3 (best), never 0."""
    praising = rng.random() < 0.5
    adjective = pick(rng, PRAISE if praising else BLAME)
    negated = rng.random() < 0.35
    # "Not slightly dull" is not idiomatic.
    adverb = pick(rng, ("", "very") if negated else tuple(ADVERBS))
    strength = ADVERBS[adverb]
    if negated:
        strength = -1 if adverb == "very" else -strength
    words = ["the", pick(rng, THINGS), "is", "not" if negated else "", adverb, adjective]
    value = strength if praising else -strength
    return " ".join(word for word in words if word), value


def framed(rng: random.Random) -> tuple[str, int]:
    """A clause, sometimes under a frame that denies it."""
    text, value = clause(rng)
    if rng.random() < 0.2:
        return f"{pick(rng, FRAMES)} {text}", -value
    return text, value


def sentence(rng: random.Random) -> tuple[str, int]:
    """A sentence and the value that decides its label; 0 for a tie."""
    text, value = framed(rng)
    kind = pick(rng, ("one", "one", "but", "although", "although after", "and"))
    if kind == "one":
        return text, value
    other_text, other_value = framed(rng)
    if kind == "but":
        return f"{text} , but {other_text}", other_value
    if kind == "although":
        return f"although {text} , {other_text}", other_value
    if kind == "although after":
        return f"{text} , although {other_text}", value
    # The scope of "i doubt that A and B" would be ambiguous, so only B may be doubted.
    return _both(clause(rng), (other_text, other_value))


def _both(first: tuple[str, int], second: tuple[str, int]) -> tuple[str, int]:
    (text, value), (other_text, other_value) = first, second
    if abs(value) == abs(other_value) and value != other_value:
        return "", 0
    stronger = value if abs(value) >= abs(other_value) else other_value
    return f"{text} and {other_text}", stronger


class Sentiment(Grammar):
    """Film reviews with their label."""

    FIELDS = ("sentence",)

    def example(self, rng: random.Random) -> Example:
        """An example whose `sentence` is lower case as in SST-2; both labels are equally likely."""
        text, value = sentence(rng)
        while value == 0:
            text, value = sentence(rng)
        label = "positive" if value > 0 else "negative"
        return Example({"sentence": text}, label, label)
