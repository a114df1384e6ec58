"""Environments of their own for tools, which no study needs; resources/envs has them once built."""

from __future__ import annotations

from pathlib import Path

from frontier.errors import UserError
from frontier.fetching import environments
from side_by_side.tools import NotHereError

PINS = Path(__file__).resolve().parents[1] / "envs"
PROJECT = Path(__file__).resolve().parents[3]


def tool(name: str) -> Path:
    """The interpreter of a tool's environment. Raises NotHereError if it cannot be built."""
    before = environments.PINS
    environments.PINS = PINS
    try:
        return engine(name)
    finally:
        environments.PINS = before


def engine(name: str) -> Path:
    """The interpreter of an engine's environment (workflow/envs). Raises NotHereError."""
    try:
        return environments.python(name)
    except UserError as error:
        raise NotHereError(str(error)) from None


def is_built(name: str) -> bool:
    """Whether an engine's environment is there already."""
    return environments.lock(name).exists()
