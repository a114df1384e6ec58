"""The installed distributions and versions that dotted names refer to, such as `torch.nn`."""

from __future__ import annotations

import importlib.metadata
import sys
from collections.abc import Iterable, Mapping
from functools import cache

ABSENT = "absent"


def references(names: Iterable[str]) -> list[str]:
    """The first two parts of dotted names outside the standard library.

    The second part distinguishes the distributions of a shared namespace (optimum.quanto).
    """
    short = {".".join(name.split(".")[:2]) for name in names}
    return sorted(name for name in short if name.split(".")[0] not in sys.stdlib_module_names)


def installed(reference: str) -> tuple[str, str]:
    """The distribution and version that a reference belongs to; ABSENT if there is none."""
    top, _, second = reference.partition(".")
    for candidate in (f"{top}-{second}", top) if second else (top,):
        if version := _version(candidate):
            return candidate.replace("_", "-"), version
    for distribution in _distributions().get(top, []):
        return distribution, importlib.metadata.version(distribution)
    return top, ABSENT


def versions(references: Iterable[str]) -> dict[str, str]:
    """The versions of the distributions that references belong to, as far as they are installed."""
    found = dict(installed(one) for one in references)
    return {name: version for name, version in sorted(found.items()) if version != ABSENT}


@cache
def _version(distribution: str) -> str | None:
    """The version of a distribution; None if it is not installed."""
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


@cache
def _distributions() -> Mapping[str, list[str]]:
    """The installed distributions by the names of their modules; slow to compute."""
    return importlib.metadata.packages_distributions()
