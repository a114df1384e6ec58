"""Malicious bundles and cells: rejected in one line that names the file, with nothing added."""

from __future__ import annotations

import copy
import gzip
import hashlib
import io
import json
import os
import tarfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from random import Random
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cells
from cells import Cell
from frontier.errors import UserError
from frontier.exchange import adding, packing, parquet_check
from frontier.results import layout
from frontier.scorers import Scorer
from frontier.tables import comparisons, study

CELL = "falcon7b/cpu/sst2.json"
TABLE = "falcon7b/cpu/sst2.parquet"


look_apart = parquet_check.check


@pytest.fixture(autouse=True, scope="module")
def look_here() -> Iterator[None]:
    """Checks tables in this process, which takes a hundredth of the time."""

    def check(scorers: Mapping[Path, Scorer | None]) -> None:
        for path, scorer in scorers.items():
            if fault := parquet_check.fault_of(path, scorer):
                raise UserError(f"{path}: not the requests of a cell: {fault}")

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(parquet_check, "check", check)
        yield


@pytest.fixture(scope="module")
def sent(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files of a good cell by their names."""
    folder = tmp_path_factory.mktemp("sent")
    cells.measured(folder, Cell("falcon7b", task="sst2", requests=20))
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def bundle(path: Path, files: dict[str, bytes], *more: tarfile.TarInfo, **listed: str) -> Path:
    """A bundle of any files with a right manifest, and of members that are no files."""
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    manifest = json.dumps({"layout": layout.VERSION, "files": digests | listed}).encode()
    with tarfile.open(path, "w:gz") as archive:
        for name, content in {**files, packing.MANIFEST: manifest}.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
        for member in more:
            archive.addfile(member, io.BytesIO(b"x" * member.size))
    return path


def refused(source: Path, folder: Path, words: str) -> None:
    """Nothing is added, here or anywhere, and one line tells the words."""
    (folder / "results").mkdir()
    before = sorted(folder.rglob("*"))
    with pytest.raises(UserError, match=words) as refusal:
        adding.add(source, "server", folder / "results")
    assert len(str(refusal.value)) < 600
    assert ".incoming" not in str(refusal.value)
    assert sorted(folder.rglob("*")) == sorted([*before, folder / "results" / "added"])


def test_a_good_one_is_added(sent: dict[str, bytes], tmp_path: Path) -> None:
    """The others differ from this one only in the change that they are refused for."""
    adding.add(bundle(tmp_path / "x.tar.gz", sent), "server", tmp_path / "results")


@pytest.mark.parametrize(
    "name",
    ["../x.json", "/tmp/x.json", "falcon7b/cpu/../../../x.json", "falcon7b/cpu@other/sst2.json",
     "added/server.json", "study.parquet", "falcon7b/cpu/sst2/journal.jsonl", "Falcon/cpu/sst2.json",
     "falcon7b/cpu/sst2.json/x/y", "report.html", "falcon7b//sst2.json", "falcon7b/cpu/.sst2.json",
     f"{'x' * 101}/cpu/sst2.json"],
)  # fmt: skip
def test_names_of_files(name: str, sent: dict[str, bytes], tmp_path: Path) -> None:
    """Only those of a cell's files, however they are listed."""
    built = bundle(tmp_path / "x.tar.gz", {**sent, name: sent[CELL]})
    refused(built, tmp_path, "is not a file of a cell|is not a plain file")


def member(name: str, kind: bytes, **facts: Any) -> tarfile.TarInfo:
    """A tar member."""
    built = tarfile.TarInfo(name)
    built.type = kind
    for key, value in facts.items():
        setattr(built, key, value)
    return built


@pytest.mark.parametrize(
    "strange",
    [
        member(TABLE, tarfile.SYMTYPE, linkname="/etc/passwd"),
        member(TABLE, tarfile.LNKTYPE, linkname=CELL),
        member("falcon7b", tarfile.DIRTYPE),
        member("falcon7b/cpu/sst2", tarfile.CHRTYPE, devmajor=1, devminor=5),
        member("falcon7b/cpu/sst2", tarfile.FIFOTYPE),
        member(TABLE, tarfile.REGTYPE, pax_headers={"path": "../../x"}),
        member(TABLE, tarfile.GNUTYPE_SPARSE),
    ],
    ids=["symbolic link", "hard link", "folder", "device", "pipe", "extended header", "sparse"],
)
def test_members_that_are_no_files(
    strange: tarfile.TarInfo, sent: dict[str, bytes], tmp_path: Path
) -> None:
    """They are not followed, not created, not even read."""
    rest = {name: content for name, content in sent.items() if name != TABLE}
    built = bundle(tmp_path / "x.tar.gz", rest, strange, **{TABLE: "0" * 64})
    refused(built, tmp_path, "is not a plain file")


@pytest.mark.parametrize("name", [CELL, packing.MANIFEST])
def test_a_member_twice(name: str, sent: dict[str, bytes], tmp_path: Path) -> None:
    """Otherwise one of them could be checked and the other used."""
    built = bundle(tmp_path / "x.tar.gz", sent, member(name, tarfile.REGTYPE, size=3))
    refused(built, tmp_path, "occurs twice|is not a file of a cell")


def test_expansion(sent: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A few bytes that unpack to more than anyone would send."""
    monkeypatch.setattr(packing._Bounded, "left", 1 << 20)
    monkeypatch.setattr(packing, "LARGEST", 1 << 20)
    bomb = {**sent, "falcon7b/cpu/x.json": bytes(2 << 20)}
    refused(bundle(tmp_path / "x.tar.gz", bomb), tmp_path, "unpacked, too large for a study")


def test_a_table_that_expands(
    sent: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Parquet tells a text that is repeated but once."""
    table = pl.read_parquet(io.BytesIO(sent[TABLE]))
    long = table.with_columns(pl.lit("x" * 1_000_000).alias("input"))
    monkeypatch.setattr("frontier.exchange.parquet_check.MOST_TEXT", 1 << 20)
    refused(packed(tmp_path, sent, table=long), tmp_path, "20000.* bytes of text")


@pytest.mark.parametrize("lacking", ["table", "cell", "requests", "measurement"])
def test_half_a_cell(lacking: str, sent: dict[str, bytes], tmp_path: Path) -> None:
    """A summary without its table, requests without their measurement, and the like."""
    ends = {"table": "t", "cell": "st2.json", "requests": "jsonl", "measurement": "ment.json"}
    rest = {name: content for name, content in sent.items() if not name.endswith(ends[lacking])}
    assert len(rest) == 3
    refused(bundle(tmp_path / "x.tar.gz", rest), tmp_path, "missing|not a single measurement")


def test_a_manifest_that_lists_itself(sent: dict[str, bytes], tmp_path: Path) -> None:
    """It cannot know its own digest."""
    built = bundle(tmp_path / "x.tar.gz", sent, **{packing.MANIFEST: "0" * 64})
    refused(built, tmp_path, "manifest.json is missing")


@pytest.mark.parametrize(
    "manifest", [b"", b"[]", b'{"files": 3}', b'{"files": {"a": []}}', b"[" * 100_000]
)
def test_a_manifest_that_is_nonsense(
    manifest: bytes, sent: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line, whatever it is."""
    monkeypatch.setattr("json.dumps", lambda *_: manifest.decode())
    built = bundle(tmp_path / "x.tar.gz", sent)
    monkeypatch.undo()
    refused(built, tmp_path, "manifest.json|is (missing|not listed)")


def packed(
    folder: Path, sent: dict[str, bytes], cell: Any = None, table: pl.DataFrame | None = None
) -> Path:
    """A bundle of the good cell with another summary or table."""
    files = dict(sent)
    if cell is not None:
        files[CELL] = cell if isinstance(cell, bytes) else json.dumps(cell).encode()
    if table is not None:
        stream = io.BytesIO()
        table.write_parquet(stream)
        files[TABLE] = stream.getvalue()
    return bundle(folder / "x.tar.gz", files)


SUMMARIES: dict[str, tuple[str, Any, str]] = {
    "no outcome": ("outcome", "great", "outcome"),
    "a reason that is none": ("reason", ["x"], "reason"),
    "another cell": ("cell/device", "gpu", "says that it is the cell"),
    "a device with a path": ("cell/device", "../cpu", "says that it is the cell"),
    "a variant of another model": ("cell/model", "llama", "not its model, quantization"),
    "a score that is text": ("score", "high", "score"),
    "a metric that is a column": ("score/metrics/device", {"value": 1.0, "unit": "", "method": ""}, "name of a column"),
    "a metric that is an end": ("score/metrics/x_low", {"value": 1.0, "unit": "", "method": ""}, "name of a column"),
    "a metric that is for a terminal": ("score/metrics/\x1b[2J", 1, r"⟨U\+001B⟩"),
    "a metric that is markup": ("score/metrics/<b>", {"value": 1.0, "unit": "", "method": ""}, "score.metrics"),
    "a primary metric that is not there": ("score/primary", "best", "no metric 'best'"),
    "a scorer that we lack": ("score/scorer/kind", "os.path", r"score\.scorer: kind: unknown id 'os\.path'"),
    "a scorer's options": ("score/scorer/options", {"x": 1}, r"score\.scorer: options\."),
    "a latency that is text": ("figures/latency_p50_s/value", "fast", "figures.latency_p50_s"),
    "a latency that is a list": ("figures/latency_p50_s", [], "figures.latency_p50_s"),
    "bytes without end": ("figures/weights_bytes", 10**30, "too large"),
    "a latency below nothing": ("figures/latency_p50_s/low", -1.0, "figures.latency_p50_s"),
    "true for a number": ("figures/load_s", True, "figures.load_s"),
    "no figures": ("figures", None, "figures"),
    "a number below nothing": ("figures/load_s", -1, "figures.load_s"),
    "half a byte": ("figures/weights_bytes", 0.5, "figures.weights_bytes"),
    "bytes with an interval": ("figures/weights_bytes", {"value": 1}, "figures.weights_bytes"),
    "a kernel that is a number": ("figures/kernel", 3, "figures.kernel"),
    "text for a number": ("figures/mbu", "high", "figures.mbu"),
    "hardware that is a list": ("provenance/hardware", [1], "provenance.hardware"),
    "packages that are numbers": ("provenance/packages", {"torch": 2}, "provenance.packages"),
    "other requests": ("requests_sha256", "0" * 64, "not the requests that its cell"),
    "half a letter": ("reason", "\ud800", "Invalid JSON"),
}  # fmt: skip


@pytest.mark.parametrize("case", SUMMARIES)
def test_a_summary_that_is_nonsense(case: str, sent: dict[str, bytes], tmp_path: Path) -> None:
    """Its file and the key are named."""
    keys, value, words = SUMMARIES[case]
    cell = json.loads(sent[CELL])
    *parents, last = keys.split("/")
    block = cell
    for key in parents:
        block = block[key]
    block[last] = value
    refused(packed(tmp_path, sent, cell), tmp_path, words)


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"\xff", b"3", b"[" * 100_000, b'{"a":' * 900])
def test_a_summary_that_is_no_json(text: bytes, sent: dict[str, bytes], tmp_path: Path) -> None:
    """The other case is JSON too deeply nested to be parsed."""
    refused(packed(tmp_path, sent, text), tmp_path, "sst2.json: ")


TABLES: dict[str, tuple[Callable[[pl.DataFrame], pl.DataFrame], str]] = {
    "an id twice": (lambda table: pl.concat([table, table]), "20 ids for 40"),
    "no ids": (lambda table: table.with_columns(pl.lit(None, pl.String).alias("id")), "0 ids for 20"),
    "times that are text": (lambda table: table.cast({"latency_s": pl.String}), "latency_s is String"),
    "a time before the start": (lambda table: table.with_columns(pl.lit(-1.0).alias("ttft_s")), "is negative"),
    "a time that is not a number": (lambda table: table.with_columns(pl.lit(float("nan")).alias("ttft_s")), "not a number"),
    "tokens that are text": (lambda table: table.cast({"tokens": pl.String}), "tokens is String"),
    "fewer tokens than none": (lambda table: table.with_columns(pl.lit(-1).cast(pl.Int64).alias("tokens")), "is negative"),
    "no answers": (lambda table: table.drop("prediction"), "prediction is None"),
    "an answer that is missing": (
        lambda table: table.with_columns(prediction=pl.when(pl.col("tokens") > 3).then("prediction")),
        "texts or numbers of tokens are missing",
    ),
    "answers that are lists": (
        lambda table: table.with_columns(pl.concat_list("prediction").alias("prediction")),
        "prediction is List",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", TABLES)
def test_a_table_that_is_nonsense(case: str, sent: dict[str, bytes], tmp_path: Path) -> None:
    """Comparisons would fail over it, or multiply its rows."""
    change, words = TABLES[case]
    table = change(pl.read_parquet(io.BytesIO(sent[TABLE])))
    refused(packed(tmp_path, sent, table=table), tmp_path, words)


COUNTS: dict[str, tuple[Callable[[pl.DataFrame], pl.DataFrame], str]] = {
    "twice": (lambda table: table.with_columns(pl.col("counts").list.eval(2 * pl.element())), "not counted from the texts"),
    "others' counts and scores": (
        lambda table: table.with_columns(pl.col("counts", "score").shuffle(1)), "not counted from the texts",
    ),
    "other scores": (lambda table: table.with_columns(score=0.5), "does not match the scores"),
    "too many": (
        lambda table: table.with_columns(pl.concat_list("counts", "counts").alias("counts")), "does not have 18 counts",
    ),
    "text": (lambda table: table.with_columns(pl.lit("1, 2").alias("counts")), "counts is String"),
}  # fmt: skip


def translated(folder: Path, change: Callable[[pl.DataFrame], pl.DataFrame]) -> Path:
    """A bundle of a cell with counts of a corpus metric, as the scorer gives them but for a change."""
    folder.mkdir()
    cell = Cell(
        "falcon7b", task="sst2", metric="chrf2", requests=20,
        text=lambda n, _: f"a{n} cat", reference=lambda n: f"the cat {n * n}",
    )  # fmt: skip
    table = cells.translated(cells.measured(folder, cell)).with_suffix(".parquet")
    change(pl.read_parquet(table)).write_parquet(table)
    files = {at.relative_to(folder).as_posix(): at.read_bytes() for at in folder.rglob("*.*")}
    return bundle(folder.parent / "x.tar.gz", files)


@pytest.mark.parametrize("case", COUNTS)
def test_counts_that_no_text_gives(case: str, tmp_path: Path) -> None:
    change, words = COUNTS[case]
    refused(translated(tmp_path / "sent", change), tmp_path, f"sst2.parquet: .*{words}")


@pytest.mark.parametrize("columns", [(), ("counts",)])
def test_counts_of_this_release_and_none_of_an_earlier_one(
    columns: tuple[str, ...], tmp_path: Path
) -> None:
    sent = translated(tmp_path / "sent", lambda table: table.drop(columns))
    (tmp_path / "results").mkdir()
    adding.add(sent, "server", tmp_path / "results")
    at = tmp_path / "results/falcon7b/cpu@server/sst2.parquet"
    assert ("counts" in pl.read_parquet_schema(at)) is not bool(columns)


@pytest.mark.parametrize("seed", range(12))
def test_spoilt_tables(
    seed: int, sent: dict[str, bytes], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Some bytes of a Parquet file changed: refused, or as readable; the reader's end is not ours."""
    random, content = Random(seed), bytearray(sent[TABLE])
    for _ in range(random.randint(1, 40)):
        content[random.randrange(len(content))] = random.randrange(256)
    path = tmp_path / "sst2.parquet"
    path.write_bytes(content)
    refusal = ""
    try:
        look_apart({path: "classification"})
    except UserError as error:
        refusal = str(error)
    assert not refusal or "sst2.parquet: not the requests of a cell" in refusal
    assert capfd.readouterr().err == ""


def end(path: Path, scorer: Scorer | None) -> None:
    """Ends this process, as a table might."""
    os._exit(1)


def test_a_table_that_ends_its_reader(
    sent: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some tables crash Polars; here only a separate process ends, which is reported in one line."""
    monkeypatch.setattr("frontier.exchange.parquet_check.fault_of", end)
    monkeypatch.setattr("frontier.exchange.parquet_check.check", look_apart)
    refused(packed(tmp_path, sent), tmp_path, "sst2.parquet: .*reading it crashes the process")


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=4,
)  # fmt: skip


def places(value: Any, keys: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Every place in nested mappings."""
    own = [keys] if keys else []
    inner = value.items() if isinstance(value, dict) else ()
    return own + [place for key, one in inner for place in places(one, (*keys, key))]


@settings(max_examples=150)
@given(data=st.data())
def test_what_is_added_can_be_shown(
    data: st.DataObject, sent: dict[str, bytes], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Anything anywhere in a summary: refused naming it, or aggregated and compared."""
    folder = tmp_path_factory.mktemp("any")
    cell = copy.deepcopy(json.loads(sent[CELL]))
    *parents, last = data.draw(st.sampled_from(places(cell)))
    block = cell
    for key in parents:
        block = block[key]
    block[last] = data.draw(VALUES)
    built = packed(folder, sent, cell)
    refusal = ""
    try:
        adding.add(built, "server", folder / "results")
    except UserError as error:
        refusal = str(error)
    if refusal:
        assert "sst2.json: " in refusal or "not the requests" in refusal
        return
    paths = [folder / "results/falcon7b/cpu@server/sst2.json"]
    assert study.table(paths)[0].height == 1
    comparisons.table(paths)


def written(there: Path, files: dict[str, bytes]) -> Path:
    """A folder of these files."""
    for name, content in files.items():
        (there / name).parent.mkdir(parents=True, exist_ok=True)
        (there / name).write_bytes(content)
    return there


@pytest.mark.parametrize("end", ["st2.json", "parquet", "jsonl", "ment.json"])
@pytest.mark.parametrize("share", [0, 0.5, 0.99])
def test_half_a_copy(end: str, share: float, sent: dict[str, bytes], tmp_path: Path) -> None:
    """A file of another's results/ that was cut off on its way."""
    name = next(name for name in sent if name.endswith(end))
    cut = {**sent, name: sent[name][: int(share * len(sent[name]))]}
    refused(written(tmp_path / "there", cut), tmp_path, "sst2")


def test_links_in_a_folder(sent: dict[str, bytes], tmp_path: Path) -> None:
    """A checkout of somebody's may hold links to files of ours."""
    there = written(tmp_path / "there", sent)
    (there / TABLE).rename(tmp_path / "secret")
    (there / TABLE).symlink_to(tmp_path / "secret")
    refused(there, tmp_path, "a link that leads out")


def test_a_bundle_within_gzip_only(tmp_path: Path) -> None:
    """A compressed file that is not a tar file is refused."""
    (tmp_path / "x.tar.gz").write_bytes(gzip.compress(b"hello" * 1000))
    refused(tmp_path / "x.tar.gz", tmp_path, "not a complete bundle")
