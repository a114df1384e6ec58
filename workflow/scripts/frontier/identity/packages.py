"""Versions of the packages that a step's code refers to."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from frontier.identity.remembered import Remembered, of_installed
from frontier.machine.packages import installed


def versions(references: Iterable[str]) -> dict[str, str]:
    """The version of each distribution that references name, such as `torch.nn`."""
    found = (_KNOWN.get(name, partial(installed, name)) for name in references)
    return dict(sorted(tuple(version) for version in found))


_KNOWN = Remembered("packages", of_installed)
