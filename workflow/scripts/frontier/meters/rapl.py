"""RAPL, the energy counters of Intel's and AMD's processors, as Linux shows them."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import ClassVar

from frontier.meters import Counter, Energized, Meter, NoCounterError

POWERCAP = Path("/sys/class/powercap")
MICRO = 1e-6


class Rapl(Meter):
    """Packages, and their memory where it has a counter of its own, of the whole host.

    Zones within a package (core, uncore) are parts of it, and `psys` has all of them. Since 2020
    only root may read the counters, unless the administrator allows it (CVE-2020-8694).
    Source: Linux, Documentation/power/powercap/powercap.rst.
    """

    COUNTS: ClassVar[str] = "RAPL: the processors' packages"

    def __init__(self, folder: Path = POWERCAP) -> None:
        """Takes the folder of powercap's zones."""
        self._folder = folder
        self._zones: dict[str, tuple[Path, float, bool]] = {}

    @staticmethod
    def parts(system: str, accelerator: str) -> AbstractSet[Energized]:
        """The processors, on Linux."""
        return {"cpu"} if system == "Linux" and accelerator not in ("mps", "remote") else set()

    def open(self) -> None:
        """Finds the zones. Raises NoCounterError if there are none, or one cannot be read."""
        for zone in sorted(self._folder.glob("intel-rapl:*")):
            name = _read(zone / "name")
            if name.startswith("package") or name == "dram":
                wraps_at = _number(zone / "max_energy_range_uj") * MICRO
                key = f"{zone.name} {name}"
                self._zones[key] = zone / "energy_uj", wraps_at, name != "dram"
        if not any(needed for _, _, needed in self._zones.values()):
            raise NoCounterError(f"no RAPL counter in {self._folder}, as in most virtual machines")
        self.read()

    def read(self) -> tuple[Counter, ...]:
        """The counters of all zones; each wraps around at its own range."""
        return tuple(
            Counter("cpu", name, _number(path) * MICRO, wraps_at, needed)
            for name, (path, wraps_at, needed) in self._zones.items()
        )


def _read(path: Path) -> str:
    """A file's text. Raises NoCounterError with the reason."""
    try:
        return path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "not a text"
        raise NoCounterError(f"RAPL: {path}: {why}") from None


def _number(path: Path) -> int:
    """A file's number. Raises NoCounterError with the reason."""
    text = _read(path)
    if not text.isdecimal():
        raise NoCounterError(f"RAPL: {path}: not a number: {text[:40]!r}")
    return int(text)
