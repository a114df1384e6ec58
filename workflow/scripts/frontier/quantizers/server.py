"""A server's own quantization, which it makes while it loads a checkpoint (`quantizes` of engines).

For schemes that only servers have, such as EETQ's; one with a quantizer here keeps its own method.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from frontier.blocks import Measure, Name
from frontier.errors import Reason, UnsupportedError
from frontier.quantizers import BYTES, EngineFacts, Load, Sizes, Target, WhileLoading

if TYPE_CHECKING:
    from transformers import PreTrainedModel

SERVER = "server"


class OnServer(WhileLoading):
    """Keys of a `server` block."""

    scheme: Annotated[Name, Measure]
    """The name of the scheme, such as eetq; servers say which they have."""
    bits: Annotated[float, Field(gt=0, le=16), Measure]
    """Bits per weight, for the plan's estimate of memory."""

    def unsupported(self, target: Target) -> Reason | None:
        """Rejects engines that are no servers."""
        if target.engine.name != SERVER:
            return f"{self.scheme} is a server's own, and {target.engine.name} is none"
        return None

    def stored_bytes(self, sizes: Sizes, dtype: str, engine: EngineFacts) -> int:
        """The bits for the layers; embedding and head in `dtype`."""
        return round(sizes.layers * self.bits / 8) + (sizes.embedding + sizes.head) * BYTES[dtype]

    def load_model(self, load: Load) -> PreTrainedModel:
        """Raises UnsupportedError: no engine of this process quantizes so."""
        raise UnsupportedError(f"{self.scheme} is a server's own")

    @classmethod
    def quantized_layers(cls, model: PreTrainedModel) -> int:
        """None of this process's."""
        return 0
