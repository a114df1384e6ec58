"""Units of measurement: checks a number's unit against the question's."""

from __future__ import annotations

import re

from frontier.answers.equivalence.problems import Problem

PREFIXES = {"": "", "kilo": "k", "centi": "c", "milli": "m", "micro": "u", "nano": "n"}
BASES = {"meter": "m", "metre": "m", "gram": "g", "litre": "l", "liter": "l", "second": "s"}
SYMBOLS = {
    prefix + name: symbol + base
    for prefix, symbol in PREFIXES.items()
    for name, base in BASES.items()
}
"""metre -> m, kilogram -> kg; other units stay as they are."""
SPELLINGS = {"sec": "s", "min": "minute", "hr": "hour", "h": "hour", "t": "tonne"}
PLURALS = {"centuries": "century", "millennia": "millennium"}

ASKED = re.compile(r"^How many ([a-z]+)\b|\b(?:in|to) (?:a )?([a-z]+)[?.]?\s*$")


def is_asked_unit(word: str, problem: Problem) -> bool:
    """True if a unit is the one that a question on a conversion or a duration requires."""
    if not problem.module.startswith("measurement"):
        return False
    asked = ASKED.search(problem.question.strip())
    return asked is not None and _unit(word) == _unit(asked[1] or asked[2])


def _unit(word: str) -> str:
    """A unit in one spelling, so that g, gram and grams are the same."""
    word = word.replace("µ", "u").replace("μ", "u")
    word = word if len(word) < 3 else word.casefold()
    word = PLURALS.get(word, word.removesuffix("s") if len(word) > 2 else word)
    return SPELLINGS.get(word, SYMBOLS.get(word, word))
