"""A look at the user's own data, so that its faults are known before any job starts."""

from __future__ import annotations

from frontier.catalogue.source import Source
from frontier.datasets import Loader
from frontier.errors import UserError


def check(task: str, source: Source, loader: Loader) -> None:
    """Raises UserError with the task's name for a local table that lacks a column, and the like."""
    try:
        if source.path and source.path.exists():
            loader.check(source.path)
    except UserError as error:
        raise UserError(f"config/tasks.yaml: tasks.{task}: {error}") from None
