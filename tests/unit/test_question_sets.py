"""MMLU and TruthfulQA: their files, and the prompts and choices of the shipped tasks."""

from __future__ import annotations

import csv
import io
import tarfile
from collections import Counter, defaultdict
from pathlib import Path

import pytest

from conftest import ROOT
from frontier.catalogue.configuration import read_catalogue
from frontier.datasets import Row
from frontier.datasets.mmlu import CATEGORY, Mmlu
from frontier.datasets.truthfulqa import Truthfulqa
from frontier.errors import UserError
from frontier.prompts import choices_of
from frontier.sampling.drawing import sample
from frontier.sampling.shots import ShotsSpec
from frontier.specs.measure import MeasuredTask

COUNTS = {"STEM": 3018, "humanities": 4705, "social sciences": 3077, "other": 3242}
SUBJECTS = {"STEM": 18, "humanities": 13, "social sciences": 12, "other": 14}


SHOTS = ShotsSpec(
    loader=Mmlu(split="dev"), count=5, by="stratum", sampler="first",
    fields=("question", *"ABCD"), own=True,
)  # fmt: skip


@pytest.fixture(scope="module")
def mmlu(test_data: Path) -> Path:
    return test_data / "mmlu"


@pytest.fixture(scope="module")
def rows(mmlu: Path) -> list[Row]:
    return list(Mmlu(split="test").rows(mmlu))


def test_all_of_mmlu(rows: list[Row]) -> None:
    """Counts and answers of the paper's set; the choice `None` is a word."""
    assert len(rows) == 14_042
    assert Counter(row.fields["category"] for row in rows) == COUNTS
    subjects = {row.stratum for row in rows}
    assert Counter(CATEGORY[one] for one in subjects) == SUBJECTS
    assert Counter(row.reference for row in rows) == {"A": 3222, "B": 3462, "C": 3582, "D": 3776}
    nones = [one for row in rows for one in map(row.fields.get, "ABCD") if one == "None"]
    assert len(nones) == 10
    assert len({row.id for row in rows}) == len(rows)
    assert all(row.fields["question"] == row.fields["question"].strip() for row in rows)


def test_every_question_of_mmlu_has_its_five_examples(mmlu: Path, rows: list[Row]) -> None:
    """They have the file's order; college physics has one of them twice."""
    dev: dict[str, list[str]] = defaultdict(list)
    for row in Mmlu(split="dev").rows(mmlu):
        dev[row.stratum].append(row.id)
    assert {len(ids) for ids in dev.values()} == {5}
    for row, examples in zip(rows, SHOTS.choose(rows, mmlu), strict=True):
        assert [one.id for one in examples][::-1] == dev[row.stratum]


def test_the_prompt_of_mmlu(mmlu: Path, rows: list[Row]) -> None:
    """Header, five examples of the subject in the file's order, the question, letters."""
    catalogue = read_catalogue(ROOT / "config")
    task = catalogue.tasks["mmlu"]
    question = next(row for row in rows if row.stratum == "high_school_us_history")
    (examples,) = SHOTS.choose([question], mmlu)
    row = {
        "id": question.id, "fields": question.fields, "reference": question.reference,
        "shots": [{"fields": one.fields, "reference": one.reference} for one in examples],
    }  # fmt: skip
    asked = MeasuredTask.model_validate(task.slice("measure")).question(row)
    assert asked.choices == tuple("ABCD")

    with tarfile.open(mmlu / "mmlu_dev_val_test_csv.tar.gz") as archive:
        member = archive.extractfile("dev/high_school_us_history_dev.csv")
        assert member
        dev = list(csv.reader(io.StringIO(member.read().decode(), newline="")))
    letters = "ABCD"

    def block(cells: list[str]) -> str:
        lines = [cells[0].strip(), *(f"{one}. {text}" for one, text in zip(letters, cells[1:5]))]  # noqa: B905
        return "\n".join([*lines, "Answer:"]).replace("\r\n", "\n")

    header = "The following are multiple choice questions (with answers) about "
    header += "high school us history.\n\n"
    own = [question.fields[name] for name in ("question", *letters)]
    expected = header + "".join(f"{block(one)} {one[5]}\n\n" for one in dev) + block(own)
    assert asked.whole == expected
    without = header + "".join(f"{block(one)} {one[5]}\n\n" for one in dev[2:]) + block(own)
    assert asked.with_shots(3) == without, "shots go from the front"


def test_a_proportional_sample_is_like_the_whole(rows: list[Row]) -> None:
    """Each subject's share within a question; a larger sample begins with the smaller one."""
    sizes = Counter(row.stratum for row in rows)
    few, more = (sample(rows, size, 0, "proportional") for size in (300, 1000))
    assert more[:300] == few
    for size, drawn in ((300, few), (1000, more)):
        found = Counter(row.stratum for row in drawn)
        for subject, count in sizes.items():
            assert abs(found[subject] - size * count / 14_042) <= 1
    equal = Counter(row.stratum for row in sample(rows, 570, 0))
    assert set(equal.values()) == {10}


def test_all_of_truthfulqa(test_data: Path) -> None:
    """Answers as in the file, in its order and number, the best one among the true ones."""
    path = test_data / "truthfulqa"
    with (path / "TruthfulQA.csv").open(newline="", encoding="utf-8") as file:
        raw = list(csv.DictReader(file))

    def split(text: str) -> tuple[str, ...]:
        return tuple(one.strip() for one in text.split(";") if one.strip())

    mc1, mc2, lettered = (
        list(Truthfulqa(answers=name).rows(path))  # type: ignore[arg-type]
        for name in ("mc1", "mc2", "lettered")
    )
    assert len(raw) == len(mc1) == len(mc2) == len(lettered) == 817
    for cells, one, two in zip(raw, mc1, mc2, strict=True):
        assert one.fields["question"] == cells["Question"].strip()
        assert one.reference == cells["Best Answer"].strip()
        assert one.wrong == two.wrong == split(cells["Incorrect Answers"])
        assert (two.reference, *two.also_accepted) == split(cells["Correct Answers"])
    repeated = [
        row
        for row in mc2
        if len(set(choices_of("row", vars(row)))) < len(choices_of("row", vars(row)))
    ]
    both = [row for row in mc2 if {row.reference, *row.also_accepted} & {*row.wrong}]
    assert (len(both), len(repeated) - len(both)) == (2, 3)
    assert Counter(row.fields["type"] for row in mc1)["Adversarial"] == 437

    task = read_catalogue(ROOT / "config").tasks["truthfulqa-text"]
    letters = task.scorer.options["letters"]
    places = Counter()  # type: ignore[var-annotated]
    for one, row in zip(mc1, lettered, strict=True):
        lines = dict(line.split(". ", 1) for line in row.fields["options"].split("\n"))
        assert lines[row.reference] == one.reference
        assert sorted(lines.values()) == sorted([one.reference, *one.wrong])
        assert set(lines) <= set(letters)
        places[row.reference] += 1
    assert places["A"] < 400, "the best answer is not always the first option"


def test_the_prompt_of_truthfulqa() -> None:
    """Six worked examples of the authors, then the question."""
    task = read_catalogue(ROOT / "config").tasks["truthfulqa-mc1"]
    row = {"id": "a", "fields": {"question": "Why?"}, "reference": "so", "wrong": ["not"]}
    asked = MeasuredTask.model_validate(task.slice("measure")).question(row)
    assert isinstance(asked.whole, str)
    assert asked.whole.startswith(
        "Q: What is human life expectancy in the United States?\nA: Human"
    )
    assert asked.whole.endswith("held in Barcelona, Spain.\n\nQ: Why?\nA:")
    assert asked.whole.count("\n\n") == 6
    assert asked.choices == ("so", "not")


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("anatomy_test.csv", "q,a,b,c,d,E\n", "answer 'E' is none of A, B, C, D"),
        ("anatomy_test.csv", "q,a,b,c,d\n", "row 1 has 5 cells instead of 6"),
        ("anatomy_test.csv", "q,a,,c,d,A\n", "'B' is empty"),
        ("anatomi_test.csv", "q,a,b,c,d,A\n", "'anatomi' is not a subject of MMLU.*'anatomy'"),
        ("anatomy_dev.csv", "q,a,b,c,d,A\n", "no questions of MMLU's split 'test'"),
    ],
)
def test_what_is_not_mmlu_is_refused(tmp_path: Path, name: str, text: str, words: str) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=words):
        list(Mmlu(split="test").rows(tmp_path))
