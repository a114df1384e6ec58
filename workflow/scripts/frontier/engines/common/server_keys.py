"""Blocks within a server's block: its switches, its own ways, and the name of its key."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import AfterValidator, Field, JsonValue, model_validator

from frontier.blocks import Arguments, Block
from frontier.client.origin import can_be_set
from frontier.errors import UserError
from frontier.quantizers import quantizer_of
from frontier.techniques import DRAFT, check_keys

Template = str | tuple[str, ...]
"""An argument, or several that are left out together where a placeholder in them has no value."""


def _known(block: dict[str, JsonValue]) -> dict[str, JsonValue]:
    """Raises ValueError for keys that are no quantization's."""
    try:
        quantizer_of(block)
    except UserError as error:
        raise ValueError(str(error)) from None
    return block


class Change(Block):
    """The difference in a server for one purpose."""

    arguments: tuple[Template, ...] = ()
    """Further arguments of its command."""
    variables: dict[str, str] = Field(default_factory=dict)
    """Further environment variables."""
    fields: Arguments = Field(default_factory=dict)
    """Further fields of each request."""


class PrefixCache(Block):
    """The switch of the cache of prompts' prefixes; null where there is none."""

    disable: Change | None = None
    """Turns it off; {} where there is none."""
    enable: Change | None = None
    """Turns it on."""


class Quantizes(Change):
    """A quantization that the server makes itself while it loads a checkpoint."""

    quantization: Annotated[Arguments, AfterValidator(_known)]
    """The keys of blocks in quantizations.yaml that it stands for, `method` among them."""


def _technique(block: dict[str, JsonValue]) -> dict[str, JsonValue]:
    """Raises ValueError for keys that are no technique's."""
    try:
        check_keys(block)
    except UserError as error:
        raise ValueError(str(error)) from None
    return block


class RunsTechnique(Change):
    """A technique that the server runs by its own settings.

    Every key of the technique stands in `technique` with the value that it must have, or in an
    argument, variable or field as a placeholder, such as {tokens}: none is ignored.
    """

    technique: Annotated[Arguments, AfterValidator(_technique)]
    """The keys of blocks in techniques.yaml that it stands for, `kind` among them."""

    def stands_for(self, block: Mapping[str, JsonValue]) -> bool:
        """True if it runs a technique, given all the keys of its block."""
        if any(block.get(name) != one for name, one in self.technique.items()):
            return False
        return {*block} <= {*self.technique, *self.placeholders()}

    def placeholders(self) -> set[str]:
        """The keys that it uses in braces.

        `draft` is the folder of that model's checkpoint, `draft_file` its file.
        """
        texts = json.dumps([self.arguments, self.variables, self.fields])
        names = re.findall(r"\{([a-z_]+)\}", texts)
        return {DRAFT if name == "draft_file" else name for name in names}

    def filled(self, block: Mapping[str, JsonValue]) -> RunsTechnique:
        """The change with the values of the technique's keys; paths are filled in later."""
        return self.model_copy(
            update={
                "arguments": _with(self.arguments, block),
                "variables": _with(self.variables, block),
                "fields": _with(self.fields, block, whole=True),
            }
        )


def _with(value: Any, block: Mapping[str, JsonValue], *, whole: bool = False) -> Any:
    """Nested values with the placeholders of a technique's keys filled in; `{draft}` stays.

    A text is filled in as it is, another value as in JSON; `whole`: as the value that it is, where
    there is nothing but its placeholder.
    """
    if isinstance(value, Mapping):
        return {name: _with(one, block, whole=whole) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_with(one, block, whole=whole) for one in value)
    if not isinstance(value, str):
        return value
    only = re.fullmatch(r"\{([a-z_]+)\}", value)
    if whole and only and only[1] in block:
        return block[only[1]]

    def text(found: re.Match[str]) -> str:
        name = found[1]
        if name == DRAFT or name not in block:
            return found[0]
        one = block[name]
        return one if isinstance(one, str) else json.dumps(one)

    return re.sub(r"\{([a-z_]+)\}", text, value)


class Key(Block):
    """The secret that a server wants; nothing here is the secret itself."""

    variable: str
    """The environment variable that holds it."""
    header: str = "authorization"
    """The header with it: `authorization: Bearer …`, or another one with nothing but the key."""
    given_as: str | None = None
    """The variable in a started server's environment by which it gets the key."""

    @model_validator(mode="after")
    def _names(self) -> Self:
        # Of the whole block, so that a key in the place of its variable's name is not repeated.
        for key in ("variable", "given_as"):
            if not re.fullmatch(r"[A-Z][A-Z0-9_]{,79}", getattr(self, key) or "NONE"):
                raise ValueError(
                    f"{key}: must be the name of an environment variable that holds the key, such "
                    "as OPENAI_API_KEY"
                )
        if not can_be_set(self.header):
            raise ValueError("header: must be the name of a header, such as api-key")
        return self
