"""This workflow with llama.cpp, which llama-bench's loop is compared with."""

from __future__ import annotations

from side_by_side.running import FailedError
from side_by_side.tools import NotHereError, Work
from side_by_side.tools.ours import Ours
from side_by_side.workspace import LLAMA


class OursLlamaCpp(Ours):
    """The product, with llama.cpp as its engine."""

    name = "ours-llama.cpp"
    does = "this workflow on llama.cpp"
    device = LLAMA

    def prepare(self, work: Work) -> None:
        """Converts the checkpoint, which is not timed. Raises NotHereError."""
        try:
            work.checkout.build(self.device, work.folder / f"{self.name}.log")
        except FailedError as error:
            raise NotHereError(str(error)) from None
        if work.checkout.measured(self.device)[0].outcome != "measured":
            raise NotHereError(work.checkout.measured(self.device)[0].reason or "not measured")
