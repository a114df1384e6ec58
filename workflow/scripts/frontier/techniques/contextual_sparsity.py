"""Contextual sparsity: each token computes with the neurons that matter to it. Simulated.

For each token and layer, only the neurons of the MLP with the largest activations take part. They
are chosen by the true activations, which are all computed: an oracle. Deja Vu predicts which they
are, with a small network, and reads only their weights; no predictor can choose better than this,
so the score is an upper bound of what one reaches, and the share of the weights that is read lacks
the predictor's own. Source: Liu et al., "Deja Vu: Contextual Sparsity for Efficient LLMs at
Inference Time" (2023), which leaves out attention heads as well.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import Field

from frontier.blocks import Measure
from frontier.errors import Reason
from frontier.techniques import Context, Technique
from frontier.techniques.common.states import STATES

NORMALISED = ("bitnet",)
"""Architectures that normalise the neurons of an MLP together."""
ROUNDING = 1e-9


class ContextualSparsity(Technique):
    """Keys of a `contextual_sparsity` block."""

    ENGINES: ClassVar[tuple[str, ...]] = ("transformers",)

    share: Annotated[float, Field(gt=0, le=1), Measure]
    """The share of each MLP's neurons that takes part in a token, of the prompt too."""

    def simulates(self, architecture: str | None) -> bool:
        """True."""
        return True

    def unsupported(self, context: Context) -> Reason | None:
        """Rejects models without such an MLP, all neurons, and requests computed together."""
        if context.architecture in STATES:
            return f"{context.architecture} has no MLPs with neurons to choose from"
        if context.architecture in NORMALISED:
            return f"{context.architecture} normalises the neurons of an MLP together"
        if context.experts:
            return "the model has experts, of which only some compute for a token anyway"
        if self.share == 1:
            return "contextual_sparsity with a share of 1 leaves nothing out"
        if context.scenario != "single-stream":
            return f"{self.kind} is simulated, for the answers alone, which single-stream has"
        return None

    def clashes(self, other: Technique) -> Reason | None:
        """Rejects compiled code, which a simulation would only slow."""
        if other.COMPILES:
            return f"{self.kind} is simulated, which need not be compiled"
        return None

    def count(self, neurons: int) -> int:
        """The neurons of an MLP that take part, at least one."""
        return max(1, int(self.share * neurons + ROUNDING))

    def change_transformers(self, model: Any) -> None:
        """Hides the other neurons. Raises UnsupportedError for MLPs of no known form."""
        from frontier.techniques.common import neurons

        for one in neurons.mlps(model):
            one.down.register_forward_pre_hook(self._hide(self.count(one.neurons)))

    def _hide(self, count: int) -> Any:
        """A hook that sets all but the largest activations of each token to zero."""
        import torch

        def hide(down: Any, given: tuple[Any, ...]) -> tuple[Any, ...]:
            down.active_neurons = count
            values, *rest = given
            if count == values.shape[-1]:
                return given
            largest = values.abs().topk(count, dim=-1).indices
            taken = torch.zeros_like(values, dtype=torch.bool).scatter_(-1, largest, True)
            return (values.masked_fill(~taken, 0), *rest)

        return hide

    def read_share(self, model: Any) -> float | None:
        """The share of the model's parameters that are not of neurons left out."""
        from frontier.techniques.common import neurons

        found = neurons.mlps(model)
        out = sum((one.neurons - self.count(one.neurons)) * one.parameters for one in found)
        return 1 - out / neurons.parameters(model)

    def idle_in_transformers(self, model: Any, cache: Any) -> Reason | None:
        """Rejects a model that computed without its MLPs' own projections."""
        from frontier.techniques.common import neurons

        found = neurons.mlps(model)
        unseen = sum(not hasattr(one.down, "active_neurons") for one in found)
        if unseen:
            return f"{unseen} of {len(found)} MLPs did not read their neurons in the usual way"
        return None
