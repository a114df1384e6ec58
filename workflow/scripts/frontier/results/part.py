"""Blocks of measurement.json, and the one of a machine's limits."""

from __future__ import annotations

import json
from typing import Any, Self

from pydantic import ConfigDict, Field

from frontier.results.key import Amount, Block, Count


class Part(Block):
    """A block of measurement.json, without unknown keys."""

    model_config = ConfigDict(extra="forbid", serialize_by_alias=True)

    @classmethod
    def of(cls, value: object) -> Self:
        """The block in a value parsed from JSON. Raises ValidationError."""
        return cls.model_validate_json(json.dumps(value))

    def given(self) -> dict[str, Any]:
        """The values of the keys that are known, by name."""
        return {name: getattr(self, name) for name in self.model_fields_set}

    def as_json(self) -> dict[str, Any]:
        """The JSON-able value that `of` reads, in the order of the keys above."""
        return self.model_dump(mode="json", exclude_unset=True)


class Ceilings(Part):
    """The limits of the device that timed the requests, as torch reaches them on its host.

    Either `read_gb_s` is known or `missing` says why it is not.
    """

    read_gb_s: Amount | None = None
    """10^9 bytes per second at which it reads its memory, all its GPUs together."""
    matrix_tflop_s: dict[str, Amount] = Field(default_factory=dict)
    """10^12 operations per second by precision, all its GPUs together."""
    gpus: Count = 0
    foreign_cores: Amount = 0.0
    """The average number of cores that other processes used meanwhile."""
    when: str | None = None
    torch: str | None = None
    missing: str | None = None


class LoadAverage(Part):
    """The host's load averages over 1, 5 and 15 minutes."""

    before: tuple[Amount, ...] = ()
    after: tuple[Amount, ...] = ()


class Experts(Part):
    """The experts of a model among which routers choose; frontier/checkpoints has the meanings."""

    count: Count | None = None
    used: Count | None = None
    bytes: Count | None = None
    parameters: Count | None = None
    missing: str | None = None

    @property
    def resting_bytes(self) -> float | None:
        """The bytes of those that do not compute for a token; None if not known."""
        return self._resting(self.bytes)

    @property
    def resting_parameters(self) -> float | None:
        """Their parameters, likewise."""
        return self._resting(self.parameters)

    def _resting(self, every: int | None) -> float | None:
        if every is None or not self.count or self.used is None:
            return None
        return every * (self.count - self.used) / self.count
