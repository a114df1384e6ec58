"""Chinese and English sentences: a subject, a verb, things, a place and a time.

The languages differ as they do in reality. Chinese puts time and place before the verb, a relative
clause before its noun, a measure word chosen by the noun after each number, and no spaces between
words; English inflects the verb for tense and person and the noun for number, and chooses "a" or
"an".

    我昨天在市场买了两本新的书
    I bought two new books at the market yesterday
    我昨天在市场买的那两本书很贵
    the two books that I bought at the market yesterday are very expensive
"""

import random
from dataclasses import dataclass

from frontier.grammars import Example, Grammar, pick


@dataclass(frozen=True)
class Verb:
    chinese: str
    base: str
    past: str

    @property
    def third(self) -> str:
        return self.base + "s"


SUBJECTS = {  # Chinese: (English, takes the verb's third person singular)
    "我": ("I", False),
    "你": ("you", False),
    "他": ("he", True),
    "她": ("she", True),
    "我们": ("we", False),
    "他们": ("they", False),
    "老师": ("the teacher", True),
    "医生": ("the doctor", True),
}
VERBS = (
    Verb("买", "buy", "bought"),
    Verb("卖", "sell", "sold"),
    Verb("看见", "see", "saw"),
    Verb("找到", "find", "found"),
    Verb("带来", "bring", "brought"),
    Verb("画", "draw", "drew"),
)
THINGS = {  # Chinese: (measure word, English singular, plural)
    "书": ("本", "book", "books"),
    "词典": ("本", "dictionary", "dictionaries"),
    "猫": ("只", "cat", "cats"),
    "鸟": ("只", "bird", "birds"),
    "桌子": ("张", "table", "tables"),
    "照片": ("张", "photo", "photos"),
    "自行车": ("辆", "bicycle", "bicycles"),
    "汽车": ("辆", "car", "cars"),
    "衬衫": ("件", "shirt", "shirts"),
    "大衣": ("件", "coat", "coats"),
    "鱼": ("条", "fish", "fish"),
    "裙子": ("条", "skirt", "skirts"),
    "雨伞": ("把", "umbrella", "umbrellas"),
    "椅子": ("把", "chair", "chairs"),
    "花": ("朵", "flower", "flowers"),
    "苹果": ("个", "apple", "apples"),
}
NUMBERS = {"一": "one", "两": "two", "三": "three", "四": "four", "五": "five"}
ADJECTIVES = {
    "新": "new",
    "旧": "old",
    "红": "red",
    "白": "white",
    "贵": "expensive",
    "便宜": "cheap",
    "漂亮": "beautiful",
    "奇怪": "odd",
}
PLACES = {
    "在学校": "at school",
    "在公园": "in the park",
    "在市场": "at the market",
    "在车站": "at the station",
    "在家": "at home",
    "在海边": "by the sea",
}
TIMES = {  # Chinese: (English, tense)
    "昨天": ("yesterday", "past"),
    "上个月": ("last month", "past"),
    "每天": ("every day", "present"),
    "明天": ("tomorrow", "future"),
    "下个月": ("next month", "future"),
}


def _doing(rng: random.Random) -> tuple[str, str, str, str, str]:
    """A subject with place and time.

    Chinese up to the verb, and its "了" if there is one; English subject, verb, place with time.
    """
    who, verb = pick(rng, tuple(SUBJECTS)), pick(rng, VERBS)
    subject, third = SUBJECTS[who]
    when = pick(rng, tuple(TIMES))
    time, tense = TIMES[when]
    where = pick(rng, ("", *PLACES))
    place = f" {PLACES[where]}" if where else ""
    if tense == "past":
        will, done, english = "", "了", verb.past
    elif tense == "future":
        will, done, english = "要", "", f"will {verb.base}"
    else:
        will, done, english = "", "", verb.third if third else verb.base
    return f"{who}{when}{will}{where}{verb.chinese}", done, subject, english, f"{place} {time}"


def _statement(rng: random.Random) -> tuple[str, str]:
    """A sentence in which a subject acts on one or more things."""
    chinese, done, subject, verb, rest = _doing(rng)
    thing, number = pick(rng, tuple(THINGS)), pick(rng, tuple(NUMBERS))
    measure, singular, plural = THINGS[thing]
    quality = pick(rng, ("", *ADJECTIVES))
    adjective = f"{ADJECTIVES[quality]} " if quality else ""
    noun = adjective + (singular if number == "一" else plural)
    article = "an" if noun[0] in "aeiou" else "a"
    counted = article if number == "一" else NUMBERS[number]
    described = f"{quality}的{thing}" if quality else thing
    return (
        f"{chinese}{done}{number}{measure}{described}",
        f"{subject} {verb} {counted} {noun}{rest}",
    )


def _judgement(rng: random.Random) -> tuple[str, str]:
    """A sentence on a quality of things in a relative clause."""
    chinese, _, subject, verb, rest = _doing(rng)
    thing, number = pick(rng, tuple(THINGS)), pick(rng, tuple(NUMBERS))
    measure, singular, plural = THINGS[thing]
    quality = pick(rng, tuple(ADJECTIVES))
    if number == "一":
        counted, noun, are = f"那{measure}", f"the {singular}", "is"
    else:
        counted, noun, are = f"那{number}{measure}", f"the {NUMBERS[number]} {plural}", "are"
    return (
        f"{chinese}的{counted}{thing}很{quality}",
        f"{noun} that {subject} {verb}{rest} {are} very {ADJECTIVES[quality]}",
    )


class Translation(Grammar):
    """Sentences in both languages."""

    FIELDS = ("chinese", "english")

    def example(self, rng: random.Random) -> Example:
        """An example: `chinese` has no spaces, `english` no full stop; the reference is English."""
        relative = rng.random() < 0.4
        chinese, english = _judgement(rng) if relative else _statement(rng)
        stratum = "relative clause" if relative else "statement"
        return Example({"chinese": chinese, "english": english}, english, stratum)
