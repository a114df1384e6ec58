"""Memory on GPUs by processes, as the driver counts it."""

from __future__ import annotations

from collections.abc import Collection


def held(pids: Collection[int]) -> int | None:
    """Bytes that these processes hold on all GPUs; None if unknown, as in containers."""
    import pynvml

    pynvml.nvmlInit()
    try:
        found = [
            process.usedGpuMemory
            for index in range(pynvml.nvmlDeviceGetCount())
            for process in pynvml.nvmlDeviceGetComputeRunningProcesses(
                pynvml.nvmlDeviceGetHandleByIndex(index)
            )
            if process.pid in pids and process.usedGpuMemory is not None
        ]
    finally:
        pynvml.nvmlShutdown()
    return sum(found) or None
