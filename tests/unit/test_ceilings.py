"""The limits of a machine: measured once, and again where anything differs that they depend on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from frontier.machine import ceilings, hardware
from frontier.machine.ceilings import Ceilings

FOUND = Ceilings(40.0, {"float32": 0.5})


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The threads of each measurement, of which none is made."""
    asked: list[int] = []
    monkeypatch.setattr(
        ceilings, "measured", lambda _accelerator, threads: asked.append(threads) or FOUND
    )
    return asked


def test_small_sizes_give_rates() -> None:
    """Of this machine, in all precisions, whatever they are."""
    found = ceilings.measured("cpu", 1, size=2**20, least_s=0.0)
    assert found.read_gb_s > 0
    assert {*found.matrix_tflop_s} == {*ceilings.DTYPES}
    assert all(one > 0 for one in found.matrix_tflop_s.values())


def test_a_machine_is_measured_once(tmp_path: Path, measured: list[int]) -> None:
    """The second time its file is read."""
    first = ceilings.cached(tmp_path, "cpu", 2)
    assert ceilings.cached(tmp_path, "cpu", 2) == first
    assert first[1] == FOUND
    assert measured == [2]


def test_other_threads_or_hardware_are_measured_again(
    tmp_path: Path, measured: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file of another machine, as in a shared folder, is not this one's."""
    paths = {ceilings.cached(tmp_path, "cpu", threads)[0] for threads in (1, 2)}
    known = hardware.describe()
    monkeypatch.setattr(hardware, "describe", lambda: known | {"cpu": "another"})
    paths.add(ceilings.cached(tmp_path, "cpu", 2)[0])
    assert len(paths) == 3
    assert measured == [1, 2, 2]


def test_a_file_of_another_identity_is_not_believed(tmp_path: Path, measured: list[int]) -> None:
    """Its name alone proves nothing."""
    path, _ = ceilings.cached(tmp_path, "cpu", 2)
    value = json.loads(path.read_text(encoding="utf-8"))
    value["identity"]["threads"] = 3
    path.write_text(json.dumps(value), encoding="utf-8")
    ceilings.cached(tmp_path, "cpu", 2)
    assert measured == [2, 2]
