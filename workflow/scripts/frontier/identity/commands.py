"""The shell commands of the rules, as written."""

from __future__ import annotations

import ast
import itertools
import tokenize
from functools import cache

from frontier.identity import SCRIPTS

RULES = SCRIPTS.parent / "rules"


@cache
def shells() -> dict[str, str]:
    """The shell command of every rule, as written: the string tokens after `shell:`."""
    found: dict[str, str] = {}
    for path in sorted(RULES.glob("*.smk")):
        rule, inside = "", False
        with path.open("rb") as file:
            tokens = list(tokenize.tokenize(file.readline))
        for before, token in itertools.pairwise(tokens):
            if before.string == "rule" and token.type == tokenize.NAME:
                rule = token.string
            elif before.string == "shell" and token.string == ":":
                inside = True
            elif inside and token.type == tokenize.STRING:
                found[rule] = found.get(rule, "") + ast.literal_eval(token.string)
            elif token.type == tokenize.NAME and token.string != "located":
                inside = False
    return found
