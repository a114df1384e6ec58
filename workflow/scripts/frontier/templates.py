"""Prompt templates: `{field}` inserts a text, `{{` and `}}` are braces; nothing else is allowed.

Python's format strings also have attributes, indices, conversions and widths, which could read
things that no prompt should contain, or write a gigabyte.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import date
from string import Formatter

from frontier.errors import closest, did_you_mean

TODAY = date(2024, 7, 26)
"""The date that chat templates get as today's, unless the model's block names another."""


def check(template: str, fields: Collection[str]) -> None:
    """Raises ValueError, in one line, unless `template` uses some of `fields` and nothing else."""
    try:
        parts = list(Formatter().parse(template))
    except ValueError as error:
        raise ValueError(f"not a template of the fields {sorted(fields)}: {error}") from None
    used = [part[1:] for part in parts if part[1] is not None]
    for name, width, conversion in used:
        if conversion or width or not str(name).isidentifier():
            behind = (f"!{conversion}" if conversion else "") + (f":{width}" if width else "")
            given = f"{{{name}{behind}}}"
            raise ValueError(
                f"not a template of the fields {sorted(fields)}: {given[:80]!r} is not a plain "
                "{field}; write '{{' and '}}' for braces"
            )
        if name not in fields:
            raise ValueError(f"no field {name!r}{did_you_mean(str(name), fields)}")
    if not used:
        raise ValueError(
            f"has no {{field}}, so that all requests would be the same; there are {sorted(fields)}"
        )


def used(template: str) -> tuple[str, ...]:
    """The fields of a template that has passed `check`, each once, in alphabetical order."""
    return tuple(sorted({part[1] for part in Formatter().parse(template) if part[1]}))


def style(prompt: str) -> str:
    """A model's `prompt` key. Raises ValueError unless it is plain, chat or a template."""
    if prompt not in ("plain", "chat"):
        try:
            check(prompt, ("prompt",))
        except ValueError as error:
            known = ("plain", "chat")
            hint = did_you_mean(prompt, known) if closest(prompt, known) else ""
            raise ValueError(
                f"must be 'plain', 'chat' or a template containing {{prompt}}{hint}: {error}"
            ) from None
    return prompt


def fill(template: str, values: Mapping[str, str]) -> str:
    """The filled template, which must have passed `check`."""
    return template.format_map(values)
