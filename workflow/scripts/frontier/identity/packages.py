"""Versions of the packages that a step's code refers to."""

from __future__ import annotations

import importlib.metadata
import sys
from collections.abc import Iterable, Mapping
from functools import cache, partial

from frontier.identity.remembered import Remembered, of_installed


def versions(names: Iterable[str]) -> dict[str, str]:
    """The version of each distribution behind dotted names such as `torch.nn.Linear`."""
    found = {".".join(name.split(".")[:2]) for name in names}
    versions = (_KNOWN.get(name, partial(_version, name)) for name in found)
    return dict(sorted(tuple(version) for version in versions if version))


def _version(name: str) -> tuple[str, str] | None:
    """The distribution and version of a dotted name; None for the standard library."""
    top, _, second = name.partition(".")
    if top in sys.stdlib_module_names:
        return None
    for candidate in (f"{top}-{second}", top) if second else (top,):
        if version := _installed(candidate):
            return candidate.replace("_", "-"), version
    for distribution in _distributions().get(top, []):
        return distribution, importlib.metadata.version(distribution)
    return top, "absent"


@cache
def _installed(distribution: str) -> str | None:
    """The version of a distribution; None if it is not installed."""
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


@cache
def _distributions() -> Mapping[str, list[str]]:
    """The installed distributions by the names of their modules; slow to compute."""
    return importlib.metadata.packages_distributions()


_KNOWN = Remembered("packages", of_installed)
