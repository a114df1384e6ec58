"""The label with which a text answers, as a human reader would understand it.

1. A repetition of the question is not an answer: a sentence that begins like one of the prompt's.
2. Labels that are listed ("positive or negative", "positive/negative", "positive, negative"), asked
   ("Is it positive?") or negated ("not positive", "neither positive nor negative", 不是正面) are
   mentioned, but not affirmed.
3. Of the affirmed labels, those after an answer mark ("Answer:", "the sentiment is", \\boxed) and
   those that form a whole sentence take precedence over the others.
4. If a single label remains and is not negated elsewhere, it is the answer. Otherwise the text is
   ambiguous; without any label it has no answer.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from frontier.answers.labels import UNSPACED, Labels, Mention, normal
from frontier.answers.thoughts import THOUGHT

WORD = re.compile(rf"[{UNSPACED}]|[^\W{UNSPACED}]+")
END = re.compile(r"\n|[!?:。؟।]|\.(?=\s|$|[\"'*)\]}])")
QUESTION = ("?", "؟")
CLAUSE = re.compile(
    r"[,;()—–、]|\b(?:but|however|although|though|yet|while|because|since|so|therefore|thus|hence|and"
    r"|aber|sondern|mais|pero|sino|ma|но)\b|但|而是|却"
)
OR = r"(?:/|\b(?:or|oder|ou|или)\b|或者?|还是|または)"
LIST = re.compile(
    rf"(?:[^\w,;、/|]|_)*(?:(?:{OR}|[|,;、]|\b(?:and|und|et|y|e|и)\b|和|与)(?:[^\w/|]|_)*)+"
)
BEGUN, GOES_ON = re.compile(rf"{OR}\W*$"), re.compile(rf"(?:\W|_)*?{OR}\W*$")
NOT = (
    r"not(?! only| just| merely)|neither|nor|cannot|\w+n't|(?:is|are|was|do|does|did|ca|wo|would)nt"
    r"|nicht|kein\w*|weder|noch|pas|ni|nunca|tampoco|não|nem|niet|geen|не|ни|tidak|bukan|không"
    r"|ليس|לא"
)
WITHOUT = (
    r"no(?! doubt| question)|never|none|nothing|non|hardly|scarcely|barely|than|less|far from"
    r"|false that|opposite of"
    r"|without(?! (?:a )?doubt| question)|instead of|opposed to"
    r"|nie|ohne|jamais|aucune?|sans|sin|нет|без|ani|غير"
)
WITHOUT_ZH = r"不(?![错仅但只过管])|没(?![错问])|無|无(?![疑论])|非(?!常)|未|别|勿|莫"
NEGATION = re.compile(
    rf"(?:\b(?:{NOT})\b(?:\W+\w+){{0,5}}\W*|\b(?:{WITHOUT})\b(?:\W+\w+){{0,2}}\W*"
    rf"|(?:{WITHOUT_ZH})[^\s,;、]{{0,4}})$"
)
NEGATED_AFTER = re.compile(
    r"\W*(?:is|was|would be)(?:n't| not| wrong| false| incorrect)\b|\s*(?:değil|नहीं)"
    r"|的?(?:では|じゃ|で|とは)?(?:な[いく]|ありませ)|\S{0,3}\s?(?:아니|아닙|않)"
)
FILLER = (
    r"(?:[^\w,;]|_|\b(?:is|was|would|should|must|be|as|the|an?|most|likely|probably|clearly"
    r"|definitely|overall|therefore|thus|very|quite|text|textbf|mathrm|ist|est|es|è|é)\b|[是为應应はは은는])*$"
)
MARK = re.compile(
    r"(?:\b(?:answer|sentiment|label|class|category|classification|verdict|prediction|polarity"
    r"|conclusion|judge?ment|rating|result|output|option|choice|boxed"
    rf"|antwort|réponse|respuesta|risposta|resposta|ответ)\b|答案|情感|情绪|标签|分类|类别|结论|判断|答え|정답){FILLER}"
)
SAID = re.compile(rf"(?:\b(?:is|was|are|were|be|being|seems?|appears?|sounds?|as)\b|是){FILLER}")
SHELL = re.compile(r"\\\w+|\b(?:an?|the|it is|it's)\b|[\W\d_]")
TAG = re.compile(r"</?(?:a|b|i|u|p|em|strong|br|span|code|mark|li|ul|ol|td|tr|div|h\d)\b[^<>\n]*>")
ENGLISH_WORDS = frozenset("ai")
"""Labels that are common words in prose."""
NEAR = 200  # characters searched for a mark


@dataclass(frozen=True)
class Reading:
    """A label; None if no label is mentioned, several are affirmed, or none is."""

    label: str | None
    ambiguous: bool = False


@dataclass(frozen=True)
class Sentence:
    """A part of a text, from `start` to `stop`, and its final punctuation."""

    start: int
    stop: int
    closing: str


def read(text: str, labels: Labels, prompt: str = "", fields: Iterable[str] = ()) -> Reading:
    """The label with which `text` answers `prompt`, which contains a row's `fields`."""
    text = _without_echo(_plain(text), labels, _plain(prompt), [_plain(one) for one in fields])
    parts = list(_sentences(text))
    named = [(one, _sentence(parts, one)) for one in labels.find(text)]
    bare = _blank(text, [(one.start, one.stop) for one, _ in named])
    named = [(one, part) for one, part in named if not _in_prose(text, bare, one, part)]
    denied = {one for one, part in named if _negated(bare, one, part)}
    unlisted = set(_unlisted(text, [one for one, _ in named if one not in denied]))
    affirmed = [
        (one, part) for one, part in named if one in unlisted and part.closing not in QUESTION
    ]
    marked = {one.label for one, _ in affirmed if _behind(MARK, text, one)}
    alone = {one.label for one, part in affirmed if _alone(bare, part)}
    said = {one.label for one, _ in affirmed if _behind(SAID, text, one)}
    found = marked | alone
    if len(found) != 1 or not (marked or said <= alone):
        found |= {one.label for one, _ in affirmed}
    if len(found) == 1 and not found & {one.label for one in denied}:
        return Reading(found.pop())
    return Reading(None, ambiguous=bool(named))


def _plain(text: str) -> str:
    """The text without HTML and without reasoning, in normalized characters."""
    text = normal(text)
    return _blank(text, [part.span() for part in (*THOUGHT.finditer(text), *TAG.finditer(text))])


def _sentences(text: str) -> Iterator[Sentence]:
    """The parts between line breaks, full stops and the like, which cover the text."""
    start = 0
    for end in END.finditer(text):
        yield Sentence(start, end.start(), end.group())
        start = end.end()
    yield Sentence(start, len(text), "")


def _sentence(parts: Sequence[Sentence], one: Mention) -> Sentence:
    return next(part for part in parts if one.start <= part.stop)


def _behind(mark: re.Pattern[str], text: str, one: Mention) -> bool:
    return bool(mark.search(text[max(0, one.start - NEAR) : one.start]))


def _in_prose(text: str, bare: str, one: Mention, part: Sentence) -> bool:
    """True if a label is an English word here: the article "a", not the choice "A"."""
    if text[one.start : one.stop] not in ENGLISH_WORDS or _behind(MARK, text, one):
        return False
    return bool(WORD.search(bare, one.stop, part.stop)) and text[one.stop] not in "):."


def _blank(text: str, spans: Iterable[tuple[int, int]]) -> str:
    """The text with these places replaced by spaces."""
    letters = list(text)
    for start, stop in spans:
        letters[start:stop] = " " * (stop - start)
    return "".join(letters)


def _unlisted(text: str, mentions: Sequence[Mention]) -> Iterator[Mention]:
    """The mentions outside lists of several labels, including lists that are cut off."""
    group: list[Mention] = []
    for one in (*mentions, None):
        if one and group and LIST.fullmatch(text, group[-1].stop, one.start):
            group.append(one)
            continue
        if group and len({part.label for part in group}) == 1 and not _cut(text, group):
            yield from group
        group = [one] if one else []


def _cut(text: str, group: Sequence[Mention]) -> bool:
    """True if a list starts before them or continues after them: "positive or"."""
    before = text[max(0, group[0].start - NEAR) : group[0].start]
    return bool(BEGUN.search(before) or GOES_ON.match(text, group[-1].stop))


def _negated(bare: str, one: Mention, part: Sentence) -> bool:
    """True if a negation precedes the label in its clause, or directly follows it."""
    before = bare[max(part.start, one.start - NEAR) : one.start].replace("anything but", "not")
    clause = CLAUSE.split(before)[-1]
    return bool(NEGATION.search(clause) or NEGATED_AFTER.match(bare, one.stop))


def _alone(bare: str, part: Sentence) -> bool:
    """True if a sentence consists of its label; a heading does not count."""
    return part.closing != ":" and not SHELL.sub("", bare[part.start : part.stop])


def _without_echo(text: str, labels: Labels, prompt: str, fields: Sequence[str]) -> str:
    """The text without sentences that begin like one of the prompt's.

    An answer that occurs in the prompt, such as an example's, may be repeated: a whole sentence of
    the template with one label, at its end.
    """
    if _only_label(text, labels):
        return text
    rows = {_words(field, part) for field in fields for part in _sentences(field)}
    asked = {_words(prompt, part) for part in _sentences(prompt)}
    examples = {words for words in asked - rows if _is_example(words, labels)}
    spans: list[tuple[int, int]] = []
    for part in _sentences(text):
        words = list(WORD.finditer(text, part.start, part.stop))
        for other in (asked | rows) - examples:
            same = _shared([word.group() for word in words], other)
            complete = same == len(other)
            cut_off = same == len(words) and part.closing in ("", *QUESTION)
            if same > 1 and (complete or cut_off):
                spans.append((part.start, words[same - 1].end()))
    return _blank(text, spans)


def _words(text: str, part: Sentence) -> tuple[str, ...]:
    return tuple(word.group() for word in WORD.finditer(text, part.start, part.stop))


def _shared(words: Sequence[str], other: Sequence[str]) -> int:
    """The number of words that two sentences share at the beginning."""
    count = 0
    for one, two in zip(words, other, strict=False):
        if one != two:
            break
        count += 1
    return count


def _is_example(words: Sequence[str], labels: Labels) -> bool:
    line = " ".join(words)
    found = labels.find(line)
    return len(found) == 1 and found[0].stop == len(line)


def _only_label(text: str, labels: Labels) -> bool:
    found = labels.find(text)
    return bool(found) and not SHELL.sub("", _blank(text, [(found[0].start, found[0].stop)]))
