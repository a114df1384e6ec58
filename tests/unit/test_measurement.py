"""measurement.json: read as it was written, and refused in one line where it is something else."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from frontier.errors import UserError
from frontier.results import checksums, layout
from frontier.results.cell import CellResult, Provenance
from frontier.results.measurement import Measurement, read, unaltered
from frontier.results.session import Adoption
from measurements import WARM_UP, a_measurement, measurement, session

LOAD = {"foreign_cores": 0.0, "foreign_gpu_processes": 2}
ADOPTED = session(
    1,
    started="2026-02-02",
    adopted=[{"from": "ab", "when": "now", "because": "a log line", "differs": ["x"]}],
)
VARIANTS: dict[str, dict[str, Any]] = {
    "whole": {},
    "adopted": {"sessions": [session(), ADOPTED], "copied_from": "ab"},
    "interrupted": {
        "sessions": [session(0, loaded={"start_s": 1.0}), session(1)],
        "contention": LOAD | {"sessions": [LOAD | {"session": 1, "requests": 40}]},
    },
}


@pytest.mark.parametrize("name", VARIANTS)
def test_it_is_written_as_it_was_read(name: str, tmp_path: Path) -> None:
    """Byte by byte, and what was not known is not written as null."""
    value = Measurement.of(measurement(**VARIANTS[name])).as_json()
    assert value == measurement(**VARIANTS[name])
    for path in (tmp_path / "one.json", tmp_path / "two.json"):
        checksums.write(path, value)
        value = read(path).as_json()
    assert path.read_bytes() == (tmp_path / "one.json").read_bytes()
    assert unaltered(path.read_bytes()) == read(path)


def test_one_that_ended_early_says_what_was_known() -> None:
    """Almost nothing is known of a checkpoint that its own job could not produce."""
    known = ("layout", "outcome", "reason", "dtype", "engine", "environment", "spec", "requests")
    known += ("requests_sha256", "sample_sha256", "weights_sha256")
    value = {name: measurement()[name] for name in known} | {"memory": None, "sessions": []}
    found = Measurement.of(value)
    assert found.as_json().keys() == value.keys()
    assert (found.load_s, found.threads, found.contention, found.asking) == (None, None, None, [])


def test_who_asked_and_what_was_adopted() -> None:
    """Both are in the order of the sessions; a note that two sessions share appears once."""
    loads = [LOAD | {"session": number, "requests": 20} for number in (1, 2)]
    sessions = [session(), ADOPTED, ADOPTED | {"session": 2}]
    found = a_measurement(sessions=sessions, contention=LOAD | {"sessions": loads})
    assert [(one.session, one.started) for one in found.asking] == [
        (1, "2026-02-02"),
        (2, "2026-02-02"),
    ]
    assert found.adopted == [Adoption.of(ADOPTED["adopted"][0])]


def test_a_cell_has_its_notes_and_sessions_in_the_same_shape() -> None:
    """Written under the same names, `from` too."""
    note = ADOPTED["adopted"][0]
    asked = {"session": 0, "started": None, "requests": 3}
    provenance = Provenance.model_validate_json(
        json.dumps({"adopted": [note], "sessions": [asked]})
    )
    cell = CellResult.model_construct(layout=layout.VERSION, provenance=provenance)
    written = cell.model_dump(mode="json")["provenance"]
    assert (written["adopted"], written["sessions"]) == ([note], [asked])


def changed(**facts: Any) -> str:
    return json.dumps(measurement(**facts))


def sealed(change: Callable[[bytes], bytes]) -> str:
    whole = checksums.line(measurement())
    return change(whole).decode()


UNSETTLED = {name: one for name, one in WARM_UP.items() if name != "settled"}
FAULTS: dict[str, tuple[str, str]] = {
    "former layout": (changed(layout=1), "written by an earlier release, in another layout"),
    "a later layout": (changed(layout=layout.VERSION + 1), "written by a later release"),
    "no layout": ("{}", "another layout (none instead of"),
    "a list": ("[]", "another layout (none instead of"),
    "cut off": (changed()[:-9], "unreadable JSON"),
    "deep": ("[" * 200_000, "unreadable JSON"),
    "an unknown key": (changed(loads=1.0), "loads: Extra inputs are not permitted"),
    "text for a number": (changed(load_s="1.5"), "load_s: Input should be a valid number"),
    "a negative time": (changed(load_s=-1.0), "load_s: Input should be greater than or equal to 0"),
    "no number": (changed(load_s=float("nan")), "load_s: "),
    "no digest": (changed(requests_sha256="x"), "requests_sha256: String should match pattern"),
    "a key that a gate reads": (
        changed(sessions=[session(loaded={"warmup": UNSETTLED})]),
        "sessions.0.loaded.warmup.settled: Field required",
    ),
    "no prompt": (changed(spec={"task": {}}), "spec.task.prompt: Field required"),
    "altered": (sealed(lambda line: line.replace(b"1.5", b"1.4")), "altered since it was written"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_is_no_measurement_is_named(fault: str, tmp_path: Path) -> None:
    """The file, and its key that is wrong; `unaltered` has no word for it, and does not fail."""
    content, words = FAULTS[fault]
    path = tmp_path / "measurement.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(UserError) as refused:
        read(path)
    assert str(refused.value).startswith(f"{path}: ")
    assert words in str(refused.value)
    assert "\n" not in str(refused.value)
    assert unaltered(content.encode()) is None


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"measurement\.json: No such file"):
        read(tmp_path / "measurement.json")
