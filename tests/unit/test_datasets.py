"""Loaders: the originals' formats, real and broken."""

from __future__ import annotations

import gzip
import io
import json
import re
import tarfile
import zipfile
from pathlib import Path

import datasets as hf_datasets
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conftest import ROOT
from frontier.catalogue.configuration import read_catalogue
from frontier.datasets import CHOSEN, LOADERS, Loader, Row
from frontier.datasets.mathematics import CATEGORIES, Mathematics
from frontier.datasets.opensubtitles import Opensubtitles
from frontier.datasets.sst2 import Sst2
from frontier.errors import UserError

SST2_GZ = "sst2/train.tsv.gz"


def rows(loader: type[Loader], folder: Path, **keys: object) -> list[Row]:
    return list(loader(**keys).rows(folder))


def fault(loader: type[Loader], folder: Path, **keys: object) -> str:
    with pytest.raises(UserError) as error:
        rows(loader, folder, **keys)
    return str(error.value)


@pytest.mark.parametrize("name", LOADERS.names())
def test_contract_of_every_loader(name: str, tmp_path: Path) -> None:
    """A folder without its files is a fault of the user's, with a name; and it says what it reads."""
    loader = LOADERS.load(name)
    assert loader.__module__ == LOADERS.module(name)
    for chosen in loaders_of(loader):
        assert chosen.fields()
        assert all(field.isidentifier() for field in chosen.fields())
        assert all(module.startswith("frontier.") for module in chosen.plugins())
        assert CHOSEN.read(json.loads(json.dumps(CHOSEN.write(chosen)))) == chosen
        if name in ("demo", "needle"):  # whose rows are of no files
            first, *_ = chosen.rows(tmp_path)
            assert first.fields.keys() == set(chosen.fields())
            assert first == next(chosen.rows(tmp_path))
            continue
        with pytest.raises(UserError, match=re.escape(str(tmp_path))):
            next(chosen.rows(tmp_path))


def loaders_of(loader: type[Loader]) -> list[Loader]:
    """The loader as the tasks of config/tasks.yaml set it; else with its defaults."""
    loaders = read_catalogue(ROOT / "config").loaders.values()
    return [one for one in loaders if type(one) is loader] or [loader()]


def test_unknown_loader_names_the_nearest() -> None:
    with pytest.raises(UserError, match=r"'opensubtitle'.*did you mean 'opensubtitles'"):
        LOADERS.load("opensubtitle")


# SST-2


def test_sst2_real_files(test_data: Path) -> None:
    train = rows(Sst2, test_data / "sst2")
    assert len(train) == 67349
    assert train[0].id == "sst2-train-000000"
    assert train[0].fields == {"sentence": "hide new secretions from the parental units"}
    assert train[0].reference == train[0].stratum == "negative"
    validation = rows(Sst2, test_data / "sst2", split="validation")
    assert len(validation) == 872
    assert validation[0].fields["sentence"] == "it 's a charming and often affecting journey ."
    assert validation[0].reference == "positive"
    # The original study's sentences are rows of the train split with the same labels.
    names = {0: "negative", 1: "positive"}
    known = {(row.fields["sentence"], row.reference) for row in train}
    for item in json.loads((test_data / "sst2/paper_sample_200.json").read_text()):
        assert (item["sentence"].strip(), names[item["label"]]) in known


def test_sst2_parquet_gives_the_rows_of_tsv(tmp_path: Path) -> None:
    table = {"sentence": ["good ", " bad", "fine"], "label": [1, 0, 1], "idx": [0, 1, 2]}
    features = hf_datasets.Features(
        sentence=hf_datasets.Value("string"),
        label=hf_datasets.ClassLabel(names=["negative", "positive"]),
        idx=hf_datasets.Value("int32"),
    )
    whole = hf_datasets.Dataset.from_dict(table, features=features)
    (tmp_path / "hub/sst2").mkdir(parents=True)
    (tmp_path / "hub/cola").mkdir()
    for shard in range(2):
        part = whole.shard(2, shard, contiguous=True)
        part.to_parquet(tmp_path / f"hub/sst2/train-0000{shard}-of-00002.parquet")
    whole.to_parquet(tmp_path / "hub/cola/train-00000-of-00001.parquet")
    (tmp_path / "tsv").mkdir()
    lines = [
        "label\tsentence",
        *(f"{b}\t{a}" for a, b in zip(table["sentence"], table["label"], strict=True)),
    ]
    (tmp_path / "tsv/train.tsv").write_text("\n".join(lines) + "\n")
    assert rows(Sst2, tmp_path / "hub") == rows(Sst2, tmp_path / "tsv")
    assert [row.fields["sentence"] for row in rows(Sst2, tmp_path / "hub")] == [
        "good",
        "bad",
        "fine",
    ]


def test_sst2_inside_glues_zip(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "SST-2.zip", "w") as archive:
        archive.writestr("SST-2/dev.tsv", "sentence\tlabel\r\nfine\t1\r\n")
        archive.writestr("__MACOSX/SST-2/._dev.tsv", b"\xff")
    assert rows(Sst2, tmp_path, split="validation") == [
        Row("sst2-validation-000000", {"sentence": "fine"}, "positive", "positive")
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sentence\tlabel\nfine\t1\nno tab\n", "dev.tsv: row 3 has 1 columns instead of 2"),
        ("sentence\tlabel\nfine\t1\n\n", "dev.tsv: row 3 has 1 columns"),
        ("sentence\tlabel\nfine\t2\n", "dev.tsv: row 2: label '2' is neither 0 nor 1"),
        ("sentence\tlabel\n \t1\n", "dev.tsv: row 2 has no sentence"),
        ("text\tlabel\nfine\t1\n", "dev.tsv: row 1 must be the header"),
        ("", "dev.tsv: row 1 must be the header"),
        (b"sentence\tlabel\nfine\t1\n\xff\xfe\t1\n", "dev.tsv: row 3 is not UTF-8"),
    ],
)
def test_sst2_broken_rows(text: str | bytes, message: str, tmp_path: Path) -> None:
    body = text.encode() if isinstance(text, str) else text
    (tmp_path / "dev.tsv").write_bytes(body)
    assert message in fault(Sst2, tmp_path, split="validation")


def test_sst2_broken_files(tmp_path: Path) -> None:
    assert "no train split of SST-2" in fault(Sst2, tmp_path)
    packed = gzip.compress(b"label\tsentence\n" + b"1\tfine\n" * 5000)
    (tmp_path / "train.tsv.gz").write_bytes(packed[: len(packed) // 2])
    assert "train.tsv.gz: damaged or truncated after row" in fault(Sst2, tmp_path)
    (tmp_path / "train.tsv").write_text("label\tsentence\n1\tfine\n")
    assert "several files could be the train split" in fault(Sst2, tmp_path)
    (tmp_path / "dev.parquet").write_bytes(b"PAR1 but not really PAR1")
    assert "dev.parquet: unreadable Parquet" in fault(Sst2, tmp_path, split="validation")


# OpenSubtitles


def moses(folder: Path, english: list[str], chinese: list[str]) -> Path:
    folder.mkdir(exist_ok=True)
    for ending, side in (("en", english), ("zh_CN", chinese)):
        (folder / f"OpenSubtitles.en-zh_CN.{ending}").write_text(
            "".join(line + "\n" for line in side), encoding="utf-8", newline="\n"
        )
    return folder


def test_opensubtitles_real_files(test_data: Path) -> None:
    to_english = rows(Opensubtitles, test_data / "opensubtitles", direction="zh-en")
    to_chinese = rows(Opensubtitles, test_data / "opensubtitles", direction="en-zh")
    assert [row.id for row in to_english] == [row.id for row in to_chinese]
    assert [row.fields["source"] for row in to_english] == [row.reference for row in to_chinese]
    # 89,566 of the 100,000 lines pass the scripts' filter; then the long and the repeated go.
    assert 70_000 < len(to_english) < 89_566
    for row in to_english:
        assert not re.search("[a-zA-Z]", row.fields["source"])
        assert re.search("[a-zA-Z]", row.reference)
        assert not re.search("[\u4e00-\u9fff]", row.reference)
    assert len({row.reference for row in to_english}) == len(to_english)
    assert len({row.fields["source"] for row in to_english}) == len(to_english)
    # The id is the line's number in the files.
    name = test_data / "opensubtitles/OpenSubtitles.en-zh_CN.en.gz"
    with gzip.open(name, "rt", encoding="utf-8", newline="\n") as file:
        english = file.read().split("\n")
    for row in to_english[::5000]:
        assert english[int(row.id.rpartition("-")[2]) - 1].strip() == row.reference


def test_opensubtitles_filters(tmp_path: Path) -> None:
    english = [
        "Hello",
        "Same",
        "",
        "Hi 好",
        "...",
        "Latin",
        "Hello",
        "New",
        "x" * 201,
        "Last\u2028one",
    ]
    chinese = ["你好", "Same", "空", "嗨", "嗯", "拉丁abc", "您好", "你好", "长", "最后"]
    found = rows(Opensubtitles, moses(tmp_path / "m", english, chinese), direction="en-zh")
    assert [(row.id, row.fields["source"], row.reference) for row in found] == [
        ("opensubtitles-00000001", "Hello", "你好"),
        ("opensubtitles-00000010", "Last\u2028one", "最后"),
    ]


def test_opensubtitles_zip_and_gz_give_the_same(tmp_path: Path) -> None:
    plain = moses(tmp_path / "plain", ["One", "Two"], ["一", "二"])
    (tmp_path / "zip").mkdir()
    (tmp_path / "gz").mkdir()
    with zipfile.ZipFile(tmp_path / "zip/en-zh_cn.txt.zip", "w") as archive:
        archive.writestr("README", "OPUS")
        archive.writestr("LICENSE", "x")
        for path in plain.iterdir():
            archive.write(path, path.name.replace("zh_CN", "zh_cn"))
            (tmp_path / f"gz/{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
    expected = rows(Opensubtitles, plain, direction="zh-en")
    assert len(expected) == 2
    assert rows(Opensubtitles, tmp_path / "zip", direction="zh-en") == expected
    assert rows(Opensubtitles, tmp_path / "gz", direction="zh-en") == expected


def test_opensubtitles_broken_files(tmp_path: Path) -> None:
    folder = moses(tmp_path / "m", ["One", "Two", "Three"], ["一", "二"])
    message = fault(Opensubtitles, folder, direction="zh-en")
    assert "OpenSubtitles.en-zh_CN.en: row 3 has no counterpart" in message
    assert "needs one file of OPUS's Moses format ending in .en" in fault(
        Opensubtitles, tmp_path / "nothing", direction="zh-en"
    )
    (folder / "OpenSubtitles.en-zh_CN.zh_CN").write_bytes("一\n".encode() + b"\xff\n\n")
    assert "zh_CN: row 2 is not UTF-8" in fault(Opensubtitles, folder, direction="zh-en")


# The mathematics dataset


def test_mathematics_real_files(test_data: Path) -> None:
    found = rows(Mathematics, test_data / "mathematics")
    modules = {row.stratum for row in found}
    assert len(modules) == len(list((test_data / "mathematics/interpolate").iterdir()))
    assert len(found) == 5000 * len(modules)
    assert {row.fields["category"] for row in found} == set(CATEGORIES)
    numbers = rows(Mathematics, test_data / "mathematics", modules=("numbers", "calculus"))
    assert {row.fields["category"] for row in numbers} == {"numbers", "calculus"}
    gcd = rows(Mathematics, test_data / "mathematics/interpolate", modules=("numbers__gcd",))
    assert len(gcd) == 5000
    assert gcd == [row for row in numbers if row.stratum == "numbers__gcd"]
    message = fault(Mathematics, test_data / "mathematics", modules=("numbers__gdc",))
    assert "no module or category 'numbers__gdc' (did you mean 'numbers__gcd'?)" in message


PAIRS = [("What is 1 + 1?", "2"), ("Is 4 prime?", "False")]


def as_json(folder: Path) -> None:
    value = [{"question": question, "answer": answer} for question, answer in PAIRS]
    (folder / "interpolate").mkdir()
    (folder / "interpolate/numbers__x.json").write_text(json.dumps(value))


def as_text(folder: Path) -> None:
    (folder / "v1.0/interpolate").mkdir(parents=True)
    (folder / "v1.0/train-easy").mkdir(parents=True)
    text = "".join(f"{question}\n{answer}\n" for question, answer in PAIRS)
    (folder / "v1.0/interpolate/numbers__x.txt").write_text(text)
    (folder / "v1.0/train-easy/numbers__x.txt").write_text("Another\n1\n")
    (folder / "v1.0/README.txt").write_text("read me\n")


def as_archive(folder: Path) -> None:
    as_text(folder)
    with tarfile.open(folder / "mathematics_dataset-v1.0.tar.gz", "w:gz") as archive:
        archive.add(folder / "v1.0", "./mathematics_dataset-v1.0")
    for path in (folder / "v1.0").rglob("*.txt"):
        path.unlink()


@pytest.mark.parametrize("make", [as_json, as_text, as_archive])
@pytest.mark.parametrize("modules", ["all", ("numbers",), ("numbers__x",)])
def test_mathematics_formats(make, modules: object, tmp_path: Path) -> None:  # noqa: ANN001
    make(tmp_path)
    found = rows(Mathematics, tmp_path, modules=modules)
    assert [(row.fields["question"], row.reference) for row in found] == PAIRS
    assert [row.id for row in found] == [
        f"mathematics-interpolate-numbers__x-00000{i}" for i in (0, 1)
    ]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a__b.txt", "Q\nA\nQ\n", "a__b.txt: row 3 is a question without an answer"),
        ("a__b.txt", "Q\n\nQ\nA\n", "a__b.txt: row 2 is empty"),
        ("a__b.json", '[{"question": "Q", "answer": "A"}, {"question": "Q"}]', "row 2 lacks"),
        ("a__b.json", '[{"question": "Q", "answer": 3}]', "a__b.json: row 1 lacks"),
        ("a__b.json", '[["Q", "A"]]', "a__b.json: row 1 lacks"),
        ("a__b.json", '[{"question": "Q", "answer": " "}]', "a__b.json: row 1 has an empty"),
        ("a__b.json", '{"question": "Q"}', "a__b.json: not an array"),
        ("a__b.json", '[{"question": ', "a__b.json: not JSON"),
        ("ab.txt", "Q\nA\n", "no modules of interpolate"),
    ],
)
def test_mathematics_broken_rows(name: str, text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    assert message in fault(Mathematics, tmp_path, modules="all")


def test_mathematics_truncated_archive(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for module in "abc":
            body = "".join(f"Question {module} {i * i}?\n{i}\n" for i in range(5000)).encode()
            info = tarfile.TarInfo(f"v/interpolate/numbers__{module}.txt")
            info.size = len(body)
            archive.addfile(info, io.BytesIO(body))
    body = buffer.getvalue()
    (tmp_path / "v.tar.gz").write_bytes(body[: len(body) * 2 // 3])
    assert "damaged or truncated" in fault(Mathematics, tmp_path)


# Anything at all


@given(
    st.one_of(
        st.binary(max_size=80),
        st.text("\t\n01ab\r", max_size=40).map(lambda text: f"sentence\tlabel\n{text}".encode()),
    )
)
def test_any_bytes_are_rows_or_a_fault_with_its_place(tmp_path: Path, body: bytes) -> None:
    faults: list[str] = []
    for name, module, options in (
        ("dev.tsv", Sst2, {"split": "validation"}),
        ("a__b.txt", Mathematics, {"modules": "all"}),
        ("a__b.json", Mathematics, {"modules": "all"}),
        ("a__b.json.gz", Mathematics, {"modules": "all"}),
        ("train.tsv.gz", Sst2, {}),
        ("dev.zip", Sst2, {"split": "validation"}),
        ("x.tar.gz", Mathematics, {"modules": "all"}),
    ):
        path = tmp_path / name
        path.write_bytes(body)
        try:
            for row in rows(module, tmp_path, **options):
                assert row.id
                assert all(value.strip() for value in row.fields.values())
        except UserError as error:
            faults.append(str(error))
        finally:
            path.unlink()
    assert all("\n" not in fault for fault in faults)


@given(
    st.lists(
        st.tuples(
            st.text(st.characters(exclude_characters="\n\r\t\0", codec="utf-8"), min_size=1),
            st.booleans(),
        ).filter(lambda pair: pair[0].strip("\ufeff").strip()),
    )
)
def test_sst2_reads_back_what_was_written(tmp_path: Path, pairs: list[tuple[str, bool]]) -> None:
    text = "sentence\tlabel\n" + "".join(f"{line}\t{int(label)}\n" for line, label in pairs)
    (tmp_path / "train.tsv").write_text(text, encoding="utf-8", newline="\n")
    found = [(row.fields["sentence"], row.reference == "positive") for row in rows(Sst2, tmp_path)]
    assert found == [(line.strip(), label) for line, label in pairs]


# The layouts in which SST-2 is published


def parquet(path: Path, sentences: list[str], **columns: list[object]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    labels = [number % 2 for number in range(len(sentences))]
    table = {"sentence": sentences, "label": labels, **columns}
    hf_datasets.Dataset.from_dict(table).to_parquet(path)


@pytest.mark.parametrize(
    "names",
    [
        ["validation.parquet"],
        ["validation-00000-of-00001.parquet"],
        ["data/validation-00000-of-00001-6c5e9d38f9ad1f2b.parquet"],
        ["data/validation-00000-of-00002.parquet", "data/validation-00001-of-00002.parquet"],
        ["validation/0000.parquet"],
        ["sst2/validation/0000.parquet", "sst2/validation/0001.parquet"],
        ["sst2/glue-validation.parquet"],
        ["SST-2/dev.parquet"],
    ],
)
def test_sst2_layouts_of_parquet(names: list[str], tmp_path: Path) -> None:
    """Old and new names of the hub, of its own conversions and of tools; other splits are next to it."""
    for number, name in enumerate(names):
        parquet(tmp_path / name, [f"{number} a", f"{number} b"])
        parquet(tmp_path / name.replace("validation", "test").replace("dev", "test"), ["other"])
    parquet(tmp_path / "train-00000-of-00001-0123456789abcdef.parquet", ["of another split"])
    found = rows(Sst2, tmp_path, split="validation")
    sentences = [row.fields["sentence"] for row in found]
    assert sentences == [f"{number} {x}" for number in range(len(names)) for x in "ab"]
    assert len(rows(Sst2, tmp_path, split="train")) == 1


def test_sst2_of_glues_conversions(tmp_path: Path) -> None:
    """A folder for each task, which have files of the same names."""
    parquet(tmp_path / "sst2/validation/0000.parquet", ["fine"])
    parquet(tmp_path / "cola/validation/0000.parquet", ["a sentence of another task"])
    found = rows(Sst2, tmp_path, split="validation")
    assert [row.fields["sentence"] for row in found] == ["fine"]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["validation-00000-of-00002.parquet"], "shards of the validation split are missing"),
        (["validation/0001.parquet"], "shards of the validation split are missing"),
        (["validation/0000.parquet", "validation/0002.parquet"], "shards of the validation"),
        (["validation.parquet", "data/validation.parquet"], "several files could be"),
        (["dev.parquet", "validation.parquet"], "several files could be"),
        (
            [f"validation-00000-of-00001-{letter * 16}.parquet" for letter in "ab"],
            "several files could be",
        ),
        (["partial-validation/0000.parquet"], "no validation split"),
        (["test/0000.parquet"], "no validation split"),
    ],
)
def test_sst2_that_is_not_whole(names: list[str], message: str, tmp_path: Path) -> None:
    """Rows twice, or too few of them, would make another sample and say nothing."""
    for name in names:
        parquet(tmp_path / name, ["a", "b"])
    assert message in fault(Sst2, tmp_path, split="validation")


# Rows that are no text


BYTES_ROWS = [("What is 2 + 3?", "5"), ("What's 3 + 4?", "7"), ('Is é \\ a "letter"?', "True")]


def test_mathematics_of_byte_strings_is_decoded(tmp_path: Path) -> None:
    """The hub's rows look like this after `str(bytes)`."""
    shown = [
        {"question": str(f"{question}\n".encode()), "answer": str(f"{answer}\n".encode())}
        for question, answer in BYTES_ROWS
    ]
    assert shown[0] == {"question": "b'What is 2 + 3?\\n'", "answer": "b'5\\n'"}
    (tmp_path / "arithmetic__add_or_sub.json").write_text(json.dumps(shown))
    found = rows(Mathematics, tmp_path, modules="all")
    assert [(row.fields["question"], row.reference) for row in found] == BYTES_ROWS
    text = "".join(f"{row['question']}\n{row['answer']}\n" for row in shown)
    (tmp_path / "txt").mkdir()
    (tmp_path / "txt/arithmetic__add_or_sub.txt").write_text(text)
    assert [row.fields for row in rows(Mathematics, tmp_path / "txt", modules="all")] == [
        row.fields for row in found
    ]


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        ([("b'2 + 3?'", "5")], "row 1 is not written as Python's bytes"),
        ([("2 + 3?", "5"), ("b'3 + 4?'", "b'7'")], "row 2 is written as Python's bytes"),
        (
            [("b'2 + 3?'", "b'5'"), ("3 + 4?", "7")],
            "row 2 is not written as Python's bytes",
        ),
        ([("b'2 + 3?'", "b'\\n'")], "row 1 has an empty question or answer"),
        ([("b'\\xff'", "b'5'")], "row 1: bytes (b'…') that are not UTF-8 text"),
        ([("b'a' + b'b'", "b'5'")], "row 1: bytes (b'…') that are not UTF-8 text"),
    ],
)
def test_mathematics_of_some_byte_strings_is_refused(
    pairs: list[tuple[str, str]], message: str, tmp_path: Path
) -> None:
    keyed = [dict(zip(("question", "answer"), pair, strict=True)) for pair in pairs]
    (tmp_path / "a__b.json").write_text(json.dumps(keyed))
    found = fault(Mathematics, tmp_path, modules="all")
    assert message in found
    assert "a__b.json" in found


def test_sst2_of_byte_strings(tmp_path: Path) -> None:
    parquet(tmp_path / "text/dev.parquet", [str(b"good "), str(b"it's bad")])
    found = rows(Sst2, tmp_path / "text", split="validation")
    assert [row.fields["sentence"] for row in found] == ["good", "it's bad"]
    parquet(tmp_path / "mixed/dev.parquet", ["good", str(b"bad")])
    assert "dev.parquet: row 1 is written as Python" in fault(
        Sst2, tmp_path / "mixed", split="validation"
    )
    parquet(tmp_path / "binary/dev.parquet", [b"good", b"bad"])  # type: ignore[list-item]
    assert "row 0: the sentence is stored as bytes" in fault(
        Sst2, tmp_path / "binary", split="validation"
    )


def test_opensubtitles_of_byte_strings_has_no_rows(tmp_path: Path) -> None:
    """No Chinese letter is left in them."""
    (tmp_path / "x.en").write_text(f"{b'Where are you?'}\n")
    (tmp_path / "x.zh_cn").write_text(f"{'你在哪里'.encode()}\n")
    assert rows(Opensubtitles, tmp_path, direction="zh-en") == []


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "latin-1"])
def test_text_of_another_encoding_is_refused(encoding: str, tmp_path: Path) -> None:
    """It is refused even if its bytes happen to be UTF-8 with NULs between the letters."""
    (tmp_path / "dev.tsv").write_bytes("sentence\tlabel\ncafé\t1\n".encode(encoding))
    found = fault(Sst2, tmp_path, split="validation")
    assert "dev.tsv: row " in found
    assert "UTF-8" in found


def test_a_mark_and_windows_line_ends_are_no_text(tmp_path: Path) -> None:
    (tmp_path / "dev.tsv").write_bytes("\ufeffsentence\tlabel\r\nfine\t1\r\n".encode())
    assert rows(Sst2, tmp_path, split="validation")[0].fields == {"sentence": "fine"}
    (tmp_path / "a__b.txt").write_bytes("\ufeffWhat?\r\n5\r\n".encode())
    found = rows(Mathematics, tmp_path, modules="all")[0]
    assert (found.fields["question"], found.reference) == ("What?", "5")
