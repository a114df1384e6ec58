"""A cell of another sample asks only what no measurement of the cell has asked before."""

from __future__ import annotations

import argparse
import gc
import json
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import little
import measure
import shipped
from frontier import identity
from frontier.arrivals import one_by_one
from frontier.datasets import Row
from frontier.engines import Generate, LoadedModel
from frontier.engines.loaded import transformers as engine
from frontier.engines.loaded.generated import TransformersModel
from frontier.errors import OutOfMemoryError
from frontier.gates import Timing
from frontier.gates.sessions import Sessions
from frontier.machine.limits import Limits, OutOfTimeError
from frontier.measuring import facts, reuse, speculation
from frontier.prompts import Question
from frontier.results import checksums, measurement, records
from frontier.results.journal import Journal
from frontier.results.key import MeasureIdentity
from frontier.results.measurement import Measurement
from frontier.results.records import Record, read
from frontier.results.session import Adoption
from frontier.sampling import drawing
from frontier.scenarios import single_stream
from frontier.specs.measure import MeasureSpec
from frontier.techniques.attention import Attention
from frontier.techniques.prompt_lookup import PromptLookup
from frontier.values import checked_spec
from measurements import WARM_UP, a_session

ROWS = [Row(f"r{n}", {"question": f"{n} + {n % 7}"}, str(n), "ab"[n % 2]) for n in range(40)]
TASK = {"prompt": "What is {question} ?", "max_new_tokens": 4, "stop": ["\n"]}
DEVICE = {
    "accelerator": "cpu", "threads": 1, "gpus": 0,
    "warmup": {"minimum": 2, "maximum": 4, "tolerance": 100},
}  # fmt: skip


@dataclass
class Cell:
    """The measurements of one cell, through the real measuring program; counts what is asked."""

    folder: Path
    checkpoint: Path
    loads: int = 0
    asked: Counter[str] = field(default_factory=Counter)
    stop: tuple[int, Exception] | None = None
    """The number of requests, and the event after them."""

    def measure(self, size: int = 8, seed: int = 0, **changes: Any) -> Path:
        """Measures a sample; returns its folder. `changes`: to the spec, the code and the rows."""
        rows = changes.pop("rows", None) or drawing.sample(ROWS, size, seed)
        code = changes.pop("code", "one")
        task = TASK | changes.pop("task", {})
        device = DEVICE | changes.pop("device", {})
        request = identity.digest([code, {**task, "prompt": None}, device])
        digest = identity.digest([request, task, [vars(row) for row in rows]])
        folder = self.folder / digest
        sample = self.folder.parent / f"{digest}.jsonl"
        lines = ({"id": row.id, "fields": row.fields, "reference": row.reference} for row in rows)
        sample.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
        names = ("variant", "model", "quantization", "device", "task")
        spec = {
            "cell": dict.fromkeys(names, "x"), "memory_bytes": None, "environment": None,
            "max_background_cores": 1e6, "device": device, "task": task,
            "quantization": {"method": "native"}, "dtype": "float32",
            "engine": shipped.engines()["transformers"].described(), "engine_id": "transformers",
            "model": {
                "dtype": "float32", "prompt": "plain", "trust_remote_code": False,
                "template_arguments": {}, "template_date": "2026-01-01",
            },
            "identity": {"digest": digest, "request": request},
        } | changes  # fmt: skip
        folder.mkdir(parents=True, exist_ok=True)
        paths = {"requests": folder / "requests.jsonl", "measurement": folder / "measurement.json"}
        arguments = argparse.Namespace(
            sample=sample, model=self.checkpoint, adapter=None, draft=None, machines=None, **paths
        )
        self.loads, self.asked = 0, Counter()
        measure.measure(arguments, checked_spec(json.dumps(spec), MeasureSpec), Limits())
        (folder / "journal.jsonl").unlink()  # as scoring does
        return folder


def recorded(folder: Path) -> dict[str, Any]:
    """A measurement.json."""
    found = checksums.read((folder / "measurement.json").read_bytes())
    assert found
    return found


def measured(folder: Path) -> Measurement:
    """The same, typed."""
    return measurement.read(folder / "measurement.json")


def gate_of_sessions(folder: Path) -> str | None:
    """The verdict of the gate that checks whether all sessions were alike."""
    return Sessions().reason(Timing.of(measured(folder), read(folder / "requests.jsonl"), 1e6))


def answers(folder: Path) -> list[tuple[str, str, int]]:
    """The answers to all requests, in the sample's order."""
    return [(one.id, one.text, one.tokens) for one in read(folder / "requests.jsonl")]


def counted(folder: Path) -> list[int]:
    """The number of requests that each session ran, by the sessions' own facts."""
    found = [one["requests"] for one in recorded(folder)["contention"]["sessions"]]
    records = Counter(one.session for one in read(folder / "requests.jsonl"))
    assert found == [records[number] for number in sorted(records)]
    return found


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A random Llama."""
    built = little.checkpoint(tmp_path_factory.mktemp("model") / "llama")
    # Closing an engine collects garbage among all objects, of which there are many by now.
    gc.freeze()
    yield built
    gc.unfreeze()


@pytest.fixture
def cell(checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cell:
    """Nothing is measured yet."""
    built = Cell(tmp_path / "task", checkpoint)
    load, undisturbed = engine.load, single_stream.undisturbed

    def counting(*arguments: Any, **keywords: Any) -> Any:
        built.loads += 1
        return load(*arguments, **keywords)

    def asking(model: LoadedModel, name: str, request: Generate, *rest: Any) -> Any:
        if built.stop and built.asked.total() == built.stop[0]:
            raise built.stop[1]
        built.asked[request.prompt] += 1
        return undisturbed(model, name, request, *rest)

    monkeypatch.setattr(engine, "load", counting)
    monkeypatch.setattr(single_stream, "undisturbed", asking)
    return built


def edit(folder: Path, **facts: Any) -> None:
    """Sets facts of a measurement, under a checksum that fits."""
    checksums.write(folder / "measurement.json", recorded(folder) | facts)


def test_a_larger_sample_asks_what_is_new(cell: Cell, tmp_path: Path) -> None:
    """Twelve after eight: four; the same answers as of twelve from nothing."""
    small = cell.measure(8)
    large = cell.measure(12)
    assert cell.asked.total() == 4
    assert counted(large) == [8, 4]
    assert read(large / "requests.jsonl")[:8] == read(small / "requests.jsonl")
    first, second = recorded(large)["sessions"]
    assert first == recorded(small)["sessions"][0]
    assert first["started"] < second["started"]
    assert recorded(large)["loaded_in"] == 1
    assert recorded(large)["load_s"] == second["loaded"]["load_s"]
    shutil.rmtree(small)
    assert answers(cell.measure(12)) == answers(large), "what was copied stays"
    alone = replace(cell, folder=tmp_path / "alone")
    assert answers(alone.measure(12)) == answers(large)


def test_a_smaller_sample_loads_nothing(cell: Cell) -> None:
    """Facts that only loading shows come from the session that loaded."""
    large = recorded(cell.measure(12))
    small = cell.measure(8)
    assert cell.loads == cell.asked.total() == 0
    assert counted(small) == [8]
    found = recorded(small)
    for name in ("load_s", "weights_bytes", "warmup", "memory", "threads", "kernel", "sessions"):
        assert found[name] == large[name], name
    assert found["contention"]["load_average"] == large["contention"]["load_average"]
    assert (found["outcome"], found["requests"], found["loaded_in"]) == ("measured", 8, 0)


def test_a_technique_that_drafted_nothing(cell: Cell) -> None:
    """An answer of one token leaves no room for a draft: the cell would be a copy of its parent."""
    one = {"max_new_tokens": 1}
    lookup = [{"kind": "prompt_lookup"}]
    folder = cell.measure(4, code="lookup", techniques=lookup, task=one)
    found, asked = measured(folder), read(folder / "requests.jsonl")
    reason = "prompt_lookup changed nothing: no step verified a draft"
    assert (found.outcome, found.reason) == ("unsupported", reason)
    assert [record.drafted_tokens for record in asked] == [0, 0, 0, 0]
    parent = measured(cell.measure(4, task=one))
    assert parent.outcome == "measured"
    techniques, changed = [PromptLookup()], partial(speculation.checked, parent)
    assert changed(techniques, asked).outcome == "unsupported"
    some, untold = ([replace(asked[0], drafted_tokens=n), *asked[1:]] for n in (3, None))
    for known in (some, untold, read(folder / "requests.jsonl")[:0]):
        assert changed(techniques, known).outcome == "measured", "it may have drafted"
    assert changed([Attention(implementation="eager")], asked).outcome == "measured"
    for accepted, outcome in ((0, "unsupported"), (1, "measured")):
        alone = [replace(one, drafted_tokens=None, accepted_tokens=accepted) for one in asked]
        assert changed(techniques, alone).outcome == outcome, "an engine may report these alone"


def test_a_draft_that_its_job_could_not_convert() -> None:
    """The reason names it; the model's own comes first."""
    fine, failed = {"source": {}}, {"outcome": "unsupported", "reason": "no such rows"}
    assert facts.failed_job(fine, {}) is None
    assert facts.failed_job(fine, failed) == ("unsupported", "its draft: no such rows")
    assert facts.failed_job(failed, failed) == ("unsupported", "no such rows")


def test_sessions_add_up(cell: Cell) -> None:
    """Each is one session, by how many measurements it may have been taken over."""
    for size, expected in ((6, [6]), (9, [6, 3]), (12, [6, 3, 3]), (7, [6, 1]), (14, [6, 3, 3, 2])):
        folder = cell.measure(size)
        assert counted(folder) == expected
        began = [one["started"] for one in recorded(folder)["sessions"]]
        assert began == sorted(set(began))
        assert len({one.id for one in read(folder / "requests.jsonl")}) == size


def test_another_seed_asks_only_the_new(cell: Cell) -> None:
    """Requests of two earlier samples are reused together."""
    first, second = ({row.id for row in drawing.sample(ROWS, 16, seed)} for seed in (0, 1))
    assert 0 < len(first & second) < 16
    cell.measure(16, seed=0)
    cell.measure(16, seed=1)
    assert cell.asked.total() == 16 - len(first & second)
    both = cell.measure(40)
    assert cell.asked.total() == 40 - len(first | second)
    assert counted(both)[0] == 16
    assert cell.loads == 1


@pytest.mark.parametrize(
    "change",
    [
        {"task": {"prompt": "Tell me {question} :"}}, {"task": {"max_new_tokens": 5}},
        {"task": {"stop": ["x"]}}, {"code": "two"}, {"device": {"dtype": "bfloat16"}},
    ],
    ids=str,
)  # fmt: skip
def test_another_request_is_asked(cell: Cell, change: dict[str, Any]) -> None:
    """Every change that can affect its answer or time: prompt, limits, device, code."""
    cell.measure(8)
    folder = cell.measure(8, **change)
    assert cell.asked.total() == 8
    assert counted(folder) == [8]


def test_it_is_the_prompt_that_counts(cell: Cell) -> None:
    """The template that it was filled from, the row's id and its reference do not count."""
    rows = drawing.sample(ROWS, 8, 0)
    cell.measure(rows=rows)
    renamed = [replace(row, id=f"new-{row.id}", reference="9") for row in rows]
    assert answers(cell.measure(rows=renamed))[0][0] == f"new-{rows[0].id}"
    assert cell.loads == 0
    said = [replace(row, fields={"all": f"What is {row.fields['question']} ?"}) for row in rows]
    cell.measure(rows=said, task={"prompt": "{all}"})
    assert cell.loads == 0
    changed = [replace(rows[0], fields={"question": "one + one"}), *rows[1:]]
    cell.measure(rows=changed)
    assert list(cell.asked) == ["What is one + one ?"]


def test_a_record_counts_once(cell: Cell) -> None:
    """A prompt that stands twice in a sample is asked twice, as it would be from nothing."""
    rows = drawing.sample(ROWS, 4, 0)
    twice = [*rows, *(replace(row, id=f"again-{row.id}") for row in rows[:2])]
    cell.measure(rows=rows)
    folder = cell.measure(rows=twice)
    assert cell.asked.total() == 2
    assert counted(folder) == [4, 2]
    assert len({(one.session, one.start_ns) for one in read(folder / "requests.jsonl")}) == 6
    cell.measure(rows=[*twice, replace(rows[0], id="third")])
    assert cell.asked.total() == 1


def test_what_was_altered_is_not_taken(cell: Cell) -> None:
    """A record; and of a measurement.json that was, or that is another cell's, nothing is."""
    small = cell.measure(8)
    requests = small / "requests.jsonl"
    whole = requests.read_bytes()
    requests.write_bytes(whole.replace(b'"tokens": 4', b'"tokens": 3', 1))
    large = cell.measure(12)
    assert cell.asked.total() == 5
    shutil.rmtree(large)
    requests.write_bytes(whole)
    content = (small / "measurement.json").read_bytes()
    (small / "measurement.json").write_bytes(content.replace(b'"outcome"', b'"outcom"', 1))
    shutil.rmtree(cell.measure(12))
    assert cell.asked.total() == 12
    (small / "measurement.json").write_bytes(content)
    small.rename(small.with_name("0" * 16))
    cell.measure(12)
    assert cell.asked.total() == 12


def test_an_interrupted_sibling(cell: Cell) -> None:
    """Whole lines of its journal are taken, and the journal is left as it is."""
    cell.stop = (5, KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        cell.measure(8)
    (journal,) = cell.folder.glob("*/journal.jsonl")
    journal.write_bytes(journal.read_bytes() + b'{"id": "r1", "prompt')
    before = journal.read_bytes()
    cell.stop = None
    assert counted(cell.measure(12)) == [5, 7]
    assert journal.read_bytes() == before
    assert counted(cell.measure(8)) == [5, 3], "which continues from its own journal alone"


def test_interrupted_after_taking_over(cell: Cell) -> None:
    """The same command continues; reused requests are not repeated, even without the sibling."""
    small = cell.measure(8)
    cell.stop = (1, KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        cell.measure(12)
    shutil.rmtree(small)
    cell.stop = None
    assert counted(cell.measure(12)) == [8, 1, 3]
    assert cell.asked.total() == 3


def test_another_samples_outcome_is_its_own(cell: Cell) -> None:
    """Only the answered requests of a sample that ran out of time are reused, not its outcome."""
    cell.stop = (9, OutOfTimeError("not finished after 1 minutes"))
    large = cell.measure(12)
    assert recorded(large)["outcome"] == "out-of-time"
    small = cell.measure(8)
    assert (cell.loads, recorded(small)["outcome"]) == (0, "measured")
    cell.stop = (0, OutOfMemoryError("no room"))
    assert recorded(cell.measure(10))["outcome"] == "out-of-memory"
    cell.stop = None
    assert counted(cell.measure(11)) == [9, 2]
    assert recorded(cell.measure(9))["outcome"] == "measured"


def test_a_measurement_that_is_made_again_asks_everything(cell: Cell) -> None:
    """Its results are there, or an empty journal says so: somebody wants it timed again."""
    cell.measure(12)
    small = cell.measure(8)
    cell.measure(8)
    assert cell.asked.total() == 8
    shutil.rmtree(small)
    small.mkdir()
    (small / "journal.jsonl").touch()
    cell.measure(8)
    assert cell.asked.total() == 8


@pytest.mark.parametrize(
    "fact",
    [
        {"weights_sha256": "0"}, {"hardware": {"cpu": "Another"}}, {"packages": {"torch": "1.0"}}, {"request": "0" * 16},
        {"loaded": {"warmup": WARM_UP | {"settled": False}}}, {"loaded": {}},
    ],
    ids=str,
)  # fmt: skip
def test_a_session_that_does_not_fit_is_not_taken(
    cell: Cell, fact: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    """It has another machine, other packages or requests, or had not warmed up."""
    small = cell.measure(8)
    (session,) = recorded(small)["sessions"]
    edit(small, sessions=[session | fact])
    assert counted(cell.measure(12)) == [12]
    elsewhere = (
        "8 of 12 requests were asked before on another machine, with other packages or weights"
    )
    known = fact.keys() & {"hardware", "packages", "weights_sha256"}
    assert (elsewhere in capsys.readouterr().err) is bool(known)


def test_an_adopted_session_is_taken(cell: Cell) -> None:
    """It had earlier code and packages, and stays marked as adopted."""
    small = cell.measure(8)
    (session,) = recorded(small)["sessions"]
    note = {"from": "0" * 16, "because": "nothing but a log line"}
    older = {
        "adopted": [note],
        "request": "0" * 16,
        "packages": {"torch": "1.0"},
        "weights_sha256": "0",
    }
    edit(small, sessions=[session | older])
    for size, expected in ((12, [8, 4]), (10, [8, 2])):
        folder = cell.measure(size)
        assert counted(folder) == expected
        assert measured(folder).adopted == [Adoption.of(note)]
        assert gate_of_sessions(folder) is None
        shutil.rmtree(small, ignore_errors=True)
    edit(folder, sessions=[one | {"adopted": []} for one in recorded(folder)["sessions"]])
    assert "packages" in str(gate_of_sessions(folder))


def test_a_disturbed_session_is_not_taken(
    cell: Cell, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """This cell's limit decides; a shared GPU and a pause exclude requests too."""
    small = cell.measure(8)
    seen = recorded(small)["contention"]
    shared = [one | {"foreign_gpu_processes": 1} for one in seen["sessions"]]
    edit(small, contention=seen | {"sessions": shared})
    shutil.rmtree(cell.measure(12))
    assert cell.asked.total() == 12
    assert "8 of 12 requests were asked before under disturbance" in capsys.readouterr().err
    edit(small, contention=seen)
    shutil.rmtree(cell.measure(12, max_background_cores=-1.0))
    assert cell.asked.total() == 12
    shutil.rmtree(small)
    undisturbed = single_stream.undisturbed

    def one_paused(*arguments: Any) -> Any:
        generation, attempts, _ = undisturbed(*arguments)
        return generation, attempts, cell.asked.total() == 3

    monkeypatch.setattr(single_stream, "undisturbed", one_paused)
    cell.measure(8)
    assert counted(cell.measure(12)) == [7, 5]


def test_room_for_other_requests(cell: Cell, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only requests of the same size are reused where times depend on the size of the cache."""
    room = {8: 64, 9: 64, 12: 128}
    monkeypatch.setattr(TransformersModel, "reserve", lambda _self, requests: room[len(requests)])
    small = cell.measure(8)
    cell.measure(9)
    assert cell.asked.total() == 1
    large = cell.measure(12)
    assert counted(large) == [12]
    assert [one["session"] for one in recorded(large)["sessions"]] == [2]
    shutil.rmtree(small)
    shutil.rmtree(large)
    small = cell.measure(8)
    assert (cell.loads, cell.asked.total()) == (1, 0)
    assert counted(small) == [8]
    assert "warmup" in recorded(small)


HERE = a_session(request="7" * 16)
SPEC = MeasureSpec.model_construct(
    max_background_cores=0.5,
    identity=MeasureIdentity(digest="new", request="7" * 16),
)
samples = st.dictionaries(st.sampled_from("abcdefghij"), st.sampled_from("pqrst"), max_size=8)


@settings(max_examples=30)
@given(st.lists(samples, max_size=4), samples)
def test_as_much_is_taken_as_can_be(
    tmp_path_factory: pytest.TempPathFactory, earlier: list[dict[str, str]], wanted: dict[str, str]
) -> None:
    """Each record once, for a request with its prompt; and no request that has one is left."""
    task, start_ns = tmp_path_factory.mktemp("task"), 0
    for number, prompts in enumerate(earlier):
        facts = HERE.model_copy(update={"started": str(number)})
        journal = Journal(task / f"{number:016x}" / "journal.jsonl", facts, f"{number:016x}")
        journal.begin({})
        for name, prompt in prompts.items():
            start_ns += 1
            sha = records.input_sha256(prompt)
            journal.append(
                Record(
                    name,
                    "",
                    prompt,
                    1,
                    1,
                    "stop",
                    start_ns,
                    start_ns,
                    one_by_one([1]),
                    2,
                    0,
                    input_sha256=sha,
                ),
                {},
            )
    path = task / "new" / "journal.jsonl"
    path.parent.mkdir()
    questions = {name: Question(prompt) for name, prompt in wanted.items()}
    reuse.take_over(path, SPEC, questions, HERE)
    found = Journal(path, HERE, "new").records
    assert len({one.start_ns for one in found}) == len({one.id for one in found}) == len(found)
    assert all(wanted[one.id] == one.text for one in found)
    there = Counter(prompt for prompts in earlier for prompt in prompts.values())
    assert Counter(one.text for one in found) == there & Counter(wanted.values())
    assert [(one.session, one.start_ns) for one in found] == sorted(
        (one.session, one.start_ns) for one in found
    )
