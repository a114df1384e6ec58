"""Torch's devices: its names, its builds, and the modules that it has for each accelerator."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, get_args

import pytest
import torch

from frontier.blocks import Accelerator
from frontier.machine import ceilings, torch_devices

HERE = {*get_args(Accelerator)} - {"remote"}


def test_every_accelerator_has_a_device_of_torchs() -> None:
    """Torch knows each name, and has what is called in each module."""
    assert torch_devices.NAMES.keys() == {*HERE} == {*get_args(ceilings.Accelerator)}
    for name in torch_devices.NAMES.values():
        assert torch.device(name).type == name
        assert name in ceilings.SIDE
    for name in torch_devices.BUILDS:
        module = torch.get_device_module(torch_devices.NAMES[name])
        for called in (
            "device_count", "synchronize", "max_memory_allocated", "mem_get_info",
            "memory_reserved", "memory_allocated", "empty_cache",
        ):  # fmt: skip
            assert callable(getattr(module, called)), (name, called)
    for called in (
        "synchronize", "driver_allocated_memory", "recommended_max_memory", "empty_cache",
    ):  # fmt: skip
        assert callable(getattr(torch.mps, called))


class Counting:
    """A module of torch's for two GPUs, which notes its calls."""

    def __init__(self) -> None:
        """Nothing is called yet."""
        self.called: list[tuple[str, Any]] = []

    def device_count(self) -> int:
        """Two."""
        return 2

    def max_memory_allocated(self, one: str) -> int:
        """More on the second."""
        return 10 if one.endswith("0") else 30

    def mem_get_info(self, one: str) -> tuple[int, int]:
        """The first is the fuller."""
        return (100, 400) if one.endswith("0") else (200, 400)

    def memory_reserved(self, _one: str) -> int:
        """The same on both."""
        return 50

    def memory_allocated(self, _one: str) -> int:
        """The same on both."""
        return 40

    def synchronize(self, device: Any = None) -> None:
        """Notes it."""
        self.called.append(("synchronize", device))

    def empty_cache(self) -> None:
        """Notes it."""
        self.called.append(("empty_cache", None))


@pytest.mark.parametrize(("accelerator", "name"), [("cuda", "cuda"), ("rocm", "cuda"), ("xpu", "xpu")])  # fmt: skip
def test_the_gpus_of_each_maker(
    accelerator: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Peaks are summed; free is what the fullest has, on each; all calls reach torch's module."""
    module, asked = Counting(), []

    def of(wanted: str) -> Counting:
        asked.append(wanted)
        return module

    monkeypatch.setattr(torch, "get_device_module", of)
    assert torch_devices.devices(accelerator) == [f"{name}:0", f"{name}:1"]
    assert torch_devices.peak_bytes(accelerator) == 40
    assert torch_devices.free_bytes(accelerator) == 2 * (100 + 50 - 40)
    torch_devices.synchronize(accelerator)
    torch_devices.synchronize(accelerator, f"{name}:1")
    torch_devices.empty_cache(accelerator)
    assert module.called == [
        ("synchronize", None), ("synchronize", f"{name}:1"), ("empty_cache", None),
    ]  # fmt: skip
    assert {*asked} == {name}
    assert torch_devices.device_map(accelerator, 1) == {"": name}
    assert torch_devices.device_map(accelerator, 2) == "auto"


def test_a_cpu_needs_nothing() -> None:
    """It has no peak, no cache, and no memory that torch knows."""
    assert torch_devices.devices("cpu") == ["cpu"]
    assert torch_devices.peak_bytes("cpu") is None
    assert torch_devices.free_bytes("cpu") is None
    torch_devices.synchronize("cpu")
    torch_devices.empty_cache("cpu")
    assert torch_devices.device_map("cpu", 0) == {"": "cpu"}


def built(folder: Path, **versions: str) -> Path:
    """A folder with a torch of which only its version is there."""
    package = folder / "torch"
    package.mkdir()
    (package / "__init__.py").write_text("raise ImportError('nothing of it is imported')\n")
    lines = {"__version__": "2.13.0+some", "cuda": None, "hip": None, "xpu": None} | versions
    text = "from typing import Optional\n" + "".join(f"{name} = {one!r}\n" for name, one in lines.items())  # fmt: skip
    (package / "version.py").write_text(text)
    return folder


@pytest.mark.parametrize(
    ("versions", "fits", "words"),
    [
        ({"cuda": "13.0"}, "cuda", "CUDA"),
        ({"hip": "7.2.53"}, "rocm", "ROCm"),
        ({"xpu": "20260100"}, "xpu", "Intel's XPU"),
        ({}, None, "CPUs only"),
    ],
)  # fmt: skip
def test_a_build_fits_one_maker(
    versions: dict[str, str], fits: str | None, words: str,
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """A build for another maker, or for CPUs, is named in one line."""
    monkeypatch.syspath_prepend(str(built(tmp_path, **versions)))
    monkeypatch.delitem(sys.modules, "torch")
    for accelerator in torch_devices.NAMES:
        reason = torch_devices.why_not_built(accelerator)
        if accelerator in (fits, "cpu", "mps"):
            assert reason is None
        else:
            assert reason
            assert f"accelerator {accelerator} needs a torch built for " in reason
            assert reason.endswith(f"the installed one (2.13.0+some) is built for {words}")


def test_this_torch() -> None:
    """Its variables are those that are read."""
    for accelerator, name in torch_devices.BUILDS.items():
        there = getattr(torch.version, name)
        assert (torch_devices.why_not_built(accelerator) is None) == bool(there)
