"""Servers by their own words, as the report shows them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cells import Cell, write
from frontier.report.deciding.findings import Group
from frontier.report.naming import Naming, RenderSpec
from frontier.report.reading.gather import groups, read_cells
from frontier.report.writing.servers import Servers, servers
from frontier.tables.study import table


def served(**facts: Any) -> dict[str, Any]:
    """The provenance of a cell at an endpoint."""
    server = {"name": "openai", "base_url": "https://api.example.org/v1", "template": "server"}
    return {
        "servers": [server | facts], "repeatable": False,
        "sessions": [{"session": 0, "started": "2026-11-03T10:00:00", "requests": 9}],
    }  # fmt: skip


def at(task: str, spent: float = 0.5, **facts: Any) -> Cell:
    """A cell of a model behind a name."""
    return Cell(
        "gpt", device="openai", task=task, provenance=served(**facts), figures={"spent": spent}
    )


def shown(folder: Path, *cells: Cell) -> Servers | None:
    """The section of a study of these cells."""
    paths = [write(folder, cell) for cell in cells]
    rows = table(paths)[0].rows(named=True)
    naming, read = Naming(RenderSpec(), rows), read_cells(paths, rows)
    grouped: list[Group] = groups(rows, read, naming, [])
    return servers(grouped, read, naming)


def test_a_study_without_servers_has_no_such_section(tmp_path: Path) -> None:
    assert shown(tmp_path, Cell("llama")) is None


def test_one_row_for_a_variant_on_a_device(tmp_path: Path) -> None:
    """It says what the server answered, that it cannot be repeated, and what it cost."""
    alike = {"models": ["gpt-2026"], "fingerprints": ["fp_1", "fp_2"]}
    found = shown(tmp_path, at("a", **alike), at("b", **alike), Cell("llama", task="a"))
    assert found
    assert found.changes == []
    assert found.spent == "1.00"
    (row,) = found.rows
    assert (row.variant, row.device, row.models) == ("gpt", "openai", "gpt-2026")
    assert (row.fingerprints, row.decoding, row.repeatable) == ("fp_1, fp_2", "greedy", "no")
    assert (row.template, row.prefix_cache, row.asked) == ("server", "unknown", "2026-11-03")


def test_a_change_between_two_cells_is_shown(tmp_path: Path) -> None:
    """The model or the fingerprint may change; one that says nothing is no change."""
    found = shown(
        tmp_path,
        at("a", models=["gpt-2026-01"], fingerprints=["fp_1"], greedy=False),
        at("b", models=["gpt-2026-02"], fingerprints=["fp_2", "fp_1"], prefix_cache=True),
        at("c", models=["gpt-2026-02"]),
    )
    assert found
    assert found.changes == [
        "gpt on openai: answered by different models: gpt-2026-01 (a); gpt-2026-02 (b, c).",
        "gpt on openai: different fingerprints: fp_1 (a); fp_1, fp_2 (b).",
    ]
    (row,) = found.rows
    assert row.decoding == "sampled: greedy is refused, greedy"
    assert row.prefix_cache == "unknown, on"
