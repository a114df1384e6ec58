"""The limits of a machine: measured once, and again where anything differs that they depend on."""

from __future__ import annotations

import json
import os
import platform
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from frontier.errors import UserError
from frontier.host import caches
from frontier.machine import ceilings, hardware
from frontier.measuring import roofline
from frontier.results.part import Ceilings
from frontier.specs.measure import MeasureSpec

FOUND: dict[str, Any] = {
    "read_gb_s": 40.0,
    "matrix_tflop_s": {"float32": 0.5},
    "foreign_cores": 0.1,
}


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The threads of each measurement, of which none is made."""
    asked: list[int] = []

    def measured(accelerator: str, threads: int) -> dict[str, Any]:
        asked.append(threads)
        return FOUND if accelerator == "cpu" else FOUND | {"gpus": 1}

    monkeypatch.setattr(ceilings, "measured", measured)
    monkeypatch.setattr(ceilings, "free_bytes", lambda: 2**40)
    return asked


def test_small_sizes_give_rates() -> None:
    """The rates of this machine, in all precisions; they fit a measurement."""
    found = Ceilings.of(ceilings.measured("cpu", 1, size=2**20, least_s=0.0))
    assert found.read_gb_s
    assert {*found.matrix_tflop_s} == {*ceilings.DTYPES}
    assert all(one > 0 for one in found.matrix_tflop_s.values())
    assert found.gpus == 0
    assert found.torch


def test_a_machine_is_measured_once(tmp_path: Path, measured: list[int]) -> None:
    """The second time its file is read."""
    first = ceilings.cached(tmp_path, "cpu", 2, 0, 0.5)
    assert ceilings.cached(tmp_path, "cpu", 2, 0, 0.5) == first
    assert first[1] == FOUND
    assert measured == [2]


def test_a_disturbed_machine_is_measured_again(tmp_path: Path, measured: list[int]) -> None:
    """Fewer background cores are allowed than were busy; not for every job, if it stays so."""
    path, _ = ceilings.cached(tmp_path, "cpu", 2, 0, 0.5)
    ceilings.cached(tmp_path, "cpu", 2, 0, 0.05)
    assert measured == [2]
    os.utime(path, (0, time.time() - ceilings.AGAIN_S))
    ceilings.cached(tmp_path, "cpu", 2, 0, 0.5)
    assert measured == [2]
    ceilings.cached(tmp_path, "cpu", 2, 0, 0.05)
    assert measured == [2, 2]


def test_all_that_decides_is_measured_again(
    tmp_path: Path, measured: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Threads, accelerator, hardware, host: a file of another machine, as in a shared folder, is not
    this one's."""
    paths = {ceilings.cached(tmp_path, "cpu", threads, 0, 0.5)[0] for threads in (1, 2)}
    paths.add(ceilings.cached(tmp_path, "cuda", 2, 1, 0.5)[0])
    known = hardware.describe()
    monkeypatch.setattr(hardware, "describe", lambda: known | {"cpu": "another"})
    paths.add(ceilings.cached(tmp_path, "cpu", 2, 0, 0.5)[0])
    monkeypatch.setattr(platform, "node", lambda: "node-2")
    paths.add(ceilings.cached(tmp_path, "cpu", 2, 0, 0.5)[0])
    assert len(paths) == 5
    assert measured == [1, 2, 2, 2, 2]
    assert not any("node-2" in path.read_text(encoding="utf-8") for path in paths)


def test_other_gpus_than_those_reserved(tmp_path: Path, measured: list[int]) -> None:
    """The limits of one GPU are not those of two, and those of none are not 0."""
    ceilings.cached(tmp_path, "cuda", 2, 1, 0.5)
    with pytest.raises(UserError, match=r"torch finds 1 GPU\(s\) instead of 2"):
        ceilings.cached(tmp_path, "cuda", 2, 2, 0.5)
    assert len(list(tmp_path.glob("*.json"))) == 1


def test_a_file_of_another_identity_is_not_believed(tmp_path: Path, measured: list[int]) -> None:
    """Its name alone proves nothing."""
    path, _ = ceilings.cached(tmp_path, "cpu", 2, 0, 0.5)
    value = json.loads(path.read_text(encoding="utf-8"))
    value["identity"]["threads"] = 3
    path.write_text(json.dumps(value), encoding="utf-8")
    ceilings.cached(tmp_path, "cpu", 2, 0, 0.5)
    assert measured == [2, 2]


def test_too_little_memory(
    tmp_path: Path, measured: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is measured where it could end a job for its memory."""
    monkeypatch.setattr(ceilings, "free_bytes", lambda: 10**9)
    with pytest.raises(UserError, match=r"too little memory .* 1\.0 GB"):
        ceilings.cached(tmp_path, "cpu", 2, 0, 0.5)
    assert measured == []


def asked(
    folder: Path | None,
    accelerator: str = "cpu",
    most: float = 64.0,
    job_bytes: int | None = None,
) -> Ceilings:
    """The limits that a session of two threads records."""
    device = SimpleNamespace(accelerator=accelerator, gpus=0)
    spec = SimpleNamespace(device=device, max_background_cores=most)
    return roofline.limits(cast("MeasureSpec", spec), 2, folder, job_bytes)


PROGRAM = """
import json, sys
given = dict(zip(sys.argv[1::2], sys.argv[2::2]))
place, value = {place!r}, {value!r}
{then}
open(place, "w").write(json.dumps(value))
"""


def program(folder: Path, monkeypatch: pytest.MonkeyPatch, then: str = "") -> None:
    """A program that writes the limits of this machine, after what it does `then`."""
    known = ceilings.identity("cpu", 2, 0)
    value = {"identity": known, "ceilings": FOUND}
    path = folder / "program.py"
    place = str(ceilings.place(folder, known))
    path.write_text(PROGRAM.format(place=place, value=value, then=then), encoding="utf-8")
    monkeypatch.setattr(roofline, "PROGRAM", path)


def test_a_session_records_the_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The program runs once for a machine."""
    program(tmp_path, monkeypatch, "assert given['--threads'] == '2', given")
    assert asked(tmp_path) == Ceilings.of(FOUND)
    program(tmp_path, monkeypatch, "sys.exit('not again')")
    assert asked(tmp_path) == Ceilings.of(FOUND)
    monkeypatch.setattr(ceilings, "AGAIN_S", 0.0)
    assert asked(tmp_path, most=0.01) == Ceilings(missing="not measured: not again")


def test_a_session_without_limits_has_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Never a number that was not measured, and never the end of the job."""
    assert asked(tmp_path, "remote").missing == "an endpoint's hardware is unknown"
    assert "--machines" in (asked(None).missing or "")
    small = asked(tmp_path, job_bytes=2_000_000_000)
    assert small.missing == "not measured: the job has only 2.0 GB"
    for then, words in {
        "sys.exit('error: no such device')": "not measured: no such device",
        "sys.exit(3)": "not measured: ended with 3",
        "value['identity'] = {}": "not measured: the machine's description changed meanwhile",
    }.items():
        program(tmp_path, monkeypatch, then)
        assert asked(tmp_path) == Ceilings(missing=words)
    program(tmp_path, monkeypatch, "import time; time.sleep(60)")
    monkeypatch.setattr(roofline, "LONGEST_S", 0.2)
    assert "not finished" in (asked(tmp_path).missing or "")


def test_the_folder_can_be_shared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same variable as for other resources names it."""
    monkeypatch.setenv(caches.VARIABLE, str(tmp_path))
    assert ceilings.place(Path("resources/machines"), {}).parent == tmp_path / "machines"
