"""Servers and endpoints by their own words, and changes of these between a study's cells."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from frontier import words
from frontier.report.deciding.findings import Group
from frontier.report.naming import Naming
from frontier.report.reading.gather import Cells, key
from frontier.results.columns import StudyRow
from frontier.results.session import Served
from frontier.text import visible


@dataclass(frozen=True)
class Answering:
    """A variant's server or endpoint, over all of its cells."""

    variant: str
    device: str
    models: str
    fingerprints: str
    decoding: str
    prefix_cache: str
    template: str
    asked: str
    """The first and the last day on which a session began."""
    repeatable: str
    spent: str


@dataclass(frozen=True)
class Servers:
    """All servers and endpoints of a study."""

    rows: list[Answering]
    changes: list[str]
    """A line for each fact that differs between two cells of a variant on a device."""
    spent: str
    """The money for all cells; empty if nothing was paid for."""


def servers(groups: Sequence[Group], cells: Cells, naming: Naming) -> Servers | None:
    """The servers by variant and device, in order of display; None if there are none."""
    found: dict[tuple[str, str], list[StudyRow]] = {}
    for group in groups:
        for row in group.rows:
            if key(row) in cells.provenances:
                found.setdefault((row["variant"], row["device"]), []).append(row)
    if not found:
        return None
    spent = [row["spent"] for rows in found.values() for row in rows if row["spent"] is not None]
    return Servers(
        [_answering(rows, cells, naming) for rows in found.values()],
        [line for rows in found.values() for line in _changes(rows, cells, naming)],
        words.significant(sum(spent)) if spent else "",
    )


def _answering(rows: Sequence[StudyRow], cells: Cells, naming: Naming) -> Answering:
    own = [cells.provenances[key(row)] for row in rows]
    said = [server for one in own for server in one.servers]
    days = sorted(
        session.started[:10] for one in own for session in one.sessions if session.started
    )
    spent = [row["spent"] for row in rows if row["spent"] is not None]
    caches = {None: "unknown", True: "on", False: "off"}
    greedy = {True: "greedy", False: "sampled: greedy is refused"}
    return Answering(
        naming.variant(rows[0]["variant"]),
        naming.devices.label(rows[0]["device"]),
        _listed(name for one in said for name in one.models),
        _listed(name for one in said for name in one.fingerprints),
        _listed(greedy[one.greedy] for one in said),
        _listed(caches[one.prefix_cache] for one in said),
        _listed(one.template for one in said),
        _listed((*days[:1], *days[-1:])),
        "no" if any(one.repeatable is False for one in own) else "",
        words.significant(sum(spent)) if spent else words.MISSING,
    )


def _listed(texts: Iterable[str]) -> str:
    """The different texts, each once."""
    return visible(", ".join(dict.fromkeys(texts)), 300) or words.MISSING


def _changes(rows: Sequence[StudyRow], cells: Cells, naming: Naming) -> Iterator[str]:
    """The differences between these cells, which are of one variant on one device."""
    kinds: Mapping[str, str] = {
        "models": "answered by different models",
        "fingerprints": "different fingerprints",
        "version": "different versions of the server",
    }
    for name, what in kinds.items():
        tasks: dict[str, list[str]] = {}
        for row in rows:
            for server in cells.provenances[key(row)].servers:
                task = naming.task(row["task"], row["scenario"])
                tasks.setdefault(_fact(server, name), []).append(task)
        known = {said: at for said, at in tasks.items() if said}
        if len(known) > 1:
            variant = naming.variant(rows[0]["variant"])
            device = naming.devices.label(rows[0]["device"])
            parts = (
                f"{visible(said, 200)} ({', '.join(dict.fromkeys(at))})"
                for said, at in known.items()
            )
            yield f"{variant} on {device}: {what}: {'; '.join(parts)}."


def _fact(server: Served, name: str) -> str:
    """A fact as text; empty if the server says nothing."""
    said = getattr(server, name)
    return ", ".join(sorted(said)) if isinstance(said, tuple) else said or ""
