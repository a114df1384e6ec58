"""Loops around the model with a clock, each a program of its own that imports nothing of ours."""

from __future__ import annotations

import json
import sys
from abc import ABC
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from side_by_side.asked import Asked
from side_by_side.running import Ran, run
from side_by_side.tools import Outcome, Tool, Work

PROGRAMS = Path(__file__).resolve().parents[1] / "programs"


class Loop(Tool, ABC):
    """A program of `programs`, which is asked the same token ids."""

    program: ClassVar[str]

    def run(self, work: Work) -> Outcome:
        """Runs it in this Python."""
        output = work.folder / f"{self.name}.json"
        command = [sys.executable, PROGRAMS / self.program, work.checkpoint, work.asked_file]
        command += [output, str(work.threads)]
        ran = run(command, work.folder / f"{self.name}.log", variables=work.variables)
        return outcome(json.loads(output.read_text(encoding="utf-8")), ran, work.asked)


def outcome(answers: Sequence[dict[str, Any]], ran: Ran | None, asked: Asked) -> Outcome:
    """The figures and texts of a program's answers."""
    times = [one["times"] for one in answers]
    return Outcome(
        ran,
        [one[0] for one in times],
        [(one[-1] - one[0]) / (len(one) - 1) for one in times if len(one) > 1],
        sum(one["s"] for one in answers),
        {one["id"]: cut(one["text"], asked) for one in answers},
    )


def cut(text: str, asked: Asked) -> str:
    """A text up to its first stop text."""
    places = [place for stop in asked.stop if (place := text.find(stop)) >= 0]
    return text[: min(places, default=len(text))]
