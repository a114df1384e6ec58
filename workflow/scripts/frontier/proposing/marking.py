"""The scorer that suits a table's right answers, and the form of answer to ask for."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from frontier.answers import numbers
from frontier.errors import UserError
from frontier.proposing.columns import Column, is_json, is_number
from frontier.proposing.options import numbered
from frontier.proposing.roles import LETTERS, Roles
from frontier.proposing.scripts import script

MOST_LABELS, LONGEST_LABEL = 20, 40
FEW = 0.2
"""The share of different values up to which they are labels."""
NEARLY_ALL = 0.95
SHORT, LONG = 6.0, 12.0
"""Words of an answer that is compared as a whole, and from which on it is a text."""
SHORTENED = 3.0
"""Times as many words in the question as in a summary of it."""
STEPS = (4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096)
SUMMARIES = re.compile(r"(.*_)?(summary|summaries|highlights|tldr|abstract)", re.IGNORECASE)
YES = ("positive", "yes", "true", "spam", "entailment", "toxic")
LABELLED = re.compile(r"label|class|sentiment|category|target|y", re.IGNORECASE)
TRANSLATED = re.compile(r"translation|target|.*[_-]?(en|de|fr|es|zh|ja|ko|ru|ar|it|pt|nl|pl|tr)")
MARK = "####"


@dataclass
class Marking:
    """A scorer's block, and the words of a prompt that asks for such answers."""

    scorer: dict[str, Any]
    tokens: int
    end: str = ""
    begin: str = ""
    word: str = "Question"
    answer: str = "Answer"
    bare: bool = False
    """The question stands without a word before it."""
    stop: list[str] = field(default_factory=lambda: ["\n"])
    labels: dict[str, str] = field(default_factory=dict)
    open: list[str] = field(default_factory=list)


def of(found: Roles) -> Marking:
    """The scorer and the form of answer for a table of these roles.

    Raises UserError for a table without right answers.
    """
    reference = found.reference
    if found.program:
        return _code(reference, found)
    if reference is None:
        raise UserError(
            "no column has right answers, which scorers compare with; a judge needs none "
            "(docs/add-a-task.md), and its block is written by hand"
        )
    for make in (_choice, _json, _labels, _marked, _number, _translation, _summary, _text):
        if how := make(reference, found):
            return how
    return _exact(reference)


def tokens(column: Column, more: float = 1.5) -> int:
    """A limit of new tokens in which the longest right answer has room."""
    longest = max((_estimate(one) for one in column.given), default=1)
    wanted = math.ceil(more * longest) + 2
    return next((step for step in STEPS if step >= wanted), STEPS[-1])


def _estimate(text: str) -> int:
    """About as many tokens as a tokenizer makes of a text: three bytes each."""
    return math.ceil(len(text.encode()) / 3)


def _choice(reference: Column, found: Roles) -> Marking | None:
    letters = "".join(found.options) or "".join(sorted(reference.counts))
    right = reference.share(lambda one: one.strip() in LETTERS and len(one.strip()) == 1)
    notes: list[str] = []
    labels = numbered(reference, letters, notes) if found.options else {}
    if (right < 1 and not labels) or len(letters) < 2 or letters != LETTERS[: len(letters)]:
        return None
    if not found.options:
        notes.append("prompt: the options must be in the question, since no columns have them")
    if strangers := {*reference.counts} - {*letters} - {*labels}:
        notes.append(f"sample.reference: {', '.join(sorted(strangers))} are no options")
    notes.append(
        f"scorer: choice reads the letter in a text; a task with choices: "
        f"[{', '.join(letters)}] and the scorer loglikelihood compares their likelihoods"
    )
    scorer = {"kind": "choice", "letters": letters}
    return Marking(scorer, 8, "Reply with the letter only.", labels=labels, open=notes)


def _code(reference: Column | None, found: Roles) -> Marking:
    """Programs to complete, with tests, as in HumanEval."""
    limit = max(512, tokens(reference, 3) if reference else 512)
    scorer = {"kind": "code", "form": "chat"}
    how = Marking(scorer, limit, bare=True, stop=[], answer="")
    how.begin = "Complete the following function. Your response should only contain its code."
    how.open.append(
        "scorer.form: chat reads a block of code; continuation suits models that only continue a "
        'text, with the prompt "{prompt}" and a stop such as ["\\ndef", "\\nclass", "\\nprint"]'
    )
    return how


def _json(reference: Column, found: Roles) -> Marking | None:
    if reference.share(is_json) < 1:
        return None
    keys = sorted(set(_keys(reference)))
    asked = f" that has {', '.join(keys)}" if keys else ""
    how = Marking({"kind": "json"}, tokens(reference), f"Reply with JSON only{asked}.")
    how.stop, how.answer, how.bare = [], "JSON", True
    return how


def _keys(reference: Column) -> Iterator[str]:
    for one in reference.given[:100]:
        value = json.loads(one)
        yield from value if isinstance(value, dict) else ()


def _labels(reference: Column, found: Roles) -> Marking | None:
    counts, given = reference.counts, len(reference.given)
    few = 2 <= len(counts) <= min(MOST_LABELS, max(2, FEW * given))
    short = max(map(len, counts), default=0) <= LONGEST_LABEL and not reference.lists
    coded = all(map(is_number, counts))
    if not few or not short or (coded and not LABELLED.fullmatch(reference.name)):
        return None
    if not coded and min(counts.values()) < 2 and given > MOST_LABELS:
        return None
    names = sorted(counts, key=lambda one: (len(one), one) if coded else (0, one))
    scorer: dict[str, Any] = {"kind": "classification", "labels": names}
    how = Marking(scorer, max(8, tokens(reference)), f"Reply with one of: {', '.join(names)}.")
    how.word, how.answer = "Text", "Label"
    how.bare = True
    if coded:
        how.open.append(
            f"sample.labels: a model cannot know what {', '.join(names)} mean; name them, as in "
            f'labels: {{"{names[0]}": negative}}, and use the names in scorer.labels and the prompt'
        )
    if len(names) == 2 and (right := [one for one in names if one.strip().lower() in YES]):
        scorer["positive"] = right[0]
    elif len(names) == 2:
        how.open.append("scorer.positive: neither label is the positive one, so F1 is the mean")
    return how


def _marked(reference: Column, found: Roles) -> Marking | None:
    """Worked answers that end in a marked number, as in GSM8K."""
    if reference.share(lambda one: numbers.marked(one, MARK) is not None) < 1:
        return None
    how = Marking({"kind": "number", "mark": MARK}, tokens(reference))
    how.end = f'Solve it step by step. End with a line "{MARK} N", N the resulting number.'
    how.stop = ["Question:"]
    return how


def _number(reference: Column, found: Roles) -> Marking | None:
    if reference.share(is_number) < 1:
        return None
    how = Marking({"kind": "number"}, max(16, tokens(reference)), "Reply with the number only.")
    if any("." in one for one in reference.given):
        how.open.append("scorer.tolerance: a rounded number is wrong unless you give a tolerance")
    return how


def _translation(reference: Column, found: Roles) -> Marking | None:
    asked = max(found.asked, key=lambda one: one.words)
    here, there = script(reference), script(asked)
    if reference.words < 2 or (here == there and not TRANSLATED.fullmatch(reference.name.lower())):
        return None
    if here == there:
        here = ("en", "English")
    notes = []
    if here is None:
        here = ("en", "English")
    if here[0] != "ja":
        notes.append(f"scorer.target: taken for {here[1]} by its letters")
    how = Marking({"kind": "translation", "target": here[0]}, tokens(reference), open=notes)
    how.begin = f"Translate into {here[1]}. Reply with the translation only."
    how.word, how.answer = "Text", "Translation"
    return how


def _summary(reference: Column, found: Roles) -> Marking | None:
    document = max(found.asked, key=lambda one: one.words)
    named = SUMMARIES.fullmatch(reference.name) and document.words > reference.words
    long = reference.words >= LONG and document.words >= SHORTENED * reference.words
    if not named and not long:
        return None
    ends = sum(len(re.findall(r"[.!?。！？](\s|$)", one)) for one in reference.given)
    count = max(1, round(ends / len(reference.given)))
    scorer = {"kind": "rouge", "document": document.name}
    how = Marking(scorer, tokens(reference), bare=True, stop=[], answer="Summary")
    how.end = f"Summarize the text above in {count} sentence{'s' if count > 1 else ''}."
    how.open.append(
        "sample.longest: texts beyond a model's context are refused unless they are cut"
    )
    return how


def _text(reference: Column, found: Roles) -> Marking | None:
    if reference.words < LONG:
        return None
    how = Marking({"kind": "rouge"}, tokens(reference), stop=[])
    how.open.append(
        "scorer: the answers are texts, and rouge only counts common words; a judge reads them"
    )
    return how


def _exact(reference: Column) -> Marking:
    scorer = {"kind": "exact", "normalise": ["strip", "spaces", "case", "punctuation"]}
    how = Marking(scorer, max(16, tokens(reference)), "Reply with the answer only.")
    if any("\n" in one.strip() for one in reference.given):
        how.stop = []
    how.open.append(
        "scorer: exact counts an answer within a sentence as wrong; kind: contains does not"
    )
    if separator := _separator(reference):
        how.open.append(
            f"sample.separator: if {separator!r} in answers is between several right ones, give it"
        )
    return how


def _separator(reference: Column) -> str | None:
    for mark in (";", "|", " / "):
        if reference.share(lambda one, mark=mark: mark in one) > 1 / 10:
            return mark
    return None
