"""Mutated configurations: each is planned, or refused in one short line; nothing else, and soon."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
import yaml

import mutations
import tiny

BATCHES, BATCH = 10, 40

Try = Callable[[int], tuple[str | None, float]]


@pytest.fixture(scope="module")
def attempt(tmp_path_factory: pytest.TempPathFactory) -> Try:
    """Reads and plans the configuration of a seed: its line, and how long it took."""
    folder = tmp_path_factory.mktemp("mutated")
    files = mutations.whole(tiny.reviews(folder / "reviews"))
    unharmed = {name: yaml.safe_dump(content).encode() for name, content in files.items()}
    assert mutations.outcome(unharmed, folder) is None

    def tried(seed: int) -> tuple[str | None, float]:
        contents = mutations.mutate(files, seed)
        begun = time.process_time()
        return mutations.outcome(contents, folder), time.process_time() - begun

    return tried


@pytest.mark.parametrize("batch", range(BATCHES))
def test_mutated_configurations(attempt: Try, batch: int) -> None:
    """Some hundreds, by their seeds; `python tests/mutations.py` tries more."""
    refused = 0
    for seed in range(batch * BATCH, (batch + 1) * BATCH):
        line, seconds = attempt(seed)
        assert not (wrong := mutations.fault(line, seconds)), f"seed {seed}: {wrong}"
        refused += line is not None
    assert refused > BATCH // 2  # most mutations do harm, or they would test nothing
