"""Numbers in English words, including the spellings of DeepMind's generator, such as fourty.

Whole numbers below a trillion, with or without "and" and hyphens, and simple fractions such as
"three quarters" and "minus one half". Nothing else is a number.
"""

from __future__ import annotations

import re

BELOW_TWENTY = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen "
    "fifteen sixteen seventeen eighteen nineteen"
)
TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
SMALL = {word: number for number, word in enumerate(BELOW_TWENTY.split())}
SMALL |= {word: 10 * number for number, word in enumerate(TENS.split(), start=2)}
SMALL |= {"fourty": 40, "fourteeen": 14}
SCALES = {"thousand": 10**3, "million": 10**6, "billion": 10**9}
DENOMINATORS = (
    "half third quarter fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth "
    "fourteenth fifteenth sixteenth seventeenth eighteenth nineteenth twentieth"
)
PARTS = {word: number for number, word in enumerate(DENOMINATORS.split(), start=2)}
PARTS |= {"halve": 2, "fourth": 4, "twelth": 12, "fourteeenth": 14}
WORDS = re.compile(r"(?:(minus|negative) )?([a-z ]+)")


def spelled(text: str) -> str | None:
    """The number in words as digits: "minus three quarters" is -3/4; None if it is not a number."""
    found = WORDS.fullmatch(" ".join(text.casefold().replace("-", " ").split()))
    if found is None:
        return None
    sign = "-" if found[1] else ""
    *words, last = found[2].split()
    part = PARTS.get(last) or PARTS.get(last.removesuffix("s"))
    if part is not None:
        over = 1 if words == ["a"] else _whole(words)
        # "twenty fifth" is an ordinal, "twenty fifths" are 20/5.
        fraction = over is not None and (over == 1) == (last in PARTS)
        return f"{sign}{over}/{part}" if fraction else None
    whole = _whole([*words, last])
    return None if whole is None else f"{sign}{whole}"


def _whole(words: list[str]) -> int | None:
    """The whole number of some words: scales from the largest down, each below 1,000 times."""
    total, rest, limit = 0, words, 10**12
    for scale, size in sorted(SCALES.items(), key=lambda pair: -pair[1]):
        if scale in rest:
            place = rest.index(scale)
            times = _below_thousand(rest[:place])
            if not times or size >= limit:
                return None
            total, rest, limit = total + times * size, rest[place + 1 :], size
            if not rest:
                return total
    if total and rest[0] == "and":
        rest = rest[1:]
    small = _below_thousand(rest)
    return None if small is None or (total and not small) else total + small


def _below_thousand(words: list[str]) -> int | None:
    """0 to 999: "seven hundred and forty two"."""
    hundreds = 0
    if len(words) > 1 and words[1] == "hundred":
        hundreds = 1 if words[0] == "a" else SMALL.get(words[0], 0)
        if not 1 <= hundreds <= 9:
            return None
        words = words[2:]
        if not words:
            return 100 * hundreds
        words = words[1:] if words[0] == "and" else words
    match [SMALL.get(word) for word in words]:
        case [int(number)] if not (hundreds and number == 0):
            return 100 * hundreds + number
        case [int(tens), int(ones)] if tens >= 20 and 1 <= ones <= 9:
            return 100 * hundreds + tens + ones
        case _:
            return None
