"""Tasks proposed from tables: the columns' roles, the scorer, the limits, and what stays open."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hub
import new
from conftest import ROOT
from frontier.catalogue import configuration, writing
from frontier.catalogue.reading import parse
from frontier.datasets.table import Table
from frontier.errors import UserError
from frontier.proposing import tasks
from workspace import refused

Rows = Sequence[Mapping[str, Any]]
CITIES = ("Paris", "Rome", "Oslo", "Madrid", "Lima", "Cairo")


def sentences(count: int) -> Rows:
    return [
        {"sentence": f"a film that is {'good' if n % 3 else 'dull'} {n}", "label": "pos" if n % 3 else "neg"}
        for n in range(count)
    ]  # fmt: skip


TABLES: dict[str, tuple[Rows, dict[str, Any]]] = {
    "classification": (
        sentences(30),
        {
            "sample": {"size": 30, "reference": "label"}, "max_new_tokens": 8, "stop": ["\n"],
            "scorer": {"kind": "classification", "labels": ["neg", "pos"]},
        },
    ),
    "numbers": (
        [{"id": f"q{n}", "question": f"{n} + {n}", "answer": f"{2 * n:,}", "topic": "ab"[n % 2]} for n in range(600)],
        {
            "sample": {"size": 500, "reference": "answer", "id": "id", "stratum": "topic"},
            "scorer": {"kind": "number"},
        },
    ),
    "choices": (
        [
            {"question": f"Which is {n}?", "A": "a", "B": "b", "C": "c", "answer": "ABC"[n % 3]}
            for n in range(12)
        ],
        {"scorer": {"kind": "choice", "letters": "ABC"}, "max_new_tokens": 8},
    ),
    "numbered-choices": (
        [
            {"question": f"Which is {n}?", "choices": ["x", "y", "z"], "answer": n % 3, "subject": "ab"[n % 2]}
            for n in range(12)
        ],
        {
            "sample": {
                "size": 12, "reference": "answer", "stratum": "subject",
                "labels": {"0": "A", "1": "B", "2": "C"},
                "columns": {f"choices_{place}": f"choices.{place}" for place in range(3)},
            },
            "prompt": "Question: {question}\nA. {choices_0}\nB. {choices_1}\nC. {choices_2}\nReply with the letter only.\nAnswer:",
            "scorer": {"kind": "choice", "letters": "ABC"},
        },
    ),
    "nested-choices": (
        [
            {"id": f"q{n}", "question": f"{n}?", "choices": {"text": ["x", "y"], "label": ["A", "B"]}, "answerKey": "AB"[n % 2]}
            for n in range(12)
        ],
        {"scorer": {"kind": "choice", "letters": "AB"}},
    ),
    "programs": (
        [
            {"task_id": f"t/{n}", "prompt": f"def f{n}(x):\n", "canonical_solution": "    return x\n", "test": f"def check(f):\n    assert f({n}) == {n}\n", "entry_point": f"f{n}"}
            for n in range(12)
        ],
        {
            "sample": {"size": 12, "reference": "canonical_solution", "id": "task_id"},
            "max_new_tokens": 512, "stop": None, "scorer": {"kind": "code", "form": "chat"},
        },
    ),
    "short-summaries": (
        [{"text": "The council met. " * 9, "summary": f"It met {n}."} for n in range(12)],
        {"scorer": {"kind": "rouge", "document": "text"}},
    ),
    "worked": (
        [{"question": f"How many is {n}?", "answer": f"It is\n{n}.\n#### {n}"} for n in range(12)],
        {"scorer": {"kind": "number", "mark": "####"}, "stop": ["Question:"]},
    ),
    "translation": (
        [{"source": "我们回家了", "translation": f"we went home {n}"} for n in range(12)],
        {"scorer": {"kind": "translation", "target": "en"}},
    ),
    "into-chinese": (
        [{"en": f"we went home {n}", "zh": f"我们回家了{n}"} for n in range(12)],
        {"scorer": {"kind": "translation", "target": "zh"}, "sample": {"size": 12, "reference": "zh"}},
    ),
    "summaries": (
        [
            {"document": "The council of the town met today and spoke for long. " * 20, "summary": f"The council of the town met and it spoke for a very long time {n}."}
            for n in range(12)
        ],
        {"scorer": {"kind": "rouge", "document": "document"}},
    ),
    "answers": (
        [{"question": f"Capital {n}?", "answer": f"{city} {n}"} for n, city in enumerate(CITIES * 3)],
        {"scorer": {"kind": "exact", "normalise": ["strip", "spaces", "case", "punctuation"]}, "max_new_tokens": 16},
    ),
    "objects": (
        [{"text": f"order {n} of tea", "expected": json.dumps({"item": "tea", "count": n})} for n in range(12)],
        {"scorer": {"kind": "json"}},
    ),
}  # fmt: skip


def write(path: Path, rows: Rows) -> Path:
    """The table in the form of the path's ending."""
    if path.suffix == ".parquet":
        pl.DataFrame(list(rows)).write_parquet(path)
    elif path.suffix == ".jsonl":
        lines = (json.dumps(row, ensure_ascii=False) for row in rows)
        path.write_text("\n".join(lines), encoding="utf-8")
    else:
        with path.open("w", encoding="utf-8", newline="") as file:
            delimiter = "\t" if path.suffix == ".tsv" else ","
            writer = csv.DictWriter(file, list(rows[0]), delimiter=delimiter)
            writer.writeheader()
            writer.writerows(rows)
    return path


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the catalogue, which is the working directory."""
    shutil.copytree(ROOT / "config", tmp_path / "config")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def is_flat(rows: Rows) -> bool:
    return not any(isinstance(one, list | dict) for one in rows[0].values())


CASES = [
    (name, ending)
    for name, (rows, _) in TABLES.items()
    for ending in ("csv", "jsonl", "parquet")
    if ending != "csv" or is_flat(rows)
]


@pytest.mark.parametrize(("name", "ending"), CASES)
def test_the_task_that_is_proposed(name: str, ending: str, tmp_path: Path) -> None:
    """The block says what the table has, and reads every row."""
    rows, wanted = TABLES[name]
    table = write(tmp_path / f"mine.{ending}", rows)
    found = tasks.proposed(table, "mine")
    assert {key: found.task.get(key) for key in wanted} == wanted
    assert found.dataset == {"loader": "table", "source": {"path": str(table)}}
    loader = Table.model_validate({k: v for k, v in found.task["sample"].items() if k != "size"})
    read = [row.reference for row in loader.rows(table)]
    assert len(read) == len(rows)
    assert found.task["max_new_tokens"] >= max(map(len, read)) / 4


def test_it_is_added_to_the_catalogue(place: Path) -> None:
    """A dataset and a task, and all others stay."""
    table = write(place / "mine.csv", TABLES["numbers"][0])
    before = configuration.read_catalogue(place / "config")
    said = new.task_of_table("mine", "mine.csv")
    assert "tasks: [mine]}'" in said
    after = configuration.read_catalogue(place / "config")
    assert after.tasks == before.tasks | {"mine": after.tasks["mine"]}
    assert after.datasets == before.datasets | {"mine": after.datasets["mine"]}
    assert len(list(after.loaders["mine"].rows(table))) == len(TABLES["numbers"][0])
    with pytest.raises(UserError, match=r"tasks\.mine: already exists"):
        new.task_of_table("mine", "mine.csv")


def proposed(path: Path, rows: Rows) -> tasks.TaskProposal:
    return tasks.proposed(write(path, rows), "mine")


def notes(found: tasks.TaskProposal) -> str:
    return "\n".join(found.open)


def test_what_stays_open_is_said(tmp_path: Path) -> None:
    """Codes for labels, several candidates, unused columns, rows that lack something."""
    coded = [{"text": f"t{n}", "label": n % 2, "other": "x"} for n in range(20)]
    found = proposed(tmp_path / "coded.csv", coded)
    assert found.task["scorer"]["labels"] == ["0", "1"]
    assert "a model cannot know what 0, 1 mean" in notes(found)
    assert "these columns are not used: other" in notes(found)

    lacking = [
        {"question": f"q{n}", "context": "" if n == 2 else "c", "answer": "" if n < 3 else f"a {n}"}
        for n in range(10)
    ]
    found = proposed(tmp_path / "lacking.csv", lacking)
    assert found.task["sample"]["size"] == 7
    assert found.task["sample"]["filter"] == {"answer": {"other_than": [""]}}
    assert found.task["sample"]["may_be_empty"] == ["context"]
    assert "3 rows without a reference are left out" in notes(found)
    assert found.task["prompt"].index("{context}") < found.task["prompt"].index("{question}")

    rows = [{"query words!": f"{n}?", "outcome": f"{{{n}}} x y"} for n in range(8)]
    found = proposed(tmp_path / "odd.csv", rows)
    assert found.task["sample"]["columns"] == {"query_words": "query words!"}
    assert "is a guess" in notes(found)


@pytest.mark.parametrize(
    ("content", "keys"),
    [
        (b"question;answer\n1+1;two words\n2+2;four words\n", {"delimiter": ";"}),
        ("question,answer\ncafé?,crème brûlée\nthé?,déjà vu\n".encode("cp1252"), {"encoding": "cp1252"}),
        ("question,answer\ncafé?,crème brûlée\nthé?,déjà vu\n".encode("utf-16"), {"encoding": "utf-16"}),
        ("\ufeffquestion,answer\ncafé?,crème brûlée\nthé?,déjà vu\n".encode(), {}),
    ],
)  # fmt: skip
def test_the_form_of_a_file_is_found(content: bytes, keys: Any, tmp_path: Path) -> None:
    """Delimiter and encoding; a guessed encoding is said."""
    path = tmp_path / "mine.csv"
    path.write_bytes(content)
    found = tasks.proposed(path, "mine")
    sample = found.task["sample"]
    assert {key: sample[key] for key in ("delimiter", "encoding") if key in sample} == keys
    assert ("read as" in notes(found)) == ("encoding" in keys)
    assert len(list(Table.model_validate({key: one for key, one in sample.items() if key != "size"}).rows(path))) == 2  # fmt: skip


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("none.csv", None, "no such file"),
        ("mine.xlsx", "x", "no table: its name must end in .csv"),
        ("mine.csv", "question,answer\n", "the table has no rows"),
        ("mine.csv", "question,question\n1,2\n", "two columns are named 'question'"),
        ("mine.csv", "answer\n1\n2\n", "no column to ask with"),
        ("mine.csv", "prompt\nWrite.\nSing.\n", "no column has right answers"),
        ("mine.jsonl", "[1, 2]\n", "not an object"),
    ],
)
def test_what_is_refused(name: str, content: str | None, words: str, tmp_path: Path) -> None:
    """One line."""
    path = tmp_path / name
    if content is not None:
        path.write_text(content, encoding="utf-8")
    with pytest.raises(UserError) as refusal:
        tasks.proposed(path, "mine")
    assert words in str(refusal.value)
    assert "\n" not in str(refusal.value)


TEXTS = st.text(st.characters(blacklist_categories=("Cs", "Cc")), max_size=12)
CELLS = st.one_of(TEXTS, st.integers(0, 99).map(str), st.sampled_from(["yes", "no", "A", "B", ""]))


@settings(max_examples=40)
@given(
    st.lists(TEXTS, min_size=2, max_size=4, unique_by=str.strip).flatmap(
        lambda names: st.lists(
            st.fixed_dictionaries(dict.fromkeys(names, CELLS)), min_size=1, max_size=12
        )
    )
)
def test_any_table_is_proposed_or_refused(rows: Rows) -> None:
    """The block can be read again from its text, and its prompt is a template of its columns."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = write(Path(folder, "mine.jsonl"), rows)
        try:
            found = tasks.proposed(path, "mine")
        except UserError as error:
            assert "\n" not in str(error)  # noqa: PT017 - either is right
            return
    text = "\n".join(["tasks:", *writing.lines_of("mine", found.task)])
    assert parse(text, "tasks")["tasks"]["mine"] == found.task


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[hub.Hub]:
    """A hub with a dataset of a table in two files, and others next to them."""
    repository = tmp_path / "served" / "datasets" / "owner" / "sums"
    (repository / "data").mkdir(parents=True)
    rows = TABLES["numbers"][0]
    for part in range(2):
        name = f"data/test-0000{part}-of-00002.parquet"
        pl.DataFrame(rows[part::2]).write_parquet(repository / name)
    (repository / "data/train.csv").write_text("x\n", encoding="utf-8")
    with hub.serve(tmp_path / "served") as found:
        monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
        yield found


def test_a_table_of_the_hub(place: Path, served: hub.Hub) -> None:
    """Pinned to the commit, with its files alone; another name is refused with the nearest."""

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        program = [sys.executable, str(ROOT / "workflow/scripts/new.py"), "task", "mine"]
        return subprocess.run(
            [*program, "--hub", "owner/sums", *arguments],
            env=os.environ | {"HF_ENDPOINT": served.url},
            capture_output=True,
            text=True,
            check=False,
        )

    refused(run(), "--hub: name the table there")
    refused(run("--file", "data/tests.csv"), "has no file that matches", "'data/train.csv'")
    refused(run("--file", "data/train.csv"), "owner/sums at main", "no rows")
    done = run("--file", "data/test-*.parquet")
    assert done.returncode == 0, done.stderr
    found = configuration.read_catalogue(place / "config")
    source = found.datasets["mine"].source
    commit = served.commit(served.root / "datasets" / "owner" / "sums")
    assert (source.hub, source.revision, source.files) == (
        "owner/sums", commit, ("data/test-*.parquet",),
    )  # fmt: skip
    assert found.tasks["mine"].sample.size == 500
    assert "stratum: topic" in done.stdout
