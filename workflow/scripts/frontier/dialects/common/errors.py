"""Errors of a server: what an HTTP status or an error object means, and when to ask again."""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, Literal

from frontier.errors import Reason
from frontier.text import visible

Meaning = Literal["again", "failed", "withheld", "invalid", "refused", "too-long", "memory"]
"""again: asked again before it counts as failed; failed: this request has no answer; withheld: a
filter lets none pass, for what the prompt or the answer says; invalid: nor have others like it;
refused: nothing will be answered until the user sees to it; too-long: the model's context, or the
server's limit, is too short; memory: the server ran out of it."""
AGAIN = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
"""Statuses before any part of an answer, which may pass."""
FINAL = ("insufficient_quota", "billing", "exceeded your current quota", "credit balance")
"""Words of a 429 or 400 that waiting does not change."""
FILTERED = re.compile(
    r"content[_ ]filter|content management policy|ResponsibleAIPolicy|content_policy_violation"
    r"|guardrail_intervened",
    re.IGNORECASE,
)
"""Words of an endpoint whose filter lets one prompt or answer not pass, for what it says."""
TOO_LONG = re.compile(
    r"context[_ ](?:length|size|window)|maximum (?:context|input|model) length|max_model_len"
    r"|(?:inputs?|prompt)\W.{0,60}(?:tokens?|length).{0,60}(?:must|exceed|longer|larger|too)"
    r"|(?:prompt|input|request) is too (?:long|large)|exceeds? (?:the )?(?:available )?context"
    r"|too many tokens|max_(?:total|input)_tokens|max_seq_len",
    re.IGNORECASE | re.DOTALL,
)
MEMORY = re.compile(
    r"out of memory|not enough memory|OutOfMemory|bad_alloc|failed to allocate|no available memory",
    re.IGNORECASE,
)
CODES = ("code", "type", "error_type", "param")
LONGEST = 300  # characters of a server's message
LATEST_S = 3600.0  # a longer Retry-After is a refusal in other words


@dataclass(frozen=True)
class Refusal:
    """A response that is not an answer."""

    meaning: Meaning
    reason: Reason
    retry_after_s: float | None = None
    """The time after which the server wants to be asked again, if it says so."""


def refusal(status: int, headers: Mapping[str, str], body: bytes) -> Refusal:
    """The meaning of a response whose status is not 200; the headers' names in lower case."""
    said, code = _read(body)
    reason = f"HTTP {status}" + (f": {said}" if said else "")
    words = f"{said} {code}"
    if status < 400:
        # The client follows no redirect: another host would see the key and be the one measured.
        return Refusal("refused", f"{reason}: neither an answer nor an error")
    if FILTERED.search(words):
        return Refusal("withheld", reason)
    if status in (401, 403, 404, 407):
        return Refusal("refused", reason)
    if any(word in words for word in FINAL):
        return Refusal("refused", reason)
    if MEMORY.search(words):
        return Refusal("memory", reason)
    if status == 413 or (status < 500 and status not in AGAIN and TOO_LONG.search(words)):
        return Refusal("too-long", reason)
    if status in AGAIN:
        wait_s = retry_after_s(headers, time.time())
        if wait_s is not None and wait_s > LATEST_S:
            return Refusal("refused", f"{reason}; to be asked again after {wait_s:.0f} s")
        return Refusal("again", reason, wait_s)
    return Refusal("invalid" if status < 500 else "failed", reason)


def retry_after_s(headers: Mapping[str, str], now_s: float) -> float | None:
    """The seconds to wait by `retry-after-ms` or `Retry-After`, a number or a date; never below 0.

    None if there is neither, or it cannot be read. `now_s`: the time as of `time.time`.
    """
    for name, unit in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        text = headers.get(name, "").strip()
        try:
            seconds = float(text) / unit
        except ValueError:
            continue
        if math.isfinite(seconds):
            return max(0.0, seconds)
    try:
        return max(0.0, parsedate_to_datetime(headers["retry-after"]).timestamp() - now_s)
    except (KeyError, ValueError, TypeError, OverflowError):
        return None


def filtered(value: Any) -> bool:
    """Whether an error object is that of a filter for what a prompt or an answer says."""
    return bool(FILTERED.search(" ".join(_said(value))))


def message_of(value: Any) -> str:
    """The message of an error object, as servers variously write it, in one line."""
    return _said(value)[0]


def _read(body: bytes) -> tuple[str, str]:
    """The message and the codes in a response's body, which may be anything."""
    text = body.decode("utf-8", errors="replace")
    try:
        return _said(json.loads(text))
    except (ValueError, RecursionError):
        return _line(re.sub(r"<[^>]*>", " ", text)), ""


def _said(value: Any) -> tuple[str, str]:
    """The message and the codes of an error: OpenAI's object, a text, FastAPI's `detail`, …"""
    if isinstance(value, str):
        return _line(value), ""
    if isinstance(value, list):
        several = [_said(one) for one in value[:3]]
        return "; ".join(one for one, _ in several if one), " ".join(code for _, code in several)
    if not isinstance(value, dict):
        return _line(json.dumps(value)), ""
    codes = [str(value[name]) for name in CODES if value.get(name)]
    for name in ("error", "message", "detail", "msg", "errors", "incomplete_details"):
        if value.get(name):
            said, inner = _said(value[name])
            where = value.get("loc")  # FastAPI's, for a field
            if name == "msg" and isinstance(where, list):
                said = f"{'.'.join(map(str, where))}: {said}"
            return said, " ".join([*codes, inner])
    return _line(json.dumps(value)), " ".join(codes)


def _line(text: str) -> str:
    return visible(" ".join(text.split()), LONGEST)
