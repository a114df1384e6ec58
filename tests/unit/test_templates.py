"""Prompts with gaps: plain fields, and nothing that Python's format strings can do besides."""

from __future__ import annotations

import datetime
import math
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frontier import templates
from frontier.catalogue.checking import check
from frontier.catalogue.entries import Task
from frontier.catalogue.models import Model
from frontier.errors import UserError

FIELDS = ("sentence", "topic")


@given(st.dictionaries(st.sampled_from(FIELDS), st.text(), min_size=2), st.text(), st.text())
def test_gaps_are_filled_and_doubled_braces_are_braces(
    row: dict[str, str], before: str, after: str
) -> None:
    """Fields are inserted as they are, including braces."""
    written = [text.replace("{", "{{").replace("}", "}}") for text in (before, after)]
    template = f"{written[0]}{{sentence}}{written[1]}{{topic}}{{sentence}}"
    templates.check(template, FIELDS)
    expected = before + row["sentence"] + after + row["topic"] + row["sentence"]
    assert templates.fill(template, row) == expected


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{sentence.foo}", "not a plain {field}"),
        ("{sentence[x]}", "not a plain {field}"),
        ("{sentence!r:>1000000000}", "not a plain {field}"),
        ("{sentence:>1000000000}", "not a plain {field}"),
        ("{sentence!s}", "not a plain {field}"),
        ("{sentence:{topic}}", "not a plain {field}"),
        ("{sentence.__class__.__init__.__globals__}", "not a plain {field}"),
        ("{}", "not a plain {field}"),
        ("{0}", "not a plain {field}"),
        ('{"answer": "{sentence}"}', "not a plain {field}"),
        ("{sentense}", "did you mean 'sentence'?"),
        ("{sentence} {tpoic}", "did you mean 'topic'?"),
        ("{sentence", "expected '}'"),
        ("sentence}", "Single '}'"),
        ("", "all requests would be the same"),
        ("{{sentence}}", "all requests would be the same"),
    ],
)
def test_anything_else_is_refused_in_one_line(template: str, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)) as error:
        templates.check(template, FIELDS)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 300


@given(st.text(alphabet="{}!:[].sentencopi0 ", max_size=20))
def test_what_passes_can_be_filled(template: str) -> None:
    """No template that was let through fails, reaches into a row, or grows beyond its rows."""
    try:
        templates.check(template, FIELDS)
    except ValueError:
        return
    filled = templates.fill(template, dict.fromkeys(FIELDS, "a"))
    assert len(filled) <= len(template)


@pytest.mark.parametrize("style", ["plain", "chat", "User: {prompt}\nAssistant:"])
def test_styles(style: str) -> None:
    assert templates.style(style) == style


@pytest.mark.parametrize(
    ("style", "message"),
    [("chta", "did you mean 'chat'?"), ("Q: {promt}", "did you mean 'prompt'?")],
)
def test_styles_that_are_none(style: str, message: str) -> None:
    with pytest.raises(ValueError, match="must be 'plain', 'chat' or a template") as error:
        templates.style(style)
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"template_arguments": {"enable_thinking": False}}, "only with prompt: chat"),
        ({"template_date": "2025-01-01"}, "only with prompt: chat"),
        ({"prompt": "chat", "template_date": 3}, "valid date"),
        ({"prompt": "chat", "template_date": "2025-02-30"}, "valid date"),
        ({"prompt": "chat", "template_arguments": ["enable_thinking"]}, "an object"),
        ({"prompt": "chat", "template_arguments": {"budget": math.inf}}, "not JSON"),
        ({"prompt": "chat", "template_arguments": {"day": datetime.date.min}}, "not JSON"),
    ],
)
def test_a_models_prompt_keys_that_cannot_work(keys: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        check(Model, {"path": "anywhere", **keys}, "models.mine")


def test_what_a_chat_template_is_given_decides_the_measurement() -> None:
    """Its arguments and its date, with or without a date of the user's own."""
    keys = {"path": "anywhere", "prompt": "chat"}
    plain = check(Model, keys, "").slice("measure")
    assert plain["template_date"] == "2024-07-26"
    for own in ({"template_date": "2025-01-01"}, {"template_arguments": {"enable_thinking": True}}):
        assert check(Model, keys | own, "").slice("measure") == plain | own


@pytest.mark.parametrize("stop", [[""], ["\n", ""]])
def test_an_empty_stop_text_is_refused(stop: list[str]) -> None:
    """It stands everywhere, so that every answer would be empty."""
    keys = {"dataset": "d", "sample": {"size": 1}, "prompt": "{x}", "max_new_tokens": 1}
    with pytest.raises(UserError, match=r"tasks.mine: stop: an empty stop text"):
        check(Task, {**keys, "scorer": {"kind": "x"}, "stop": stop}, "tasks.mine")
