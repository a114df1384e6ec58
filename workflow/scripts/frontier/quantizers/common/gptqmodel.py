"""What GPTQ and AWQ share: gptqmodel makes their checkpoints and brings the kernels that run them.

Both happen in an environment of its own: torch's int4 product for 4 bits on a CPU, on cuda what its
installation offers. Embeddings, norms and the head stay in their precision.
"""

from __future__ import annotations

from abc import ABC
from typing import TYPE_CHECKING, Any, ClassVar

from frontier.errors import Reason
from frontier.quantizers import Load, Prepared, Target
from frontier.quantizers.common.linears import plain_linear_layers

if TYPE_CHECKING:
    from transformers import PreTrainedModel


class ByGptqmodel(Prepared, ABC):
    """A method of gptqmodel; FORMAT is transformers' name of it too."""

    ENVIRONMENT = "gptqmodel"
    NAME: ClassVar[str]
    """For reasons."""
    UNFIT: ClassVar[dict[str, Reason]]
    """By architecture, what it has no layers or no kernel for."""

    @classmethod
    def unfit(cls, size: int, target: Target) -> Reason | None:
        """Rows that a group of that size does not divide; what gptqmodel has no kernel for."""
        if target.accelerator == "mps":
            return f"{cls.NAME} is not tried on mps"
        if target.architecture in cls.UNFIT:
            return cls.UNFIT[target.architecture]
        if size > 0 and target.hidden is not None and target.hidden % size:
            return f"{cls.NAME} cannot cut rows of {target.hidden} weights into groups of {size}"
        return None

    def load_model(self, load: Load) -> PreTrainedModel:
        """As transformers loads it, settled."""
        return _settled(load)

    @classmethod
    def load_published(cls, load: Load) -> PreTrainedModel:
        """As one that a job made."""
        return _settled(load)

    @classmethod
    def quantized_layers(cls, model: PreTrainedModel) -> int:
        """How many modules hold packed weights."""
        return len(_packed(model))

    @classmethod
    def kernel(cls, model: PreTrainedModel) -> str:
        """The class, or classes, that gptqmodel chose for the layers."""
        return ", ".join(sorted({type(module).__name__ for module in _packed(model)}))


def _settled(load: Load) -> PreTrainedModel:
    """Load a gptqmodel checkpoint and run it once: its kernels repack on their first call.

    So the bytes counted afterwards are those that stay in memory.
    """
    import os
    from contextlib import redirect_stdout
    from logging import WARNING
    from sys import stderr

    import logbar
    import torch

    os.environ["GPTQMODEL_DISABLE_GIL_WARNING"] = "1"
    logbar.LogBar.shared().setLevel(WARNING)  # else it writes much, a banner first, and on stdout
    with redirect_stdout(stderr), torch.no_grad(), plain_linear_layers():
        model = load().eval()
        model(torch.zeros((1, 1), dtype=torch.long, device=model.device))
    return model


def _packed(model: PreTrainedModel) -> list[Any]:
    """The modules that hold packed weights."""
    from gptqmodel.nn_modules.qlinear import BaseQuantLinear

    return [module for module in model.modules() if isinstance(module, BaseQuantLinear)]
