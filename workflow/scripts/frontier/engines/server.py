"""A server that speaks OpenAI's protocols: started for the cell, or an endpoint elsewhere.

Its block says how it is started and what its dialect is (frontier/dialects). What is measured is
what a client sees: the text, and when each part of it arrived.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Annotated, ClassVar, Self

from pydantic import Field, JsonValue, model_validator

from frontier.blocks import Measure, Operate, Positive, Score
from frontier.client.origin import Origin
from frontier.dialects import PROTOCOLS, Dialect
from frontier.dialects.common.fields import is_greedy
from frontier.engine_block import Part
from frontier.engines import Engine, LoadedModel, Settings
from frontier.engines.common.server_keys import (
    Change,
    Key,
    PrefixCache,
    Quantizes,
    RunsTechnique,
    Template,
)
from frontier.errors import Reason, UserError, did_you_mean
from frontier.quantizers import block_of, quantizer_of
from frontier.serving.commands import Command
from frontier.serving.containers import Container
from frontier.serving.surroundings import SECRET, threads_beside

Share = Annotated[float, Field(ge=0, le=1)]
Route = Annotated[str, Field(pattern=r"^/[!-~]*$")]
"""A path of a URL."""


class Server(Engine):
    """Keys of a `server` block: exactly one of `command` and `base_url`."""

    command: Annotated[tuple[Template, ...] | None, Measure] = None
    """The command that starts it, with {placeholders}; a list in it is left out where one of its
    placeholders has no value."""
    variables: Annotated[dict[str, str], Measure] = Field(default_factory=dict)
    """Its environment variables, with placeholders too."""
    container: Annotated[Container | None, Measure] = None
    """The image in which the command is run (tried with a stand-in for docker only); without it,
    the command runs in the engine's environment."""
    base_url: Annotated[str | None, Measure] = None
    """The API's address at an endpoint that runs elsewhere, such as https://api.openai.com/v1."""
    query: Annotated[Annotated[str, Field(pattern=r"^[!-\"$->@-~]+$")] | None, Measure] = None
    """Added to the address of each request, such as api-version=2024-10-21."""
    root: Annotated[str, Field(pattern=r"^(/[\w.-]+)*$"), Measure] = "/v1"
    """The path of a started server's API."""
    health: Annotated[Route | None, Operate] = None
    """The path that a started server answers with 200 once it is well."""
    ready_s: Annotated[Positive, Operate] = 600.0
    """Seconds that a start may take, loading included."""
    version: Annotated[Route | None, Operate] = None
    """The path with its version, as JSON or text."""
    model: Annotated[str, Field(min_length=1), Measure] = "{name}"
    """The model's name in requests to a started server, with placeholders."""
    dialect: Annotated[Dialect, Measure] = Dialect()
    """The requests that it takes and the form of its answers."""
    dtype_names: Annotated[dict[str, str], Measure] = Field(default_factory=dict)
    """Its names of precisions where they are others, such as {float32: fp32}."""
    context: Annotated[int, Field(gt=0, le=10**7), Measure] = 4096
    """The longest prompt and answer in tokens, if the model has as many positions."""
    prefix_caching: Annotated[PrefixCache, Measure] = PrefixCache()
    """The switch of its prefix cache, which a device uses (off, if it can be)."""
    quantizes: Annotated[tuple[Quantizes, ...], Measure] = ()
    """Quantizations that it makes itself."""
    techniques: Annotated[tuple[RunsTechnique, ...], Measure] = ()
    """Techniques that it runs by its own settings."""
    connections: Annotated[Annotated[int, Field(gt=0, le=10**5)] | None, Measure] = None
    """The most requests at once; unset: as many as a scenario sends."""
    key: Annotated[Key | None, Operate] = None
    """The key that it wants, by the name of a variable."""
    retries: Annotated[int, Field(ge=0, le=10), Operate] = 3
    """Further attempts of a request that failed before the first byte of its answer."""
    timeout_s: Annotated[Positive, Operate] = 600.0
    """Seconds without a byte after which a request has failed."""
    lists_models: Annotated[bool, Operate] = True
    """Whether an endpoint's names, listed under /models, are those of models: then another name is
    refused, before a request and in an answer. Elsewhere, as with deployments, it is recorded."""
    max_failed: Annotated[Share, Score] = 0.01
    """The share of requests without an answer above which a cell is invalid."""

    caches_prefixes: ClassVar[bool] = True
    drives_endpoints: ClassVar[bool] = True
    starts_servers: ClassVar[bool] = True

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if (self.command is None) == (self.base_url is None):
            raise ValueError("give exactly one of command, base_url")
        if self.remote != (self.base_url is not None):
            raise ValueError("accelerators: [remote] is for a base_url, and a base_url for that")
        if self.base_url is not None:
            try:
                Origin.of(self.base_url)
            except UserError as error:
                raise ValueError(f"base_url: {error}") from None
        if self.base_url is not None and self.container:
            raise ValueError("container: only for a server that is started here")
        if self.base_url is not None and self.key and self.key.given_as:
            raise ValueError("key.given_as: only for a server that is started here")
        return self

    @model_validator(mode="after")
    def _whole_commands(self) -> Self:
        for change in (Change(), *self._changes()):
            self._command(change)
            for name in (*self.variables, *change.variables):
                if SECRET.search(name):
                    raise ValueError(
                        f"variables: {name} looks like a secret; a key is given by key: "
                        "{variable: NAME, given_as: NAME}"
                    )
        return self

    @model_validator(mode="after")
    def _known_protocol(self) -> Self:
        api, names = self.dialect.api, PROTOCOLS.names()
        if api not in names:
            raise ValueError(f"dialect.api: unknown id {api!r}{did_you_mean(api, names)}")
        if self.dialect.prompt_ids and api != "completions":
            raise ValueError("dialect.prompt_ids: only with api: completions")
        if "choose" in self.asks and self.dialect.logprobs is None:
            raise ValueError("asks: choose needs dialect.logprobs")
        return self

    def _changes(self) -> list[Change]:
        cache = (self.prefix_caching.disable, self.prefix_caching.enable)
        techniques = [one.filled(dict.fromkeys(one.placeholders(), 1)) for one in self.techniques]
        return [*(one for one in cache if one), *self.quantizes, *techniques]

    def _command(self, change: Change) -> None:
        """Raises ValueError if the command, so changed, would not start a server of ours."""
        if self.command is not None:
            Command((*self.command, *change.arguments), self.variables | change.variables).check()

    @property
    def samples(self) -> bool:
        """True if requests may have another temperature than 0."""
        return self.dialect.greedy and "temperature" not in (
            *self.dialect.leave_out,
            *self.dialect.add,
        )

    @property
    def renders_chats(self) -> bool:
        """True if its own chat template renders prompts, not the checkpoint's."""
        return self.dialect.api != "completions"

    @property
    def greedy(self) -> bool:
        """Whether each request asks for the likeliest token."""
        return is_greedy(self.dialect)

    def quantizes_by(self, quantization: Mapping[str, JsonValue]) -> bool:
        """True if it makes a quantization itself, given all the keys of its block."""
        return self.quantized(quantization) is not None

    def quantized(self, quantization: Mapping[str, JsonValue]) -> Quantizes | None:
        """The change for a quantization, which must have no other key than that names it."""
        for one in self.quantizes:
            if block_of(quantizer_of(one.quantization)) == dict(quantization):
                return one
        return None

    def runs_technique(self, technique: Mapping[str, JsonValue]) -> bool:
        """True if it runs a technique by its own settings, given all the keys of its block."""
        return any(one.stands_for(technique) for one in self.techniques)

    def technique(self, technique: Mapping[str, JsonValue]) -> RunsTechnique:
        """The change for a technique that it runs."""
        found = next(one for one in self.techniques if one.stands_for(technique))
        return found.filled(technique)

    def reported(self, model: str) -> str | None:
        """The name that answers must have, as another model may answer at an endpoint; or None."""
        return model if self.base_url and self.lists_models else None

    def why_not_cached(self) -> Reason | None:
        """The reason why its prefix cache cannot be turned on; None if it can."""
        if self.prefix_caching.enable is None:
            return "has no way to turn a prefix cache on (prefix_caching.enable)"
        return None

    def prefix_cache(self, wanted: bool) -> bool | None:
        """A server that is started here has one that cannot be turned off; an endpoint may."""
        if wanted:
            return True
        if self.prefix_caching.disable is not None:
            return False
        return None if self.base_url else True

    def why_not_asked(self, style: str, parts: Collection[Part]) -> Reason | None:
        """The reason why it cannot be asked with a model's `prompt` style; None if it can.

        A chat's template is the server's own; completions need a checkpoint's.
        """
        api, begun = self.dialect.api, "a beginning of the answer" in parts
        if api != "completions" and style != "chat":
            return f"{api}: the server renders chats itself (prompt: chat)"
        if api == "completions" and self.remote and style == "chat":
            return "completions: there is no checkpoint whose chat template renders a prompt"
        if begun and api == "responses":
            return "responses: this protocol cannot continue an answer that has begun"
        if begun and api == "chat" and self.dialect.prefill is None:
            return "chat: cannot continue an answer that has begun (dialect.prefill is unset)"
        return super().why_not_asked(style, parts)

    def require(self, name: str) -> None:
        """Raises UserError if the variable of its key is not set."""
        if self.key and not os.environ.get(self.key.variable, "").strip():
            raise UserError(
                f"{name}: the environment variable {self.key.variable} must hold its key"
            )

    def threads_on(self, cores: int) -> int:
        """All but one: the client needs a core."""
        return threads_beside(cores)

    def prepare(self) -> None:
        """Imports the libraries that loading needs."""
        import frontier.engines.loaded.serving  # noqa: F401

    def load(self, checkpoint: Path, settings: Settings) -> LoadedModel:
        """Starts the server with a checkpoint, and waits for its first answer.

        Raises UnsupportedError, OutOfMemoryError, or UserError with the server's last lines.
        """
        from frontier.engines.loaded import serving

        return serving.load(self, checkpoint, settings)

    def connect(self, settings: Settings) -> LoadedModel:
        """The model `settings.served` of the endpoint. Raises UserError if it is not there."""
        from frontier.engines.loaded import serving

        return serving.connect(self, settings)
