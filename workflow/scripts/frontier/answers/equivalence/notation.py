"""LaTeX, markdown and Unicode as the plain notation of the references: \\frac{1}{2} is (1/2).

Only the spelling changes: nothing with a mathematical meaning is evaluated, reordered or dropped.
Notation that is not understood stays as it is, so that it is not an answer.
"""

from __future__ import annotations

import re
import unicodedata

MAX_NESTING = 12

INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u2060-\u2064\ufe00-\ufe0f\ufeff]")
# These spaces separate thousands between groups of three digits, like a comma.
THIN_SPACES = re.compile("(?<=[0-9])[\u00a0\u2009\u202f](?=[0-9]{3}(?![0-9]))")
LATEX_THOUSANDS = re.compile(r"(?<=[0-9])(?:\\,|\\!|\\ |\{,\}|\\!,|,\\!)(?=[0-9]{3}(?![0-9]))")
SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁽⁾ᐟ", "0123456789+-()/")
SUBSCRIPTS = str.maketrans("₀₁₂₃₄₅₆₇₈₉", "0123456789")
SUPERSCRIPT = re.compile("[⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁽⁾ᐟ]+(?:⁄[⁰¹²³⁴⁵⁶⁷⁸⁹]+)?")
SUBSCRIPT = re.compile("[₀-₉]+")
VULGAR_FRACTION = re.compile("(?<![0-9A-Za-z)])[¼-¾⅐-⅞]")
SYMBOLS = str.maketrans(
    {
        **dict.fromkeys("−﹣‐‑", "-"),
        **dict.fromkeys("×⋅·∙∗✕✖⨯", "*"),
        **dict.fromkeys("÷⁄∕", "/"),
        **dict.fromkeys("、，", ","),
        **dict.fromkeys("“”„«»", '"'),
        **dict.fromkeys("‘’", "'"),
        **dict.fromkeys("⇒⟹➡⟶", "→"),
        "。": ".",
        "∶": ":",
    }
)
# An en dash is a minus only if it cannot be a dash in prose: directly before its operand.
EN_DASH = re.compile(r"–(?=[0-9A-Za-z(\\])|(?<=[0-9A-Za-z)] )–(?= [0-9A-Za-z(\\])")

SPACES = re.compile(r"[^\S\n]+")

SPACING = re.compile(r"\\[,;:! ]|\\(?:quad|qquad|enspace|thinspace)(?![A-Za-z])|(?<=[0-9}])~")
SILENT = re.compile(
    r"\\(?:left|right|[bB]ig+[lr]?|displaystyle|textstyle|limits|boldmath)(?![A-Za-z])\.?"
    r"|\\(?:begin|end)\{[a-z]+\*?\}"
)
COMMANDS = {
    "cdot": "*", "times": "*", "ast": "*", "div": "/", "pm": "±", "lbrace": "{", "rbrace": "}",
    "lbrack": "[", "rbrack": "]", "ne": "≠", "neq": "≠", "approx": "≈", "le": "≤", "leq": "≤",
    "ge": "≥", "geq": "≥", "to": "→", "rightarrow": "→", "Rightarrow": "→", "implies": "→",
    "therefore": "∴", "in": "∈", "ldots": "...", "dots": "...", "cdots": "...", "colon": ":",
}  # fmt: skip
COMMAND = re.compile(r"\\([A-Za-z]+) ?")
TEXT = re.compile(
    r"\\(?:text|textbf|textit|textrm|texttt|mathrm|mathbf|mathit|mathsf|mathtt|boldsymbol|bm|mbox"
    r"|operatorname|emph|underline|fbox)\s*\{([^{}]*)\}"
)
FRACTION = re.compile(
    r"\\[dtc]?frac\s*(?:\{([^{}]*)\}|([0-9a-zA-Z]))\s*(?:\{([^{}]*)\}|([0-9a-zA-Z]))"
)
ROOT = re.compile(r"\\sqrt\s*(?:\{([^{}\\]*)\}|([0-9a-zA-Z]))")
NTH_ROOT = re.compile(r"\\sqrt\s*\[([0-9]+)\]\s*(?:\{([a-zA-Z])\}|([a-zA-Z]))")
RAISED = re.compile(r"(?:\^|\*\*)\s*\{([^{}]*)\}")
LOWERED = re.compile(r"_\s*\{([0-9A-Za-z ]*)\}")

INTEGER = re.compile(r"\s*-?[0-9]+\s*")
EMPHASIS = re.compile(r"(?<![\w)\]}])\*\*|\*\*(?![\w(\-{\\])")
FENCE = re.compile(r"^[ \t]*(?:```|~~~)[^\n]*$", re.MULTILINE)
HEADING = re.compile(r"^[ \t]*(?:#{1,3}|[•*])[ \t]+(?=\S)", re.MULTILINE)
RAISED_TAG = re.compile(r"<sup>([^<>]{1,40})</sup>", re.IGNORECASE)
LOWERED_TAG = re.compile(r"<sub>([^<>]{1,40})</sub>", re.IGNORECASE)
TAG = re.compile(r"</?(?:b|i|em|strong|code|p|span|br)\s*/?>", re.IGNORECASE)


def plain(text: str) -> str:
    """A text with Unicode, LaTeX and markdown in plain notation."""
    return _markdown(_latex(characters(text)))


def characters(text: str) -> str:
    """A text with one spelling for digits, signs, spaces, powers and fractions of Unicode."""
    text = INVISIBLE.sub("", text)
    text = THIN_SPACES.sub(",", text)
    text = SUPERSCRIPT.sub(_superscript, text)
    text = SUBSCRIPT.sub(lambda found: "_" + found[0].translate(SUBSCRIPTS), text)
    text = VULGAR_FRACTION.sub(
        lambda found: f"({unicodedata.normalize('NFKC', found[0])})".replace("⁄", "/"), text
    )
    text = text.translate(SYMBOLS)
    text = EN_DASH.sub("-", "".join(map(_character, text)))
    return SPACES.sub(" ", text)


def _superscript(found: re.Match[str]) -> str:
    return f"**({found[0].translate(SUPERSCRIPTS).replace('⁄', '/')})"


def _character(letter: str) -> str:
    """One character in its compatible form; a digit of any script as an ASCII digit."""
    if letter < "\x80":
        return letter
    if letter.isdecimal():
        return str(unicodedata.decimal(letter))
    if unicodedata.category(letter) == "No":  # NFKC would turn 1² into 12 and 1½ into 11/2
        return letter
    return unicodedata.normalize("NFKC", letter).translate(SYMBOLS)


def _latex(text: str) -> str:
    """A text without LaTeX's commands, groups and delimiters, as far as understood."""
    if "$" in text and text.count("$") % 2 == 0:  # otherwise it is a currency sign
        text = text.replace("$$", "\n").replace("$", "")
    if "\\" not in text and "{" not in text:
        return text
    text = LATEX_THOUSANDS.sub(",", text)
    text = text.replace("\\\\", "\n").replace("\\[", "\n").replace("\\]", "\n")
    text = re.sub(r"\\[()]", "", text)
    text = SILENT.sub("", text).replace("&=", "=")
    text = SPACING.sub(" ", text)
    text = re.sub(r"\\([{}%#_*$&])", r"\1", text.replace("\\{", "\x01").replace("\\}", "\x02"))
    for _ in range(MAX_NESTING):
        before = text
        text = TEXT.sub(r"\1", text)
        text = RAISED.sub(lambda found: f"**({found[1].strip()})", text)
        text = LOWERED.sub(lambda found: f"_{found[1].strip()}", text)
        text = NTH_ROOT.sub(lambda found: f"{found[2] or found[3]}**(1/{found[1]})", text)
        text = ROOT.sub(lambda found: f"sqrt({(found[1] or found[2]).strip()})", text)
        text = FRACTION.sub(_fraction, text)
        if text == before:
            break
    text = COMMAND.sub(lambda found: COMMANDS.get(found[1], found[0]), text)
    return text.replace("\x01", "{").replace("\x02", "}")


def _fraction(found: re.Match[str]) -> str:
    over, under = found[1] or found[2] or "", found[3] or found[4] or ""
    if INTEGER.fullmatch(over) and INTEGER.fullmatch(under):
        return f"({over.strip()}/{under.strip()})"
    return f"(({over})/({under}))"


def _markdown(text: str) -> str:
    """A text without markdown's emphasis, code marks and headings; ** between operands stays."""
    text = LOWERED_TAG.sub(r"_\1", RAISED_TAG.sub(r"**(\1)", text))
    text = FENCE.sub("", TAG.sub("", text)).replace("`", "")
    text = HEADING.sub("", text).replace("\\*", "*").replace("\\_", "_")
    escaped = re.sub(r"(?<=[\w)]) \*\* (?=[\w(\-])", "**", text)
    return EMPHASIS.sub("", escaped)
