"""Blocks within a server's block: its switches, its own quantizations, and the name of its key."""

from __future__ import annotations

import re
from typing import Annotated, Self

from pydantic import AfterValidator, Field, JsonValue, model_validator

from frontier.blocks import Arguments, Block
from frontier.client.origin import can_be_set
from frontier.errors import UserError
from frontier.quantizers import quantizer_of

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
