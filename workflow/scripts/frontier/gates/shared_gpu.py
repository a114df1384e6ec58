"""Gate: no other process computed on the GPUs."""

from __future__ import annotations

from frontier.errors import Reason
from frontier.gates import Gate, Timing


class SharedGpu(Gate):
    """Fails if other processes were seen on the GPUs at any time."""

    ORDER = 30

    def reason(self, timing: Timing) -> Reason | None:
        """The number of other processes."""
        others = timing.load.foreign_gpu_processes
        return f"contention: {others} other processes on the GPU" if others else None
