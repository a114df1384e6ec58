"""Torch's devices: the one place that maps an accelerator to torch's names, memory and waiting.

A build of torch computes on one maker's GPUs: for CUDA, ROCm (whose GPUs torch calls "cuda" too)
or XPU. Of rocm and xpu nothing was tried on hardware; written after torch's documentation.
"""

from __future__ import annotations

import importlib.util
import runpy
from pathlib import Path
from typing import Any

from frontier.errors import Reason

NAMES = {"cpu": "cpu", "cuda": "cuda", "rocm": "cuda", "mps": "mps", "xpu": "xpu"}
"""Torch's name of each accelerator."""
BUILDS = {"cuda": "cuda", "rocm": "hip", "xpu": "xpu"}
"""The variable of torch.version that is set in a build for an accelerator."""
WORDS = {"cuda": "CUDA", "hip": "ROCm", "xpu": "Intel's XPU"}


def counted(accelerator: str) -> bool:
    """True if torch numbers its devices, and counts the memory of each."""
    return accelerator in BUILDS


def captures(accelerator: str) -> bool:
    """True if kernels can be recorded in graphs of CUDA, or of ROCm by the same names."""
    return NAMES[accelerator] == "cuda"


def device_map(accelerator: str, gpus: int) -> Any:
    """The placement of a model's layers: on several GPUs as they fit, else on the only device."""
    return "auto" if gpus > 1 else {"": NAMES[accelerator]}


def devices(accelerator: str) -> list[str]:
    """Torch's names of the devices that this process sees."""
    name = NAMES[accelerator]
    if not counted(accelerator):
        return [name]
    return [f"{name}:{number}" for number in range(_module(accelerator).device_count())]


def synchronize(accelerator: str, device: Any = None) -> None:
    """Waits until the current device, or `device`, has finished; a CPU needs no waiting."""
    if counted(accelerator):
        _module(accelerator).synchronize(device)
    elif accelerator != "cpu":
        _module(accelerator).synchronize()


def peak_bytes(accelerator: str) -> int | None:
    """Peak memory of all devices so far; on mps, which records no peak, the current use."""
    if counted(accelerator):
        return int(sum(map(_module(accelerator).max_memory_allocated, devices(accelerator))))
    return int(_module(accelerator).driver_allocated_memory()) if accelerator == "mps" else None


def free_bytes(accelerator: str) -> int | None:
    """Memory that can still be allocated; of several GPUs that of the fullest, for each.

    None on a CPU, whose memory torch does not know.
    """
    torch = _module(accelerator)
    if counted(accelerator):
        names = devices(accelerator)
        free = (
            torch.mem_get_info(one)[0] + torch.memory_reserved(one) - torch.memory_allocated(one)
            for one in names
        )
        return int(min(free)) * len(names)
    if accelerator == "mps":
        return max(0, int(torch.recommended_max_memory() - torch.driver_allocated_memory()))
    return None


def empty_cache(accelerator: str) -> None:
    """Returns the memory that torch holds without using it."""
    if accelerator != "cpu":
        _module(accelerator).empty_cache()


def why_not_built(accelerator: str) -> Reason | None:
    """The reason why the installed torch cannot compute on an accelerator.

    None if it can, or if that is not known: torch is not imported, only its version is read.
    """
    found = importlib.util.find_spec("torch")
    if accelerator not in BUILDS or found is None or found.origin is None:
        return None
    file = Path(found.origin).with_name("version.py")
    if not file.is_file():
        return None
    version = runpy.run_path(str(file))
    if version.get(BUILDS[accelerator]):
        return None
    built = [words for name, words in WORDS.items() if version.get(name)]
    return (
        f"accelerator {accelerator} needs a torch built for {WORDS[BUILDS[accelerator]]}; "
        f"the installed one ({version.get('__version__')}) is built for "
        f"{' and '.join(built) or 'CPUs only'}"
    )


def _module(accelerator: str) -> Any:
    """Torch's module of an accelerator, such as torch.cuda."""
    import torch

    return torch.get_device_module(NAMES[accelerator])
