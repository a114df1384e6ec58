"""Tables of any form, as they come and broken, and the real sets that are such tables."""

from __future__ import annotations

import csv
import gzip
import io
import json
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from frontier.datasets import Row
from frontier.datasets.table import Table
from frontier.errors import UserError
from frontier.sampling.drawing import SampleSpec

RECORDS: list[dict[str, Any]] = [
    {"question": "One?", "answer": "1", "kind": "a"},
    {"question": "Two,\nand more?", "answer": "None", "kind": "b"},
    {"question": 'A "quoted"\ttext', "answer": "NA", "kind": "a"},
]
LOADER = Table(reference="answer", stratum="kind").using(["question"])


def write(path: Path, records: list[dict[str, Any]]) -> Path:
    """A table in the form that the name says."""
    path.parent.mkdir(parents=True, exist_ok=True)
    name = path.name.lower().removesuffix(".gz")
    if name.endswith(".parquet"):
        pl.DataFrame(records).write_parquet(path)
        return path
    if name.endswith((".csv", ".tsv")):
        text = io.StringIO(newline="")
        written = csv.DictWriter(text, records[0], delimiter="\t" if "tsv" in name else ",")
        written.writeheader()
        written.writerows(records)
        content = text.getvalue()
    else:
        content = "".join(f"{json.dumps(one, ensure_ascii=False)}\n" for one in records)
        if name.endswith(".json"):
            content = json.dumps(records, indent=1)
    raw = content.encode()
    path.write_bytes(gzip.compress(raw) if path.name.endswith(".gz") else raw)
    return path


def rows(place: Path, loader: Table = LOADER) -> list[Row]:
    return list(loader.rows(place))


def fault(place: Path, loader: Table = LOADER) -> str:
    with pytest.raises(UserError) as error:
        rows(place, loader)
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize(
    "name",
    ["t.csv", "t.jsonl", "t.ndjson", "t.json", "t.parquet", "T.CSV", "t.csv.gz", "t.jsonl.gz"],
)
def test_every_form_gives_the_same_rows(name: str, tmp_path: Path) -> None:
    write(tmp_path / name, RECORDS)
    found = rows(tmp_path)
    assert [row.fields["question"] for row in found] == [one["question"] for one in RECORDS]
    assert [row.reference for row in found] == ["1", "None", "NA"]
    assert [row.stratum for row in found] == ["a", "b", "a"]
    assert len({row.id for row in found}) == 3
    LOADER.check(tmp_path)
    LOADER.check(tmp_path / name)
    assert rows(tmp_path / name) == found


def test_tsv_has_quotation_marks_only_if_told(tmp_path: Path) -> None:
    path = tmp_path / "t.tsv"
    path.write_text('question\tanswer\tkind\nSay "hi" now\t1\ta\n"Well\t2\tb\n')
    assert [row.fields["question"] for row in rows(tmp_path)] == ['Say "hi" now', '"Well']
    path.write_text('question\tanswer\tkind\n"Well"\t1\ta\n')
    assert "row 2: '\"Well\"' is in quotation marks: give quoted: true" in fault(tmp_path)
    plain, enclosed = (LOADER.model_copy(update={"quoted": one}) for one in (False, True))
    assert rows(tmp_path, plain)[0].fields["question"] == '"Well"'
    assert rows(tmp_path, enclosed)[0].fields["question"] == "Well"
    write(path, RECORDS)
    assert [row.reference for row in rows(tmp_path, enclosed)] == ["1", "None", "NA"]


def test_line_ends_marks_and_archives(tmp_path: Path) -> None:
    """CRLF, a byte order mark, line breaks inside of cells, and tables in archives."""
    text = '\ufeffquestion,answer,kind\r\n"Two\r\nlines?",2,a\r\n\r\nOne?,1,b'
    (tmp_path / "t.csv").write_bytes(text.encode())
    found = rows(tmp_path)
    assert [row.fields["question"] for row in found] == ["Two\nlines?", "One?"]
    assert [row.reference for row in found] == ["2", "1"]
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        archive.write(tmp_path / "t.csv", "inner/t.csv")
    (tmp_path / "t.csv").unlink()
    inner = rows(tmp_path)
    assert [row.fields for row in inner] == [row.fields for row in found]
    assert inner[0].id == "inner/t-000002"


@pytest.mark.parametrize("encoding", ["cp1252", "latin-1", "utf-16", "utf-16-le", "gb18030"])
def test_other_encodings_are_refused_until_they_are_given(encoding: str, tmp_path: Path) -> None:
    word = "你好" if encoding == "gb18030" else "Qué"
    (tmp_path / "t.csv").write_bytes(
        f"question,answer,kind\n{word}?,sí,a\n".encode(encoding, "ignore")
    )
    assert "t.csv: " in fault(tmp_path)
    read = rows(tmp_path, LOADER.model_copy(update={"encoding": encoding}))
    assert read[0].fields["question"] == f"{word}?"
    assert "UTF" in fault(tmp_path) or "NUL" in fault(tmp_path)


def test_several_accepted_answers(tmp_path: Path) -> None:
    write(tmp_path / "t.csv", [{"q": "x?", "a": " one ; two;; one", "b": "three"}])
    split = Table(reference=("a", "b"), separator=";").using(["q"])
    (row,) = rows(tmp_path, split)
    assert (row.reference, row.also_accepted) == ("one", ("two", "three"))
    assert split.references() == "several"
    write(tmp_path / "t.csv", [{"q": "x?", "a": "one", "b": ""}])
    (row,) = rows(tmp_path, split)
    assert (row.reference, row.also_accepted) == ("one", ())


def test_nested_values_are_reached_by_a_path(tmp_path: Path) -> None:
    record = {
        "q": "x?",
        "answers": {"text": ["a", "b"]},
        "choices": ["no", "yes"],
        "n": 3,
        "x.y": 1,
    }
    loader = Table(
        reference="answers.text", columns={"first": "choices.0", "n": "n", "odd": "x.y"}
    ).using(["q"])
    for name in ("t.parquet", "t.jsonl"):
        folder = tmp_path / name.partition(".")[2]
        write(folder / name, [record])
        (row,) = rows(folder, loader)
        assert row.fields == {"first": "no", "n": "3", "odd": "1", "q": "x?"}
        assert (row.reference, row.also_accepted) == ("a", ("b",))
        missing = loader.model_copy(update={"reference": "answers.txt"})
        assert "no column 'answers.txt'" in fault(folder, missing)


def test_labels_name_values_and_refuse_others(tmp_path: Path) -> None:
    write(tmp_path / "t.parquet", [{"q": "x?", "label": 0}, {"q": "y?", "label": 1}])
    loader = Table(reference="label", labels={"0": "negative", "1": "positive"}).using(["q"])
    assert [row.reference for row in rows(tmp_path, loader)] == ["negative", "positive"]
    fewer = loader.model_copy(update={"labels": {"0": "negative"}})
    assert "t.parquet: row 2: '1' is not one of the labels (there are: 0)" in fault(tmp_path, fewer)


def test_filters_files_and_splits(tmp_path: Path) -> None:
    write(tmp_path / "dev/art_dev.csv", RECORDS)
    write(tmp_path / "test/art_test.csv", RECORDS[:2])
    write(tmp_path / "test/law_test.csv", RECORDS[1:])
    (tmp_path / "README.md").write_text("not a table")
    whole = LOADER.model_copy(update={"split": "test", "stratum": "subject"})
    by_name = whole.model_copy(update={"files": r"(?P<subject>.+)_test\.csv"}).using(["subject"])
    assert [row.stratum for row in rows(tmp_path, by_name)] == ["art", "art", "law", "law"]
    assert rows(tmp_path, by_name)[0].fields["subject"] == "art"
    chosen = LOADER.model_copy(update={"filter": {"kind": "a"}, "split": "dev"})
    assert [row.id for row in rows(tmp_path, chosen)] == [
        "dev/art_dev-000002",
        "dev/art_dev-000004",
    ]
    others = Table.model_validate_json(
        '{"reference": "answer", "filter": {"answer": {"other_than": ["NA", "1"]}}, "split": "dev"}'
    ).using(["question"])
    assert [row.reference for row in rows(tmp_path, others)] == ["None"]
    wrong = LOADER.model_copy(update={"filter": {"kind": "aa"}})
    assert "no row whose 'kind' is 'aa' (did you mean 'a'?)" in fault(tmp_path, wrong)
    one_wrong = LOADER.model_copy(update={"filter": {"kind": ("a", "bb")}})
    assert "no row whose 'kind' is 'bb' (did you mean 'b'?)" in fault(tmp_path, one_wrong)
    none = LOADER.model_copy(update={"filter": {"kind": "a", "answer": "None"}})
    assert "no row passes the filter" in fault(tmp_path, none)
    nowhere = LOADER.model_copy(update={"split": "train"})
    assert "no table of that name; there are: dev/art_dev.csv" in fault(tmp_path, nowhere)


def test_a_header_is_given_for_files_without_one(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("One?,1,a\nTwo?,2,b\n")
    loader = LOADER.model_copy(update={"header": ("question", "answer", "kind")})
    assert [row.id for row in rows(tmp_path, loader)] == ["t-000001", "t-000002"]
    assert "no column 'question'" in fault(tmp_path)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("qestion,answer,kind\nx,1,a\n", "row 2: no column 'question' (did you mean 'qestion'?)"),
        ("question,answer,kind\nx,1,a\ny,,b\n", "row 3 has no reference ('answer' is empty)"),
        ("question,answer,kind\nx, ,a\n", "row 2 has no reference"),
        ("question,answer,kind\n,1,a\n", "row 2: 'question' is empty; if it may be"),
        ("question,answer,kind\nx,1\n", "row 2 has 2 cells instead of 3"),
        ("question;answer;kind\nx;1;a\n", 'give its delimiter, such as delimiter: ";"'),
        ("question,answer,answer\nx,1,a\n", "two columns are named 'answer'"),
        ('question,answer,kind\n"x,1,a\ny,2,b\n', "row 2 (line 3): unexpected end of data"),
        ('question,answer,kind\n"x"y,1,a\n', "row 2 (line 2)"),
        ("question,answer,kind\nx\0,1,a\n", "line 2 contains a NUL"),
        ("question,answer,kind\n", "the table has no rows"),
        ("", "the table has no rows"),
    ],
)
def test_broken_tables_are_refused_by_row(content: str, reason: str, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(content)
    assert reason in fault(tmp_path)


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        (
            "t.jsonl",
            '{"question": "x", "answer": "1", "kind": "a"}\n{"question"',
            "row 2 is not JSON",
        ),
        ("t.jsonl", "[1]\n", "row 1 is [1], not an object"),
        ("t.jsonl", '{"question": null, "answer": "1", "kind": "a"}', "row 1: 'question' is empty"),
        ("t.jsonl", '{"question": "x", "answer": NaN, "kind": "a"}', "row 1 has no reference"),
        ("t.jsonl", '{"question": "x", "kind": "a"}', "row 1: no column 'answer'"),
        ("t.jsonl", '{"question": "x", "answer": [], "kind": "a"}', "row 1 has no reference"),
        ("t.json", "[{]", "not JSON"),
        ("t.parquet", "PAR1 no", "unreadable Parquet file"),
        ("t.xlsx", "PK", "no table: their names end in .csv"),
    ],
)
def test_other_broken_files_are_refused(
    name: str, content: str, reason: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_text(content)
    assert reason in fault(tmp_path)


def test_fields_may_be_empty_only_if_they_are_named(tmp_path: Path) -> None:
    write(tmp_path / "t.jsonl", [{"question": "x", "context": None, "answer": "1", "kind": "a"}])
    loader = LOADER.using(["context"])
    assert "may_be_empty: [context]" in fault(tmp_path, loader)
    allowed = loader.model_copy(update={"may_be_empty": ("context",)})
    assert rows(tmp_path, allowed)[0].fields["context"] == ""


def test_long_fields_end_between_words_and_are_counted(tmp_path: Path) -> None:
    words = "one two three four five six seven eight nine ten"
    write(
        tmp_path / "t.csv", [{"question": words, "answer": "1"}, {"question": "x", "answer": "2"}]
    )
    loader = Table(reference="answer", longest={"question": 40}).using(["question"])
    found = rows(tmp_path, loader)
    assert [row.fields["question"] for row in found] == [words[:39], "x"]
    assert [row.cut for row in found] == [("question",), ()]
    unspaced = loader.model_copy(update={"longest": {"question": 4}})
    assert rows(tmp_path, unspaced)[0].fields["question"] == "one"
    (tmp_path / "t.csv").write_text("question,answer\n" + "你" * 9 + ",1\n")
    assert rows(tmp_path, unspaced)[0].fields["question"] == "你" * 4


def test_a_stratum_is_a_group_of_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "t.csv", RECORDS)
    monkeypatch.setattr("frontier.datasets.table.MOST_STRATA", 2)
    assert "'question' has more than 2 different values" in fault(
        tmp_path, LOADER.model_copy(update={"stratum": "question"})
    )


def test_ids_are_a_columns_and_unique(tmp_path: Path) -> None:
    write(tmp_path / "t.csv", RECORDS)
    named = LOADER.model_copy(update={"id": "answer"})
    assert [row.id for row in rows(tmp_path, named)] == ["1", "None", "NA"]
    twice = SampleSpec(loader=LOADER.model_copy(update={"id": "kind"}), size=3)
    with pytest.raises(UserError, match="two rows have the id 'a'"):
        twice.rows(tmp_path)


@pytest.mark.parametrize(
    ("keys", "reason"),
    [
        ({"encoding": "utf8x"}, "unknown encoding 'utf8x'"),
        ({"files": "("}, "not a regular expression"),
        ({"header": ("a", "b", "a")}, "two columns are named 'a'"),
        ({"delimiter": ";;"}, "at most 1 character"),
        ({"filter": {"kind": {"other_than": []}}}, "at least 1 item"),
    ],
)
def test_keys_are_checked(keys: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        Table.model_validate(keys)


@pytest.mark.parametrize("key", [{"longest": {"qestion": 9}}, {"may_be_empty": ("qestion",)}])
def test_keys_of_fields_name_fields(key: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r": no field 'qestion' \(did you mean 'question'"):
        Table(reference="answer", **key).using(["question"])


cells = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0\r"), min_size=1
).filter(lambda text: bool(text.strip()))


@given(st.lists(st.tuples(cells, cells), min_size=1, max_size=5))
def test_what_csv_and_json_write_is_read_again(
    tmp_path_factory: pytest.TempPathFactory, pairs: list[tuple[str, str]]
) -> None:
    folder = tmp_path_factory.mktemp("tables")
    records = [{"question": one, "answer": two} for one, two in pairs]
    loader = Table(reference="answer").using(["question"])
    for name in ("t.csv", "t.jsonl", "t.parquet"):
        place = write(folder / name, records)
        assert [(row.fields["question"], row.reference) for row in rows(place, loader)] == pairs


# Real sets


def test_mmlu_is_read_as_it_is(test_data: Path) -> None:
    """14,042 questions; "None" is a choice, some files have CRLF and some cells line breaks."""
    names = ("question", "A", "B", "C", "D")
    loader = Table(
        files=r"(?P<subject>.+)_test\.csv", header=(*names, "answer"), reference="answer",
        stratum="subject",
    ).using([*names, "subject"])  # fmt: skip
    found = rows(test_data / "mmlu", loader)
    assert len(found) == 14_042
    assert Counter(row.reference for row in found) == {"A": 3222, "B": 3462, "C": 3582, "D": 3776}
    none = Counter(row.stratum for row in found for name in "ABCD" if row.fields[name] == "None")
    assert none == {
        "electrical_engineering": 4,
        "college_mathematics": 3,
        "college_computer_science": 2,
        "college_physics": 1,
    }
    assert len({row.stratum for row in found}) == 57
    assert not any("\r" in text for row in found for text in row.fields.values())
    assert sum("\n" in row.fields["question"] for row in found) > 1000
    padded = [row for row in found if row.fields["question"] != row.fields["question"].strip()]
    assert len(padded) == 963
    dev = loader.model_copy(update={"files": r"(?P<subject>.+)_dev\.csv"})
    assert len(rows(test_data / "mmlu", dev)) == 285


def test_truthfulqas_lists_are_split(test_data: Path) -> None:
    loader = Table(reference="Correct Answers", separator=";", id="Question")
    found = rows(test_data / "truthfulqa", loader.using(["Question"]))
    assert len(found) == 817
    accepted = [len(row.also_accepted) + 1 for row in found]
    assert sum(accepted) / 817 == pytest.approx(3.2, abs=0.05)
    assert not any(one != one.strip() or not one for row in found for one in row.also_accepted)


def test_gsm8k_and_xsum_are_tables(test_data: Path) -> None:
    gsm8k = Table(reference="answer", split="test").using(["question"])
    assert len(rows(test_data / "gsm8k", gsm8k)) == 1319
    xsum = Table(reference="summary", id="id").using(["document"])
    assert len(rows(test_data / "xsum", xsum)) == 1000
