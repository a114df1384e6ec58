"""A task's block, proposed from a table of a hub's dataset."""

from __future__ import annotations

import tempfile
from pathlib import Path

from frontier.datasets.table import Table
from frontier.errors import UserError, did_you_mean
from frontier.fetching import hub
from frontier.host import files
from frontier.proposing import tasks
from frontier.proposing.tasks import TaskProposal


def proposed(repo: str, revision: str, table: str, name: str) -> TaskProposal:
    """The blocks for the files that match `table`, pinned to the commit of `revision`.

    Raises UserError as `tasks.proposed` does, and for what the hub does not have.
    """
    snapshot = hub.snapshot(repo, revision, "dataset", (table,))
    if not snapshot.files:
        known = [one for one in snapshot.listed if Table.FILES.fullmatch(one)]
        raise UserError(
            f"{repo} at {revision} has no file that matches {table}{did_you_mean(table, known)}"
        )
    with tempfile.TemporaryDirectory() as folder:
        for one, path in snapshot.files.items():
            files.link(path, Path(folder, one))
        try:
            found = tasks.proposed(Path(folder), name)
        except UserError as error:
            raise UserError(str(error).replace(folder, f"{repo} at {revision}")) from None
    found.dataset["source"] = {"hub": repo, "revision": snapshot.commit, "files": [table]}
    return found
