"""Languages by their codes, and the tokenizer that BLEU needs for each."""

from __future__ import annotations

from typing import Literal

from frontier.errors import did_you_mean

Tokenizer = Literal["13a", "intl", "zh", "char", "ja-mecab", "ko-mecab", "none"]

CODES = """
aa ab ae af ak am an ar as av ay az ba be bg bi bm bn bo br bs ca ce ch co cr cs cu cv cy da
de dv dz ee el en eo es et eu fa ff fi fj fo fr fy ga gd gl gn gu gv ha he hi ho hr ht hu hy
hz ia id ie ig ii ik io is it iu ja jv ka kg ki kj kk kl km kn ko kr ks ku kv kw ky la lb lg
li ln lo lt lu lv mg mh mi mk ml mn mr ms mt my na nb nd ne ng nl nn no nr nv ny oc oj om or
os pa pi pl ps pt qu rm rn ro ru rw sa sc sd se sg si sk sl sm sn so sq sr ss st su sv sw ta
te tg th ti tk tl tn to tr ts tt tw ty ug uk ur uz ve vi vo wa wo xh yi yo za zh zu
"""
ISO_639_1 = frozenset(CODES.split())
COUNTRIES = {"cn": "zh", "jp": "ja", "kr": "ko", "cz": "cs", "dk": "da", "gr": "el", "ua": "uk"}
"""Codes of countries that are often given for their languages."""
TOKENIZERS: dict[str, Tokenizer] = {
    **dict.fromkeys(("zh", "zho", "chi", "cmn", "yue", "wuu"), "zh"),
    **dict.fromkeys(("ja", "jpn"), "ja-mecab"),
    **dict.fromkeys(("ko", "kor"), "ko-mecab"),
    # Without spaces between words: Thai, Lao, Khmer, Burmese, Tibetan, Dzongkha.
    **dict.fromkeys(
        ("th", "tha", "lo", "lao", "km", "khm", "my", "mya", "bur", "bo", "bod", "dz"), "char"
    ),
}
"""BLEU's tokenizers by language; for all others sacreBLEU's default."""
DEFAULT: Tokenizer = "13a"
EXTRAS = {"ja-mecab": ("ja", "MeCab"), "ko-mecab": ("ko", "mecab_ko")}
"""sacreBLEU's extras and the module that each installs."""


def base(code: str) -> str:
    """The language of a code with a script or a region: zh of zh-TW, pt of pt_BR."""
    return code.replace("_", "-").partition("-")[0].lower()


def check(code: str) -> str:
    """The code itself. Raises ValueError unless it is ISO 639's, of two or three letters."""
    language = base(code)
    known = len(language) == 3 or language in ISO_639_1
    if not (language.isascii() and language.isalpha() and known):
        hint = did_you_mean(COUNTRIES.get(language, language), sorted(ISO_639_1))
        raise ValueError(f"{code!r} is no language of ISO 639, such as en, zh or pt-BR{hint}")
    return code


def tokenizer(code: str) -> Tokenizer:
    """BLEU's tokenizer for a language."""
    return TOKENIZERS.get(base(code), DEFAULT)
