"""AMD's and Intel's GPUs of a host that has none: libraries in the place of those of their drivers."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).parent
BUILT: dict[str, bytes] = {}
"""The compiled libraries."""
SCRIPTS = HERE.parent / "workflow" / "scripts"
PLACES = """
import ctypes
from amdsmi import amdsmi_wrapper
kind = amdsmi_wrapper.amdsmi_gpu_metrics_t
print("METRICS_SIZE", ctypes.sizeof(kind))
for name in ("indep_throttle_status", "socket_thm_residency_acc"):
    print(name.upper(), getattr(kind, name).offset)
"""


@dataclass
class AmdGpu:
    """A GPU as it is listed for the stand-in; see its source."""

    node: int
    serial: str
    mode: str = "SPX"
    total: int = 192 * 10**9
    used: int = 0
    watts: float = 400.0
    counted: float = 400.0
    busy: int = 80
    mhz: int = 2100
    bits: int = -1
    ticks: int = 7
    processes: dict[int, int] = field(default_factory=dict)


@dataclass
class IntelCard:
    """A card as it is listed for the stand-in; see its source."""

    parts: int = 0
    integrated: int = 0
    size: int = 12 * 10**9
    used: int = 0
    watts: float = 100.0
    busy: int = 80
    mhz: float = 2400.0
    reasons: int = 0
    processes: dict[int, int] = field(default_factory=dict)


def line(one: AmdGpu | IntelCard) -> str:
    """A GPU's line."""
    values = [value for value in vars(one).values() if not isinstance(value, dict)]
    return " ".join(map(str, [*values, *(each for pair in one.processes.items() for each in pair)]))


def compiled(source: Path, library: Path, *options: str) -> None:
    """Compiles a library."""
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-w", *options, "-o", library, source], check=True)  # fmt: skip


class Makers:
    """A host with these GPUs; `environment` is what makes a process see them."""

    def __init__(
        self, folder: Path, amd: list[AmdGpu] | None = None, intel: list[IntelCard] | None = None,
        packages: Path | None = None,
    ) -> None:  # fmt: skip
        """Compiles the libraries; `packages`: the folder with AMD's package."""
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.amd, self.intel, self.packages = folder, amd, intel, packages
        self.tell()
        if intel is not None:
            self._take("libze_loader.so.1", self._compile_intels)
        if amd is not None:
            self._take("libamd_smi.so", self._compile_amds)

    def _take(self, name: str, build: Callable[[], None]) -> None:
        """A library, which is compiled once."""
        if name not in BUILT:
            build()
            BUILT[name] = (self.folder / name).read_bytes()
        (self.folder / name).write_bytes(BUILT[name])

    def _compile_intels(self) -> None:
        """Intel's."""
        compiled(HERE / "standin_level_zero.c", self.folder / "libze_loader.so.1")

    def _compile_amds(self) -> None:
        """AMD's, with each function that its package looks for; first without any that works."""
        packages = self.packages
        assert packages
        text = (packages / "amdsmi" / "amdsmi_wrapper.py").read_text(encoding="utf-8")
        names = {*re.findall(r"_libraries\['libamd_smi.so'\]\.(\w+)", text)}
        library = self.folder / "libamd_smi.so"
        bare = self.folder / "bare.c"
        bare.write_text("".join(f"int {name}(void) {{ return 2; }}\n" for name in sorted(names)))
        compiled(bare, library)
        done = subprocess.run(
            [sys.executable, "-c", PLACES], env=os.environ | self.environment, check=True,
            capture_output=True, text=True,
        )  # fmt: skip
        source = (HERE / "standin_amd_smi.c").read_text(encoding="utf-8")
        there = {*re.findall(r"^int (amdsmi_\w+)", source, re.MULTILINE)}
        others = " ".join(f"UNUSED({name})" for name in sorted(names - there))
        places = (f"-D{'='.join(one.split())}" for one in done.stdout.splitlines())
        compiled(HERE / "standin_amd_smi.c", library, f"-DOTHERS={others}", *places)

    def tell(self) -> None:
        """Writes the state of each GPU; must be called again after a change."""
        for name, listed in (("amd", self.amd or []), ("intel", self.intel or [])):
            text = "".join(line(one) + "\n" for one in listed)
            (self.folder / f"{name}.new").write_text(text, encoding="utf-8")
            (self.folder / f"{name}.new").rename(self.folder / f"{name}.txt")

    @property
    def environment(self) -> dict[str, str]:
        """The environment of a process that sees them; its leases are in this folder too."""
        before = os.environ.get("LD_LIBRARY_PATH")
        paths = [str(SCRIPTS), *([str(self.packages)] if self.packages else [])]
        return {
            "LD_LIBRARY_PATH": f"{self.folder}:{before}" if before else str(self.folder),
            "PYTHONPATH": os.pathsep.join(paths),
            "STAND_IN_AMD": str(self.folder / "amd.txt"),
            "STAND_IN_CARDS": str(self.folder / "intel.txt"),
            "TMPDIR": str(self.folder),
        }

    def run(self, program: str, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        """Runs a Python text that sees them."""
        return subprocess.run(
            [sys.executable, "-c", program, *arguments], env=os.environ | self.environment | more,
            capture_output=True, text=True, check=False,
        )  # fmt: skip
