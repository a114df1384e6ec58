"""The letter with which a text answers a question with lettered options.

As in protocols that ask for a last line `Answer: LETTER`: the letter after the last such mark,
where markup is ignored; else the letter that a line consists of, or begins with before its option's
text ("C. 12"), if all such lines have the same one.
"""

from __future__ import annotations

import re
from functools import cache

from frontier.answers.thoughts import THOUGHT

MARKUP = re.compile(r"\\(?:boxed|text|textbf|mathrm|mathbf)|[*_`{}]")
OPENING, CLOSING = r"[\[(\"'$]*", r"[\])\"'$]*"


@cache
def _patterns(letters: str) -> tuple[re.Pattern[str], re.Pattern[str], re.Pattern[str]]:
    """Patterns of a letter after a mark, alone on a line, and before its option's text."""
    upper, lower = re.escape(letters), re.escape(letters.lower())
    ended = r"(?=[ \t]*(?:$|[\])\"'$.,;:]))"
    # A small letter may be the article "a", and so may a capital in a sentence.
    after_mark = rf"[ \t]*:[ \t]*{OPENING}([{upper}](?![^\W_])|[{lower}]{ended})"
    in_sentence = rf"[ \t]+is[ \t]*:?[ \t]*{OPENING}([{upper}]){ended}"
    return (
        re.compile(rf"(?i:answer)(?:{after_mark}|{in_sentence})", re.MULTILINE),
        re.compile(rf"^[ \t]*{OPENING}([{upper}]){CLOSING}[ \t]*[.:]?[ \t]*$", re.MULTILINE),
        re.compile(rf"^[ \t]*{OPENING}([{upper}])[\])]*[.):\]][ \t]+\S", re.MULTILINE),
    )


def read(text: str, letters: str) -> str | None:
    """One of `letters` (capitals), or None if the text names none, or several without a mark."""
    plain = MARKUP.sub("", THOUGHT.sub("", text))
    marked, alone, option = _patterns(letters)
    for one in reversed(list(marked.finditer(plain))):
        return str(one[1] or one[2]).upper()
    if lines := alone.findall(plain):
        return str(lines[-1])
    named = set(option.findall(plain))
    return str(named.pop()) if len(named) == 1 else None
