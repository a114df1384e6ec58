"""Estimates of what endpoints would be asked and paid, and models that are shut down."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

import frontier.engines
import pretend
import shipped
from frontier.catalogue.question import Config
from frontier.errors import UserError
from frontier.host.budget import LEDGER
from frontier.planning import costs, shutdowns
from frontier.planning.steps import Steps
from frontier.results import layout

DAY = date(2026, 11, 28)
WARM_UP, SIZE, LIMIT = 2, 4, 5


@pytest.fixture(autouse=True)
def endpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The engine `pretend` next to the shipped ones."""
    (tmp_path / "engines").mkdir()
    pretend.install(tmp_path / "engines")
    paths = [*frontier.engines.__path__, str(tmp_path / "engines")]
    monkeypatch.setattr(frontier.engines, "__path__", paths)
    yield
    frontier.engines.ENGINES._loaded.pop("pretend", None)


def steps_of(study: dict[str, Any] | None = None, **device: Any) -> Steps:
    """A study of a model behind a name, at an endpoint of its own."""
    task = {
        "dataset": "d", "sample": {"size": SIZE, "grammar": "arithmetic"}, "prompt": "{question} =",
        "max_new_tokens": LIMIT, "scorer": {"kind": "mathematics"}, "system": "123456",
    }  # fmt: skip
    model = {"served": "named-1", "prompt": "chat", "price_per_million_tokens": pretend.PRICES}
    catalogue = shipped.catalogue(
        models={"named": model, "unpriced": {"served": "n", "prompt": "chat"}},
        quantizations={"native": {"method": "native"}},
        engines={"pretend": pretend.BLOCK},
        devices={"endpoint": pretend.DEVICE | device},
        datasets={"d": {"loader": "demo", "source": {"generator": "demo"}}},
        tasks={"t": task},
    )
    asked = {"models": ["named"], "devices": ["endpoint"], "tasks": ["t"]} | (study or {})
    return Steps(catalogue, Config.model_validate({"study": asked}), lambda *_: None)


def draw(steps: Steps, root: Path, questions: list[str]) -> None:
    """Writes the task's sample."""
    path = root / layout.sample("t", steps.sample("t").identity)
    path.parent.mkdir(parents=True)
    rows = ({"id": one, "fields": {"question": one}, "reference": ""} for one in questions)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def test_calls_tokens_and_money(tmp_path: Path) -> None:
    """Warm-up included, answers at their limit; prompts by their letters once they are drawn."""
    steps = steps_of()
    (cell,) = steps.cells
    before = costs.estimate(steps, cell, tmp_path)
    calls = SIZE + WARM_UP
    assert (before.calls, before.new_tokens) == (calls, calls * LIMIT)
    assert before.prompt_tokens == calls * 1024
    assert before.money == pytest.approx((calls * 1024 * 2 + calls * LIMIT * 10) / 1e6)
    draw(steps, tmp_path, ["1" * 25, "中" * 10])
    after = costs.estimate(steps, cell, tmp_path)
    mean = (8 + (6 + 25 + 2) / 3 + 8 + (6 + 2) / 3 + 10) / 2
    assert after.prompt_tokens == round(calls * mean)
    assert "6 calls, about " in str(after)


def test_lines_for_cells_and_for_all(tmp_path: Path) -> None:
    """They say what is spent, the limits, and what is beyond them."""
    steps = steps_of({"max_cost": 0.014, "models": ["named", "unpriced"]}, max_cost=0.001)
    first, second, whole = costs.lines(steps, steps.cells, tmp_path)
    assert first.startswith(
        "paid: named/endpoint/t: 6 calls, about 6,144 tokens in, at most 30 out"
    )
    assert first.endswith("max_cost of its device 0.00100: it may stop there")
    assert second == "not priced: unpriced/endpoint/t: 6 calls; their cost is not known"
    assert "max_cost of the study 0.0140;" in whole
    ledger = tmp_path / steps.cells[0].place.folder / ("0" * 16) / LEDGER
    ledger.parent.mkdir(parents=True)
    ledger.write_text('{"request": "a", "cost": 0.012}\n')
    *_, whole = costs.lines(steps, steps.cells, tmp_path)
    assert "max_cost of the study 0.0140, of which 0.0120 is spent: it may stop there" in whole
    assert not [*costs.lines(steps, [], tmp_path)]


def test_a_limit_needs_a_price() -> None:
    """A limit without one would be no limit; 0 is a price."""
    for study, device, key in (
        ({"max_cost": 1}, {}, "study.max_cost"), ({}, {"max_cost": 1}, "devices.endpoint.max_cost"),
    ):  # fmt: skip
        steps = steps_of({"models": ["unpriced"], **study}, **device)
        with pytest.raises(UserError, match=f"{key}: cannot be enforced for unpriced/endpoint/t"):
            costs.refuse(steps, steps.cells)
        costs.refuse(steps_of(study, **device), steps_of(study, **device).cells)
    hourly = steps_of({"models": ["unpriced"]}, price_per_hour=36.0, max_cost=1.0)
    costs.refuse(hourly, hourly.cells)
    (line, _) = costs.lines(hourly, hourly.cells)
    assert line.startswith("paid: unpriced/endpoint/t: 6 calls")


@pytest.mark.parametrize(
    ("days", "words"),
    [
        (31, None), (30, "is shut down on 2026-12-28, in 30 days"), (1, "in 1 day"),
        (0, "was shut down on 2026-11-28"), (-36, "was shut down on 2026-10-23"),
    ],
)  # fmt: skip
def test_what_is_near_or_past_is_said_once(days: int, words: str | None) -> None:
    """One line for a model; only what is past is refused."""
    steps = steps_of()
    end = DAY + timedelta(days=days)
    model = steps.catalogue.models["named"].model_copy(update={"shutdown": end})
    catalogue = steps.catalogue.model_copy(update={"models": {"named": model}})
    lines = [*shutdowns.lines(catalogue, steps.cells * 3, DAY)]
    assert len(lines) == (words is not None)
    assert all(line.startswith("models.named: ") and words and words in line for line in lines)
    if days > 0:
        shutdowns.refuse(catalogue, steps.cells, DAY)
    else:
        with pytest.raises(UserError, match=r"models\.named\.shutdown: .* name its successor"):
            shutdowns.refuse(catalogue, steps.cells, DAY)


def test_dates_of_the_shipped_catalogue() -> None:
    """Those that were shut down in October 2026 say so, the study's own reference among them."""
    models = shipped.read().models
    gone = {name for name, one in models.items() if one.shutdown and one.shutdown <= DAY}
    assert "gpt-4" in gone
    assert "gpt-4o" not in gone
    assert all(one.prompt == "chat" and one.endpoints for one in models.values() if one.served)
