"""GPUs of a host that has none: a library in the place of NVIDIA's own, which drivers bring."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import filelock

TOTAL_BYTES = 48 * 10**9


@dataclass
class StandIns:
    """Some stand-in GPUs; `environment` is what makes a process see them."""

    folder: Path
    count: int
    used_bytes: dict[int, int] = field(default_factory=dict)
    processes: dict[int, list[int]] = field(default_factory=dict)
    use: list[tuple[float, int, int]] = field(default_factory=list)
    """The watts, the percentage of time busy and the clock in MHz of each; none report nothing."""

    def __post_init__(self) -> None:
        """Compiles the library and list the GPUs."""
        self.folder.mkdir(parents=True, exist_ok=True)
        source = Path(__file__).with_suffix(".c")
        library = self.folder / "libnvidia-ml.so.1"
        subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", library, source], check=True)
        self.tell()

    def tell(self) -> None:
        """Writes the state of each GPU; must be called again after a change."""
        rows = (
            (index, TOTAL_BYTES, self.used_bytes.get(index, 0), *self.processes.get(index, []))
            for index in range(self.count)
        )
        text = "".join(" ".join(map(str, row)) + "\n" for row in rows)
        (self.folder / "gpus.txt").write_text(text, encoding="utf-8")
        used = "".join(f"{watts} {busy} {mhz}\n" for watts, busy, mhz in self.use)
        (self.folder / "use.txt").write_text(used, encoding="utf-8")

    @property
    def environment(self) -> dict[str, str]:
        """The environment of a process that sees them; its leases are in this folder too."""
        before = os.environ.get("LD_LIBRARY_PATH")
        return {
            "LD_LIBRARY_PATH": f"{self.folder}:{before}" if before else str(self.folder),
            "STAND_IN_GPUS": str(self.folder / "gpus.txt"),
            "STAND_IN_USE": str(self.folder / "use.txt"),
            "TMPDIR": str(self.folder),
        }

    def free(self) -> int:
        """The number of GPUs that nobody leases now."""
        locks = [*self.folder.glob("llm-frontier-gpus/GPU-*.lock")]
        for path in locks:
            with filelock.FileLock(path, timeout=0):
                pass
        return len(locks)


def spans(results: Path) -> dict[str, list[tuple[int, int]]]:
    """The times of each GPU's cells, on this host's monotonic clock in nanoseconds."""
    found: dict[str, list[tuple[int, int]]] = {}
    for path in results.glob("*/*/*/*/measurement.json"):
        state = json.loads(path.read_text(encoding="utf-8"))
        lines = path.with_name("requests.jsonl").read_text(encoding="utf-8").splitlines()
        times = [
            (line["start_ns"], line["start_ns"] + line["end_ns"]) for line in map(json.loads, lines)
        ]
        for gpu in state["sessions"][0]["hardware"]["gpus"]:
            found.setdefault(gpu, []).append((times[0][0], times[-1][1]))
    return found


def never_two_at_once(taken: dict[str, list[tuple[int, int]]]) -> bool:
    """Whether each GPU was used by one at a time."""
    return all(
        end <= begin
        for uses in taken.values()
        for (_, end), (begin, _) in itertools.pairwise(sorted(uses))
    )
