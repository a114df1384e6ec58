"""Whether answers fit the constraint of guided decoding with which they were generated.

JSON schemas are checked by jsonschema, regular expressions by `regex`, grammars by llguidance:
none of them by an engine that was measured, except grammars where that is transformers.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from frontier import patterns
from frontier.errors import Reason
from frontier.text import shown

Fits = Callable[[str], bool]
HALF = re.compile("(?<!\ufffd)\ufffd{1,3}$")
"""The bytes of a character that are not all there yet."""


def fits(block: Mapping[str, Any]) -> Fits:
    """The check of a `guided` block's constraint; spaces around an answer do not count."""
    if "json_schema" in block:
        from jsonschema.validators import validator_for

        schema = block["json_schema"]
        return partial(_is_json, validator_for(schema)(schema))
    if "regex" in block:
        return lambda text: bool(patterns.whole(block["regex"], text.strip(), "regex"))
    return partial(_is_derived, *_matcher(block), whole=True)


def begins(block: Mapping[str, Any]) -> Fits:
    """The check whether an answer that was cut off could have fitted; True where it is unknown."""
    return partial(_is_derived, *_matcher(block), whole=False)


def grammar_of(block: Mapping[str, Any], spaces: str | None = None) -> str:
    """A block's constraint as llguidance reads it.

    `spaces`: those allowed between the parts of JSON, a regular expression; None: any. Raises
    ValueError for a GBNF that it cannot read; another fault is its matcher's.
    """
    from llguidance import LLMatcher

    if "json_schema" in block:
        own = None if spaces is None else {"whitespace_pattern": spaces}
        schema = json.dumps(block["json_schema"])
        return str(LLMatcher.grammar_from_json_schema(schema, overrides=own))
    if "regex" in block:
        return str(LLMatcher.grammar_from_regex(block["regex"]))
    return json.dumps({"grammars": [{"lark_grammar": lark_of(block["grammar"])}]})


def lark_of(grammar: str) -> str:
    """A grammar in GBNF in llguidance's own notation. Raises ValueError if it cannot be read."""
    from llguidance.gbnf_to_lark import gbnf_to_lark

    try:
        return str(gbnf_to_lark(grammar))
    except Exception as error:  # it raises nothing more precise
        raise ValueError(str(error)) from error


def behind_a_space(grammar: str) -> str:
    """A grammar of `grammar_of` that may have one space before it.

    Most models have learnt words with the space before them, so an answer often begins with one.
    """
    (own,) = json.loads(grammar)["grammars"]
    first = {"name": "first", "lark_grammar": 'start: " "? @own'}
    return json.dumps({"grammars": [first, {**own, "name": "own"}]})


def _matcher(block: Mapping[str, Any]) -> tuple[Any, Any]:
    """A tokenizer of bytes, and what reads its tokens at the beginning of an answer."""
    from llguidance import LLMatcher, LLTokenizer

    letters = LLTokenizer("byte")
    return letters, LLMatcher(letters, grammar_of(block), log_level=0)


def _refused(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON")


def _is_json(validator: Any, text: str) -> bool:
    try:
        value = json.loads(text, parse_constant=_refused)
    except (ValueError, RecursionError):
        return False
    return bool(validator.is_valid(value))


def _is_derived(letters: Any, matcher: Any, text: str, *, whole: bool) -> bool:
    if matcher.is_error():
        return not whole
    tokens = letters.tokenize_str(text.strip() if whole else _certain(text))
    own = matcher.deep_copy()
    known = own.try_consume_tokens(tokens) == len(tokens)
    return bool(known and (own.is_accepting() or not whole))


def _certain(text: str) -> str:
    """A text that was cut off without its last character, which may be a part of one."""
    return HALF.sub("", text.lstrip())


def ignored(
    block: Mapping[str, Any], complete: Sequence[str], cut_off: Sequence[str]
) -> Reason | None:
    """The reason why an engine has ignored a constraint, by its answers; None if it has not.

    A complete answer that does not fit shows it, or that none of those that the limit of tokens
    has cut off could have fitted.
    """
    fit = fits(block)
    wrong = [text for text in complete if not fit(text)]
    if wrong:
        return (
            f"guided had no effect: {len(wrong)} of {len(complete)} complete answers do not fit, "
            f"such as {shown(wrong[0])} (a stop text may have cut them)"
        )
    shows = [text for text in cut_off if _certain(text)]
    if complete or not shows:
        return None
    begun = begins(block)
    if any(fit(text) or begun(text) for text in shows):
        return None
    return f"guided had no effect: no answer fits, nor begins so, such as {shown(shows[0])}"
