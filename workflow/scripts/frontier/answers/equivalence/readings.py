"""Readers of answers of each type from a piece of plain text, spelled like the references.

The whole piece must be the answer.
"""

from __future__ import annotations

import re

from frontier.answers.equivalence.booleans import truth
from frontier.answers.equivalence.expressions import MAX_LENGTH, parse
from frontier.answers.equivalence.number_words import spelled
from frontier.answers.equivalence.problems import (
    LETTER,
    AnswerType,
    Problem,
    answer_type,
    clean,
    is_option,
    number,
)
from frontier.answers.equivalence.units import is_asked_unit

GROUPED = re.compile(r"(?<![0-9A-Za-z,.])([0-9]{1,3}(?:,[0-9]{3})+)(?![0-9A-Za-z]|,[0-9])")
FRACTION = re.compile(r"([+-]?)\s*\(?([+-]?)([0-9]+)\)?\s*/\s*\(?([0-9]+)\)?")
WITH_UNIT = re.compile(r"([^A-Za-zµμ]*[0-9)])\s*([A-Za-zµμ]+)")
WITH_REST = re.compile(r"([^A-Za-z]*[0-9] ?[A-Za-z]+) ((?:between|in|of) .+)")
IN_BASE_TEN = re.compile(r"\s*(?:\(base (?:10|ten)\)|in base (?:10|ten)|_10)$")
TARGET_BASE = re.compile(r"\b(?:to|in|In) base ([0-9]+)")
BASE_N = re.compile(
    r"\(?([+-]?)\s*([0-9A-Za-z,]+)\)?\s*"
    r"(?:_\(?([0-9]+)\)?|\(?(?:in )?base[ -]?([0-9]+|[a-z]+)\)?)?",
)
TIME = re.compile(r"([0-9]{1,2}):([0-9]{2})\s*([ap])\.?\s?m\.?", re.IGNORECASE)
CHOICE = re.compile(
    r"(?:option |choice |answer )?(?:[(\[]([a-z])[)\]]|([a-z])(?:[).:]|$))[:,]?\s*(.*)",
    re.IGNORECASE,
)
CHOSEN = re.compile(r"\(?([A-Za-z])[).]")
OPTION = r"\({}\) (.*?)(?=\s+\([a-z]\) |\s*$)"
NAME = re.compile(r"[A-Za-z](?:_?[0-9A-Za-z])?\s*(?:=|∈)\s*")
BRACKETS = {"[": "]", "(": ")", "{": "}"}

ROOT_SIGN = re.compile(r"√\s*([0-9]+|[A-Za-z](?![A-Za-z]))")
EXPONENT = re.compile(r"\*\*\(\s*(-?)\s*\(\s*(-?[0-9]+(?:/[0-9]+)?)\s*\)\s*\)")
WITHOUT_OPERATOR = re.compile(r"[A-Za-z)]\s*[0-9]|[0-9]\s+[0-9]")
FACTORS = re.compile(r"(?<=[0-9A-Za-z)])\s*(?=[A-Za-z(√])")


def read(piece: str, problem: Problem) -> str | None:
    """The answer in a piece of plain text, in the references' notation; None if it is not one.

    It need not have the required form.
    """
    piece = trimmed(piece)
    if not 0 < len(piece) <= MAX_LENGTH:
        return None
    match answer_type(problem):
        case "boolean":
            return truth(piece)
        case "time":
            found = TIME.fullmatch(piece)
            return f"{found[1]}:{found[2]} {found[3].upper()}M" if found else None
        case "base-n":
            return _base_n(piece, problem)
        case "letter":
            return _letter(piece, problem)
        case "number":
            return _number(piece, problem)
        case "ordered list" | "unordered list" as kind:
            return _list(piece, problem, kind)
        case "text":
            return piece
        case _:
            if (chosen := CHOSEN.fullmatch(piece)) and LETTER.fullmatch(problem.reference):
                return chosen[1]
            # Adjacent letters are a product, xy, unless they form a word.
            letters = set(clean(problem.reference))
            words = re.findall("[A-Za-z]{2,}", piece.replace("sqrt", ""))
            return expression(piece) if all(letters >= set(word) for word in words) else None


def trimmed(piece: str) -> str:
    """A piece without surrounding quotation marks and emphasis, and without one full stop."""
    piece = clean(piece.strip().strip("*").removeprefix(":"))
    for mark in ('"', "'", "__", "_"):
        if len(piece) > 2 * len(mark) and piece.startswith(mark) and piece.endswith(mark):
            piece = piece.removeprefix(mark).removesuffix(mark)
    return piece.strip().strip("*").strip()


def _number(piece: str, problem: Problem) -> str | None:
    piece = IN_BASE_TEN.sub("", piece)
    # "208 minutes between 10:12 PM and 1:40 AM": the question's words follow the unit.
    repeated = WITH_REST.fullmatch(piece)
    if repeated and repeated[2].rstrip("?") in problem.question:
        piece = repeated[1]
    unit = WITH_UNIT.fullmatch(piece)
    if unit and is_asked_unit(unit[2], problem):
        piece = unit[1]
    elif words := re.fullmatch(r"([A-Za-z -]+?) ([A-Za-z]+)", piece):
        piece = words[1] if is_asked_unit(words[2], problem) else piece
    return literal(piece)


def literal(piece: str) -> str | None:
    """A number in digits: 1,234 is 1234, (-1/2) is -1/2, seven is 7; None for anything else."""
    piece = GROUPED.sub(lambda found: found[1].replace(",", ""), piece.strip())
    if piece.startswith("((") and piece.endswith("))"):
        piece = piece[1:-1]
    if found := FRACTION.fullmatch(piece):
        balanced = piece.count("(") == piece.count(")")
        if not balanced or (found[1] and found[2]):
            return None
        piece = f"{found[1] or found[2]}{found[3]}/{found[4]}"
    elif found := re.fullmatch(r"([+-]?)\s*(\()?([0-9.]+)(\))?", piece):
        if bool(found[2]) != bool(found[4]):
            return None
        piece = found[1] + found[3]
    elif re.fullmatch(r"\([+-][0-9.]+\)", piece):
        piece = piece[1:-1]
    elif words := spelled(piece):
        piece = words
    return None if number(piece) is None else piece


def _base_n(piece: str, problem: Problem) -> str | None:
    asked = TARGET_BASE.search(problem.question)
    found = BASE_N.fullmatch(piece)
    if found is None or piece.count("(") != piece.count(")"):
        return None
    said = found[3] or found[4]
    if said and (asked is None or (spelled(said) or said) != asked[1]):
        return None
    digits = found[2].casefold()
    if "," in digits:
        digits = re.sub(",(?=[0-9]{3}(,|$))", "", digits)
    # Letters that are not digits of the base form a word; 12 in base 2 is a wrong number.
    base = int(asked[1]) if asked else 36
    if not digits.isalnum() or (digits.isalpha() and any(int(d, 36) >= base for d in digits)):
        return None
    return found[1].replace("+", "") + digits


def _letter(piece: str, problem: Problem) -> str | None:
    if not is_option(problem):  # a variable is case-sensitive
        found = LETTER.fullmatch(piece)
        return (found[1] or found[2]) if found else None
    found = CHOICE.fullmatch(piece)
    if found is None:
        return None
    letter = (found[1] or found[2]).casefold()
    stated = re.search(OPTION.format(letter), problem.question)
    value = found[3].strip()
    if value and (stated is None or (literal(value) or value) != (literal(stated[1]) or stated[1])):
        return None
    return letter


def _list(piece: str, problem: Problem, kind: AnswerType) -> str | None:
    """Items between commas, semicolons or "and" (for sets also "or"), in one spelling."""
    piece = piece.strip()
    inner = piece[1:-1]
    if BRACKETS.get(piece[:1]) == piece[-1:] and not set(inner) & {piece[0], piece[-1]}:
        piece = inner
    # 1,234 is one number if the commas between items have a space, or one item is expected.
    if re.search(r",\s|;", piece) or "," not in problem.reference:
        piece = GROUPED.sub(lambda found: found[1].replace(",", ""), piece)
    words = "and|or" if kind == "unordered list" else "and"
    items = re.split(rf"\s*(?:[,;]\s*(?:{words})\s|[,;]|\b(?:{words})\b)\s*", piece)
    names = [name[0][0] if (name := NAME.match(item)) else "" for item in items]
    if any(names[1:]) and len(set(names)) > 1:  # x = 1, y = 2; but x = 1, 2 is a list
        return None
    found = []
    for named in items:
        item = NAME.sub("", named, count=1)
        both = kind == "unordered list" and item.startswith("±")
        for one in (f"-{item[1:].strip()}", item[1:].strip()) if both else (item,):
            letter = LETTER.fullmatch(one)
            value = (letter[1] or letter[2]) if letter else literal(one)
            if value is None:
                return None
            found.append(value)
    return ", ".join(found)


def expression(piece: str) -> str | None:
    """An expression with explicit multiplications; None if it is ambiguous or unreadable."""
    piece = GROUPED.sub(lambda found: found[1].replace(",", ""), piece).replace("sqrt", "√")
    piece = ROOT_SIGN.sub(r"√(\1)", piece.replace("^", "**"))
    piece = EXPONENT.sub(_exponent, piece)
    if WITHOUT_OPERATOR.search(piece):
        return None
    piece = FACTORS.sub("·", piece)
    if _is_split_by_division(piece):
        return None
    piece = piece.replace("·", "*").replace("√", "sqrt")
    return piece if parse(piece) is not None else None


def _is_split_by_division(piece: str) -> bool:
    """True if a factor follows a denominator without a sign, as in 1/2x: (1/2)*x or 1/(2*x)?"""
    divided = [False]
    for letter in piece.replace("**", "^"):
        if letter == "(":
            divided.append(False)
        elif letter == ")" and len(divided) > 1:
            divided.pop()
        elif letter in "/+-*":
            divided[-1] = letter == "/"
        elif letter == "·" and divided[-1]:
            return True
    return False


def _exponent(found: re.Match[str]) -> str:
    inner = found[2]
    if found[1]:
        inner = inner.removeprefix("-") if inner.startswith("-") else f"-{inner}"
    return f"**({inner})"
