"""Shared by GPTQ and AWQ: gptqmodel produces their checkpoints and has the kernels to run them.

Both need a separate environment: torch's int4 product for 4 bits on a CPU, on cuda the kernels of
its installation. Embeddings, norms and the head stay in their precision.
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
    """A method of gptqmodel; FORMAT is also transformers' name for it."""

    CONVERSION = "gptqmodel"
    ENVIRONMENT = "gptqmodel"
    NAME: ClassVar[str]
    """The name in reasons."""
    UNFIT: ClassVar[dict[str, Reason]]
    """Reasons by architecture why it has no layers or no kernel."""

    @classmethod
    def unfit(cls, size: int, target: Target) -> Reason | None:
        """Rejects rows that groups of that size do not divide, and cases without a kernel."""
        if target.accelerator not in ("cpu", "cuda"):
            return f"{cls.NAME} is not tested on {target.accelerator}"
        if target.architecture in cls.UNFIT:
            return cls.UNFIT[target.architecture]
        if size > 0 and target.hidden is not None and target.hidden % size:
            return f"{cls.NAME} cannot divide rows of {target.hidden} weights into groups of {size}"
        return None

    def load_model(self, load: Load) -> PreTrainedModel:
        """Loads it through transformers, and runs it once."""
        return _settled(load)

    @classmethod
    def load_published(cls, load: Load) -> PreTrainedModel:
        """Loads it like a checkpoint produced here."""
        return _settled(load)

    @classmethod
    def quantized_layers(cls, model: PreTrainedModel) -> int:
        """The number of modules with packed weights."""
        return len(_packed(model))

    @classmethod
    def kernel(cls, model: PreTrainedModel) -> str:
        """The class, or classes, that gptqmodel chose for the layers."""
        return ", ".join(sorted({type(module).__name__ for module in _packed(model)}))


def _settled(load: Load) -> PreTrainedModel:
    """Loads a gptqmodel checkpoint and runs it once: its kernels repack on their first call.

    So the bytes counted afterwards are those that stay in memory.
    """
    import os
    from contextlib import redirect_stdout
    from logging import WARNING
    from sys import stderr

    import logbar
    import torch

    os.environ["GPTQMODEL_DISABLE_GIL_WARNING"] = "1"
    logbar.LogBar.shared().setLevel(WARNING)  # otherwise it prints a banner and more to stdout
    with redirect_stdout(stderr), torch.no_grad(), plain_linear_layers():
        model = load().eval()
        model(torch.zeros((1, 1), dtype=torch.long, device=model.device))
    return model


def _packed(model: PreTrainedModel) -> list[Any]:
    """The modules with packed weights."""
    from gptqmodel.nn_modules.qlinear import BaseQuantLinear

    return [module for module in model.modules() if isinstance(module, BaseQuantLinear)]
