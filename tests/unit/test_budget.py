"""Money for requests: what is set aside before one, and what is known after a crash."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frontier.blocks import TokenPrices
from frontier.host.budget import LEDGER, Budget, Limit, OverBudgetError, spent_below, spent_in
from frontier.prices import cost

PRICES = TokenPrices(input=2.0, cached_input=0.5, output=10.0)


def budget(folder: Path, most: float = 1.0, *others: Path) -> Budget:
    """The budget of a cell that is measured in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    limits = [Limit("max_cost of device 'x'", most, others)]
    return Budget("v/d/t", folder / LEDGER, PRICES, None, limits)


def test_what_is_free_has_no_limit(tmp_path: Path) -> None:
    """Nothing is written, and nothing is spent."""
    free = Budget("v/d/t", tmp_path / LEDGER)
    free.reserve(["a prompt"], 10**9).settle(10, 10)
    assert free.spent is None
    assert not (tmp_path / LEDGER).exists()


def test_usage_replaces_what_was_set_aside(tmp_path: Path) -> None:
    """Cached tokens at their own price."""
    purse = budget(tmp_path)
    reserved = purse.reserve(["word " * 100], 1000)
    assert purse.spent == reserved.most > 1000 * 10 / 1e6
    reserved.settle(100, 5, cached_tokens=80)
    expected = (20 * 2 + 80 * 0.5 + 5 * 10) / 1e6
    assert purse.spent == pytest.approx(expected)
    assert spent_in(tmp_path / LEDGER) == pytest.approx(expected)


def test_a_refused_request_costs_nothing(tmp_path: Path) -> None:
    """An endpoint that answers 429 has generated nothing."""
    purse = budget(tmp_path)
    purse.reserve(["a"], 1000).release()
    assert purse.spent == pytest.approx(0)


def test_no_request_is_sent_that_could_pass_the_limit(tmp_path: Path) -> None:
    """The message says how much is spent; nothing is set aside for it."""
    purse = budget(tmp_path, most=0.02)
    purse.reserve(["a"], 1000).settle(10, 1000)
    with pytest.raises(OverBudgetError, match=r"v/d/t: max_cost of device 'x' 0\.02.* could be pa"):
        purse.reserve(["a"], 1000)
    assert purse.spent == pytest.approx((10 * 2 + 1000 * 10) / 1e6)
    purse.reserve(["a"], 100)  # a smaller one is left for


def test_requests_that_are_sent_together_are_reserved_together(tmp_path: Path) -> None:
    """All, or none of them: what is not sent is not counted."""
    purse = budget(tmp_path, most=0.05)
    found = purse.reserve_all({"a": (["x"], 1000), "b": (["x"], 1000)})
    assert purse.spent == pytest.approx(sum(one.most for one in found.values()))
    for one in found.values():
        one.settle(10, 10)
    before = purse.spent
    with pytest.raises(OverBudgetError, match="could be passed"):
        purse.reserve_all({str(number): (["x"], 1000) for number in range(9)})
    assert purse.spent == pytest.approx(before)
    assert spent_in(tmp_path / LEDGER) == pytest.approx(before)


def test_a_killed_process_has_spent_what_it_set_aside(tmp_path: Path) -> None:
    """The next one counts it, the line that it was killed in too little to read left out."""
    first = budget(tmp_path)
    first.reserve(["a"], 1000).settle(10, 10)
    open_one = first.reserve(["a"], 1000)
    with (tmp_path / LEDGER).open("ab") as ledger:
        ledger.write(b'{"request": "cut", "reser')
    second = budget(tmp_path)
    assert second.spent == pytest.approx((10 * 2 + 10 * 10) / 1e6 + open_one.most)
    assert second.spent == pytest.approx(first.spent)


def test_other_cells_count_towards_a_studys_limit(tmp_path: Path) -> None:
    """All their measurements, also what another process spends meanwhile."""
    here, other = tmp_path / "a/1", tmp_path / "b"
    purse = budget(here, 0.03, other)
    purse.reserve(["a"], 1000).settle(0, 1000)
    elsewhere = budget(other / "1")
    elsewhere.reserve(["a"], 500).settle(0, 500)
    budget(other / "2").reserve(["a"], 500).settle(0, 500)
    assert spent_below(other) == pytest.approx(0.01)
    with pytest.raises(OverBudgetError, match=r"0\.0200 is spent"):
        purse.reserve(["a"], 1000)


def test_hours_are_paid_by_the_clock(tmp_path: Path) -> None:
    """Each moment is paid once, also where requests overlap."""
    purse = Budget("v/d/t", tmp_path / LEDGER, None, 3600.0, [Limit("max_cost", 1e9)])
    pair = [purse.reserve(["a"], 10) for _ in range(2)]
    for one in pair:
        one.settle(1, 1)
    lines = [json.loads(line) for line in (tmp_path / LEDGER).read_text().splitlines()]
    assert sum(line.get("cost", 0) for line in lines) == pytest.approx(purse.spent)
    assert 0 < (purse.spent or 0) < 600
    nothing = Budget("v/d/t", tmp_path / "other", None, 3600.0, [Limit("max_cost", 0.0)])
    with pytest.raises(OverBudgetError, match="max_cost"):
        nothing.reserve(["a"], 10)


@given(
    prompt=st.text(max_size=200),
    limit=st.integers(1, 2000),
    share=st.floats(0, 1),
    cached=st.floats(0, 1),
)
def test_a_request_costs_at_most_what_was_set_aside(
    prompt: str, limit: int, share: float, cached: float
) -> None:
    """A token has at least one byte, so that a limit holds whatever the usage is."""
    tokens = len(prompt.encode())
    most = cost(PRICES, tokens + 80, limit)
    found = cost(PRICES, tokens, int(limit * share), int(tokens * cached))
    assert 0 <= found <= most
