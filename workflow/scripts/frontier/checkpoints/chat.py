"""Chat templates, rendered identically on every day and in every environment.

transformers renders them too, but passes today's date, and its releases differ in the arguments
that they allow. A template can use here what it can use there.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from typing import Any

import jinja2
from jinja2 import meta, nodes
from jinja2.ext import Extension
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

from frontier.errors import Reason, UserError, did_you_mean, one_line
from frontier.prompts import Chat, Prompt, Shot, as_chat

PROBE, PROBED = "Question", "Instruction"
EXAMPLE, REPLY, BEGUN = "Example", "Reply", "Beginning"
FAULTS = (
    jinja2.TemplateError, ArithmeticError, AttributeError, LookupError, RecursionError, SyntaxError,
    TypeError, ValueError,
)  # fmt: skip
"""The exceptions that a template can raise, including those of Python in its expressions."""
GIVEN = frozenset({"messages", "add_generation_prompt", "strftime_now"})


class _Generation(Extension):
    """`{% generation %}`, which marks the trained part of an answer; it renders its content."""

    tags = {"generation"}  # noqa: RUF012  # as the base class has it

    def parse(self, parser: Parser) -> nodes.Node:
        """Parses the tag's body as a new scope."""
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return nodes.Scope(body, lineno=line)


def _raise(message: str) -> None:
    raise jinja2.TemplateError(message)


def _by_chance(*_arguments: Any) -> None:
    raise jinja2.TemplateError("it uses random values, so prompts would differ between runs")


def _json(value: Any, ensure_ascii: bool = False, **layout: Any) -> str:
    """Replaces Jinja's own `tojson`, which escapes for HTML."""
    return json.dumps(value, ensure_ascii=ensure_ascii, **layout)


def _environment() -> ImmutableSandboxedEnvironment:
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[_Generation, "jinja2.ext.loopcontrols"]
    )
    environment.filters |= {"tojson": _json, "random": _by_chance}
    environment.globals |= {"raise_exception": _raise, "lipsum": _by_chance}
    return environment


def default_template(templates: str | Mapping[str, str] | None) -> str:
    """The tokenizer's chat template. Raises UserError if it has none, or none for a chat."""
    if isinstance(templates, Mapping):
        if "default" not in templates:
            raise UserError(
                "prompt: chat, but none of the tokenizer's chat templates is called 'default'; "
                f"there are: {', '.join(map(repr, sorted(templates)))}"
            )
        templates = templates["default"]
    if templates is None:
        raise UserError("prompt: chat, but the model's tokenizer has no chat template")
    return templates


class ChatTemplate:
    """A template with all its arguments except the prompt."""

    def __init__(
        self,
        source: str,
        tokens: Mapping[str, str],
        arguments: Mapping[str, Any],
        today: date,
        system: str | None = None,
    ) -> None:
        """`tokens` are the special tokens by their names, such as bos_token.

        Raises UserError for a template that cannot be read or rendered, or leaves the prompt or the
        `system` message out, and for arguments that it does not mention.
        """
        environment = _environment()
        try:
            self._template = environment.from_string(source)
            mentioned = meta.find_undeclared_variables(environment.parse(source))
        except FAULTS as error:
            raise UserError(_message(error)) from error
        own = sorted(mentioned - GIVEN - tokens.keys() - environment.globals.keys())
        for name in arguments:
            if name not in own:
                hint = did_you_mean(name, own)
                raise UserError(
                    f"template_arguments: the chat template uses no {name!r}{hint}; "
                    f"it uses: {', '.join(own) or 'none'}"
                )
        now = datetime.combine(today, time(), UTC)
        dated = "date_string" in own and "strftime_now" not in mentioned
        self._given: dict[str, Any] = {
            "tools": None,
            "documents": None,
            **tokens,
            # Llama 3.1's argument, in its format; later templates use strftime_now.
            **({"date_string": now.strftime("%d %b %Y")} if dated else {}),
            **arguments,
            # %s, seconds since 1970, would depend on the machine's time zone.
            "strftime_now": lambda form: now.strftime(form.replace("%s", f"{now.timestamp():.0f}")),
            "add_generation_prompt": True,
        }
        parts = {"prompt": PROBE} | ({"system message": PROBED} if system is not None else {})
        self._before = _message_before(PROBED if system is not None else None)
        text = self.render(PROBE)
        for name, probe in parts.items():
            if probe not in text:
                raise UserError(
                    f"prompt: chat, but the model's chat template leaves the {name} out"
                )
        self._before = _message_before(system)

    def render(self, prompt: Prompt) -> str:
        """The text for the model to continue. Raises UserError if the template fails.

        An answer that has begun is the last message, and the text ends with it, as transformers'
        `continue_final_message` renders it.
        """
        chat = as_chat(prompt)
        turns = [*chat.turns, *([("assistant", chat.begins)] if chat.begins else [])]
        before = self._before if chat.system is None else _message_before(chat.system)
        messages = [*before, *({"role": role, "content": text} for role, text in turns)]
        given = {**self._given, "add_generation_prompt": not chat.begins}
        try:
            text = self._template.render(messages=messages, **given)
        except FAULTS as error:
            raise UserError(_message(error)) from error
        if chat.system and chat.system.strip() not in text:
            raise UserError(
                "prompt: chat, but the model's chat template leaves the system message out"
            )
        if not chat.begins:
            return text
        start, found, _ = text.rpartition(chat.begins)
        if not found:
            raise UserError(
                "prompt: chat, but the model's chat template leaves the beginning of an answer out"
            )
        return start + found

    def refusal(self, *, turns: bool, begins: bool) -> Reason | None:
        """The reason why it cannot render worked examples as turns, or an answer that has begun."""
        shots = (Shot(EXAMPLE, REPLY),) if turns else ()
        try:
            text = self.render(Chat(PROBE, shots, BEGUN if begins else ""))
        except UserError as error:
            return str(error)
        words = [*((EXAMPLE, REPLY) if turns else ()), PROBE, *([BEGUN] if begins else [])]
        places = [text.find(word) for word in words]
        if -1 in places or places != sorted(places):
            return "prompt: chat, but the model's chat template leaves earlier turns out"
        return None


def _message_before(system: str | None) -> list[dict[str, str]]:
    """The messages before the prompt's."""
    return [] if system is None else [{"role": "system", "content": system}]


def _message(error: BaseException) -> Reason:
    line = f" in line {error.lineno}" if isinstance(error, jinja2.TemplateSyntaxError) else ""
    return f"prompt: chat: the model's chat template fails{line}: {one_line(error)[:300]}"
