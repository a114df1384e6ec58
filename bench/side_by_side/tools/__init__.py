"""The tools, each in a module of its own with one class."""

from __future__ import annotations

import statistics
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from side_by_side.asked import Asked
from side_by_side.running import Ran
from side_by_side.workspace import Checkout


class NotHereError(Exception):
    """A tool cannot run on this machine; the message is the reason, which the table shows."""


@dataclass(frozen=True)
class Work:
    """The task of a tool: a checkpoint, requests, threads, and a folder of its own."""

    checkpoint: Path
    asked: Asked
    asked_file: Path
    threads: int
    folder: Path
    tokens: int
    """The median number of tokens of our answers."""
    checkout: Checkout
    """A copy of the project, with the study of one cell."""

    @property
    def variables(self) -> Mapping[str, str]:
        """The environment of each process: as many threads, and no network."""
        return {
            "OMP_NUM_THREADS": str(self.threads),
            "MKL_NUM_THREADS": str(self.threads),
            "HF_HUB_OFFLINE": "1",
            "HF_DATASETS_OFFLINE": "1",
            "TOKENIZERS_PARALLELISM": "false",
        }


@dataclass(frozen=True)
class Outcome:
    """One run of a tool. Times in seconds; None or empty: the tool does not report it."""

    ran: Ran | None
    ttft: Sequence[float] = ()
    tpot: Sequence[float] = ()
    model_s: float | None = None
    """The sum of the times of all requests, by the tool's own clock."""
    texts: Mapping[str, str] = field(default_factory=dict)
    """The generations by request."""
    peak_bytes: int | None = None
    """The peak by the tool's own account, where its processes are not of its tree."""

    @property
    def figures(self) -> Mapping[str, float]:
        """The figures that are compared, medians over requests."""
        found: dict[str, float] = {}
        if self.ran:
            found |= {"wall": self.ran.wall_s, "memory": self.peak_bytes or self.ran.peak_bytes}
        for name, values in (("ttft", self.ttft), ("tpot", self.tpot)):
            if values:
                found[name] = statistics.median(values)
        return found


class Tool(ABC):
    """A tool that is asked the same as ours."""

    name: ClassVar[str]
    does: ClassVar[str]
    """The meaning of its row, in words."""
    answers: ClassVar[bool] = True
    """Whether it is asked the requests themselves, so that its generations can be compared."""
    against: ClassVar[str] = "ours"
    """The tool that it is divided by."""

    def prepare(self, work: Work) -> None:  # noqa: B027
        """Builds what it needs, which is not timed. Raises NotHereError."""

    @abstractmethod
    def run(self, work: Work) -> Outcome:
        """Runs it once, from the start of its process. Raises FailedError."""
