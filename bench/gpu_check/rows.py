"""A check's finding, as a line of its table."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass
class Finding:
    """The finding of a check: `ok`, `WRONG` or `skipped`, with the reason and the figures."""

    check: str
    state: str
    reason: str = ""
    figures: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        """A line of the table."""
        parts = [
            f"{key} {_short(value)}" for key, value in self.figures.items() if value is not None
        ]
        return f"{self.check:32} {self.state:8} {'; '.join([*parts, self.reason]).strip('; ')}"


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def row(check: str, right: bool, reason: str = "", **figures: Any) -> Finding:
    """A row whose state says whether what was found is right."""
    return Finding(check, "ok" if right else "WRONG", reason, figures)
