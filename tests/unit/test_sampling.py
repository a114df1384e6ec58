"""Samples: the same whatever the order, growing at the end, equal by stratum."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conftest import ROOT
from frontier.datasets import Row
from frontier.errors import UserError
from frontier.sampling.drawing import sample

SST2 = {"kind": "sst2", "options": {"split": "validation"}}


def row(number: int, stratum: str) -> Row:
    return Row(f"row-{number}", {"text": str(number)}, stratum, stratum)


tables = st.lists(st.sampled_from("abcd"), max_size=60).map(
    lambda strata: [row(number, stratum) for number, stratum in enumerate(strata)]
)


@given(tables, st.data(), st.integers(-5, 5))
def test_a_larger_sample_begins_with_the_smaller(
    rows: list[Row], data: st.DataObject, seed: int
) -> None:
    large = data.draw(st.integers(0, len(rows)))
    small = data.draw(st.integers(0, large))
    assert sample(rows, large, seed)[:small] == sample(rows, small, seed)


@given(tables, st.data())
def test_order_of_the_rows_does_not_matter(rows: list[Row], data: st.DataObject) -> None:
    size = data.draw(st.integers(0, len(rows)))
    shuffled = data.draw(st.permutations(rows))
    assert sample(shuffled, size, 0) == sample(rows, size, 0)


@given(tables, st.data())
def test_strata_are_equal_while_they_last(rows: list[Row], data: st.DataObject) -> None:
    size = data.draw(st.integers(0, len(rows)))
    drawn = sample(rows, size, 0)
    assert len(drawn) == len({row.id for row in drawn}) == size
    there = Counter(row.stratum for row in rows)
    taken = Counter(row.stratum for row in drawn)
    for one in there:
        for other in there:
            if taken[one] < taken[other] - 1:
                assert taken[one] == there[one], "it had rows left and fell behind"


@given(tables.filter(lambda rows: len(rows) > 8))
def test_every_row_can_be_drawn_and_seeds_differ(rows: list[Row]) -> None:
    assert set(map(id, sample(rows, len(rows), 3))) == set(map(id, rows))
    orders = {tuple(row.id for row in sample(rows, len(rows), seed)) for seed in range(20)}
    assert len(orders) > 1


def test_too_few_rows() -> None:
    with pytest.raises(UserError, match=r"sample of 3 was asked for.*only 2 rows"):
        sample([row(0, "a"), row(1, "b")], 3, 0)


@pytest.mark.parametrize("size", [1, 2, 3])
@pytest.mark.parametrize("strata", ["aa", "ab"])
def test_an_id_must_be_unique(size: int, strata: str) -> None:
    rows = [row(7, stratum) for stratum in strata] + [row(8, "a")]
    with pytest.raises(UserError, match="two rows have the id 'row-7'"):
        sample(rows, size, 0)


def program(spec: dict[str, object], dataset: Path, folder: Path) -> subprocess.CompletedProcess:
    return subprocess.run(
        [
            *(sys.executable, ROOT / "workflow/scripts/sample.py", "--spec", json.dumps(spec)),
            *("--dataset", dataset, "--output", folder / "sample.jsonl"),
            *("--lock", folder / "lock.json"),
        ],
        capture_output=True,
        text=True,
        check=False,
    )


def test_program_on_real_data(test_data: Path, tmp_path: Path) -> None:
    spec = {"loader": SST2, "size": 200, "seed": 0}
    assert program(spec, test_data / "sst2", tmp_path).returncode == 0
    rows = [json.loads(line) for line in (tmp_path / "sample.jsonl").open(encoding="utf-8")]
    lock = json.loads((tmp_path / "lock.json").read_text())
    assert len(rows) == lock["rows"] == 200
    assert lock["strata"] == {"negative": 100, "positive": 100}
    assert set(rows[0]) == {"id", "fields", "reference", "stratum"}

    first = (tmp_path / "sample.jsonl").read_bytes()
    assert program({**spec, "size": 300}, test_data / "sst2", tmp_path).returncode == 0
    assert (tmp_path / "sample.jsonl").read_bytes().startswith(first)


def test_a_row_is_one_line_to_every_reader(tmp_path: Path) -> None:
    text = "one\u2028two\u2029three\x85four\x0bfive"
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "corpus.en").write_text(f"{text}\n", encoding="utf-8", newline="\n")
    (folder / "corpus.zh_CN").write_text("一\u2028二\n", encoding="utf-8", newline="\n")
    spec = {"loader": {"kind": "opensubtitles", "options": {"direction": "en-zh"}}, "size": 1}
    assert program(spec, folder, tmp_path).returncode == 0
    lines = (tmp_path / "sample.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["fields"]["source"] for line in lines] == [text]
    assert "一" in lines[0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"loader": {"kind": "sst"}}, "loader: kind: unknown id 'sst' (did you mean 'sst2'?)"),
        ({"loader": SST2 | {"options": {"splitt": "train"}}}, "loader: options.splitt"),
        ({"loader": SST2 | {"options": {"split": "test"}}}, "loader: options.split"),
        ({"size": 0}, "size"),
        ({"sise": 1}, "sise"),
        ({"size": 2000}, "only 872 rows"),
    ],
)
def test_program_tells_faults_in_one_line(
    change: dict[str, object], message: str, test_data: Path, tmp_path: Path
) -> None:
    spec = {"loader": SST2, "size": 5} | change
    done = program(spec, test_data / "sst2", tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert not list(tmp_path.iterdir())
