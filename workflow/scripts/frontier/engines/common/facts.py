"""The facts about a loaded model, and about the server that answers for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from frontier.checkpoints.experts import Experts


@dataclass(frozen=True)
class ServerFacts:
    """The facts about a server, as far as it reports them or the client sees them."""

    name: str
    """The id of its block."""
    base_url: str | None = None
    """An endpoint's; None for a server that was started for the cell."""
    version: str | None = None
    start_s: float | None = None
    """The time from its command to its first answer."""
    kept: bool = False
    """Whether it was started for an earlier cell of the run."""
    models: tuple[str, ...] = ()
    """The model's name in its answers, each once, in order of appearance."""
    fingerprints: tuple[str, ...] = ()
    """The `system_fingerprint` of its answers, likewise."""
    prefix_cache: bool | None = None
    """Whether it reuses the cached prefix of earlier prompts; None if unknown."""
    greedy: bool = True
    """Whether each request asked for the likeliest token; an endpoint may refuse to."""
    template: Literal["checkpoint", "server", "none"] = "none"
    """The source of the chat template."""
    client: Mapping[str, Any] = field(default_factory=dict)
    """The client's own load and scheduling, which decide how exact its times are."""


@dataclass(frozen=True)
class Loaded:
    """Facts about a loaded model."""

    weights_bytes: int | None
    """None for a model behind a name, whose weights nobody sees."""
    quantized_layers: int | None
    """None if only the job that produced the checkpoint knows."""
    kv_bytes_per_token: int | None
    """None if the key-value cache does not grow with each token, or, before the first
    request, if only the cache itself shows it."""
    kv_windows: tuple[tuple[int, int], ...] = ()
    """The most tokens that layers with a sliding window hold, with their share of these bytes; of a
    bounded cache, those of all layers."""
    kv_waiting: tuple[int, int] | None = None
    """The most generated tokens that wait until the cache quantizes them, and the bytes that each
    has more until then; None for other caches."""
    simulated: bool = False
    """Whether a technique is simulated, so that times say nothing."""
    read_share: float | None = None
    """The share of the parameters that a token needs; None: no technique leaves any out."""
    experts: Experts | None = None
    """Those of a mixture as stored in memory; None for other models, or if only the files say."""
    kernel: str | None = None
    """The kernel in use, as text; None if there is no choice."""
    batching: str | None = None
    """The way in which several requests are computed together, known after the first such ones;
    None if they never are, or if that is a server's own affair."""
    server: ServerFacts | None = None
    """The facts about the server that answers; None for an engine in this process."""
