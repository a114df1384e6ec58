"""Shared by bounded key-value caches, which forget tokens: simulated, so accuracy only.

transformers has no such cache, and the releases of kvpress so far need an older transformers. So
each token's attention is masked to what the cache would hold by then, of the prompt too, as if it
was read token by token; the cache that is really there is the model's own. Tokens have their
positions in the text, as in kvpress; the paper on attention sinks counts positions in the cache.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

from frontier.errors import Reason
from frontier.techniques import Context, Technique
from frontier.techniques.common.states import STATES

OTHERWISE = ("falcon", "bloom", "mpt", "gptj", "codegen")
"""Architectures whose attention transformers computes by code of their own."""


class Bounded(Technique, ABC):
    """A technique that hides tokens from attention."""

    ENGINES: ClassVar[tuple[str, ...]] = ("transformers",)
    OWN_CACHE: ClassVar[bool] = True

    def simulates(self, architecture: str | None) -> bool:
        """True."""
        return True

    @abstractmethod
    def visible(self, layer: Any, begin: int, new: int, weights: Any) -> Any:
        """The keys that each query sees, broadcast over batch · heads · queries · keys.

        `layer`: the attention's module; `begin`: the position of the first of `new` queries;
        `weights()`: their attention in that shape if nothing is forgotten.
        """

    def unsupported(self, context: Context) -> Reason | None:
        """Rejects architectures without such attention, and requests that are computed together."""
        if context.architecture in STATES:
            return f"{context.architecture} has no key-value cache that grows with each token"
        if not self.simulates(context.architecture):
            return None
        if context.architecture in OTHERWISE:
            return f"transformers computes the attention of {context.architecture} in its own way"
        if context.scenario != "single-stream":
            return f"{self.kind} is simulated, for the answers alone, which single-stream has"
        return None

    def clashes(self, other: Technique) -> Reason | None:
        """Rejects the choice of another attention."""
        if other.kind == "attention":
            return f"{self.kind} brings attention of its own"
        return None

    def change_transformers(self, model: Any) -> None:
        """Masks the model's attention. Raises UnsupportedError where it has none of the usual."""
        from frontier.techniques.common import bounded_attention

        bounded_attention.install(model, self.visible)

    def idle_in_transformers(self, model: Any, cache: Any) -> Reason | None:
        """Rejects a model that did not compute attention here."""
        if any(hasattr(one, "bounded") for one in model.modules()):
            return None
        return f"no layer of {type(model).__name__} computed attention with it"
