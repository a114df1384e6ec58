"""The likelihoods of labels of one token each, from the list of likeliest first tokens.

Servers that give no likelihood of a prompt list the likeliest tokens that they generate. A label
that is not in the list has no known likelihood, which is never replaced by a guess.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

from frontier.dialects import Dialect
from frontier.dialects.common.likelihoods import ROUNDING, NoLikelihoodError, known
from frontier.errors import one_line
from frontier.text import shown

MOST = 20
"""Tokens that servers list at most."""

Label = tuple[str, int | None]
"""A label as the answer would begin with it, and its only token, if that is known."""


def fields(request: dict[str, Any], dialect: Dialect) -> dict[str, Any]:
    """The request for one token with the list, from that for a text."""
    left = {name: one for name, one in request.items() if name not in ("stream", "stream_options")}
    if dialect.api == "chat":
        return left | {"stream": False, "logprobs": True, "top_logprobs": MOST}
    return left | {"stream": False, "logprobs": MOST}


def logprobs(content: bytes, labels: Sequence[Label]) -> list[float]:
    """ln P(label) of each as the first token. Raises NoLikelihoodError for one that is not listed,
    or without a list of likelihoods."""
    try:
        answer = json.loads(content)
        first = answer["choices"][0]["logprobs"]["content"][0]["top_logprobs"]
        listed = [(_text(one), one.get("id"), known(one["logprob"])) for one in first]
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise NoLikelihoodError(
            f"no list of the likeliest tokens: {one_line(error)[:120]}"
        ) from None
    if sum(math.exp(value) for _, _, value in listed) > 1 + ROUNDING:
        raise NoLikelihoodError("the listed likelihoods are none: their sum is greater than 1")
    found = [_find(label, listed) for label in labels]
    missing = [text for (text, _), value in zip(labels, found, strict=True) if value is None]
    if missing:
        raise NoLikelihoodError(
            f"label {shown(missing[0])} is not one of the {len(listed)} likeliest tokens, so its "
            "likelihood is not known"
        )
    return [value for value in found if value is not None]


def _find(label: Label, listed: Sequence[tuple[str, Any, float]]) -> float | None:
    """The likelihood of a label; None if it is not listed, or twice."""
    text, token = label
    by_id = [value for _, other, value in listed if token is not None and other == token]
    by_text = [value for other, known_as, value in listed if other == text and known_as is None]
    found = by_id or by_text
    return found[0] if len(found) == 1 else None


def _text(entry: dict[str, Any]) -> str:
    """A token's text, by its bytes if the server gives them: a part of a letter has no text."""
    if entry.get("bytes"):
        return bytes(entry["bytes"]).decode(errors="replace")
    return str(entry["token"])
