"""Archives of every kind, whole and broken: their rows, or one line with archive and method."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frontier.datasets import Row
from frontier.datasets.common import archives
from frontier.datasets.mathematics import Mathematics
from frontier.datasets.sst2 import Sst2
from frontier.errors import UserError

NAME, TEXT = "SST-2/dev.tsv", "sentence\tlabel\ngood\t1\nbad\t0\n"
HEADERS = ((b"PK\3\4", 6, 8), (b"PK\1\2", 8, 10))
"""The offsets of a file's flags and method in its two headers in a zip."""


def rows(folder: Path) -> list[Row]:
    return list(Sst2(split="validation").rows(folder))


def fault(folder: Path) -> str:
    with pytest.raises(UserError) as refused:
        rows(folder)
    assert "\n" not in str(refused.value)
    return str(refused.value)


def zipped(method: int = zipfile.ZIP_DEFLATED, name: str = NAME) -> bytearray:
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w", method) as archive:
        archive.writestr(name, TEXT)
        archive.writestr("SST-2/original/SOStr.txt", "other one")
    return bytearray(body.getvalue())


def marked(at: int, value: int) -> bytes:
    """A zip whose first file has another method (at: 1) or other flags (0) in both headers."""
    body = zipped()
    for signature, *offsets in HEADERS:
        place = body.find(signature) + offsets[at]
        body[place : place + 2] = struct.pack("<H", value)
    return bytes(body)


def tarred(mode: str, text: str = TEXT) -> bytes:
    body = io.BytesIO()
    with tarfile.open(fileobj=body, mode=f"w:{mode}") as archive:
        info = tarfile.TarInfo(f"./{NAME}")
        info.size = len(text.encode())
        archive.addfile(info, io.BytesIO(text.encode()))
        link = tarfile.TarInfo("SST-2/latest.tsv")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    return body.getvalue()


WHOLE: dict[str, Callable[[], bytes]] = {
    "stored.zip": lambda: bytes(zipped(zipfile.ZIP_STORED)),
    "SST-2.ZIP": lambda: bytes(zipped()),
    "bz2.zip": lambda: bytes(zipped(zipfile.ZIP_BZIP2)),
    "lzma.zip": lambda: bytes(zipped(zipfile.ZIP_LZMA)),
    "windows.zip": lambda: bytes(zipped(name="SST-2\\dev.tsv")),
    "x.tar": lambda: tarred(""),
    "x.tar.gz": lambda: tarred("gz"),
    "x.tgz": lambda: tarred("gz"),
    "x.tar.bz2": lambda: tarred("bz2"),
    "x.tar.xz": lambda: tarred("xz"),
    "dev.tsv.gz": lambda: gzip.compress(TEXT.encode()),
    "dev.tsv.bz2": lambda: bz2.compress(TEXT.encode()),
    "dev.tsv.xz": lambda: lzma.compress(TEXT.encode()),
}


@pytest.mark.parametrize("name", WHOLE)
def test_whole(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(WHOLE[name]())
    assert [row.fields["sentence"] for row in rows(tmp_path)] == ["good", "bad"]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (marked(1, 9), "SST-2.zip:SST-2/dev.tsv: is compressed by Deflate64"),
        (marked(1, 93), "is compressed by Zstandard"),
        (marked(1, 77), "is compressed by method 77"),
        (marked(0, 1), "SST-2.zip:SST-2/dev.tsv: is encrypted"),
        (marked(0, 0x20), "SST-2.zip:SST-2/dev.tsv: cannot be read"),
        (bytes(zipped())[:150], "SST-2.zip: damaged or truncated archive"),
        (b"<html>not found</html>", "SST-2.zip: damaged or truncated archive"),
        (b"", "SST-2.zip: damaged or truncated archive"),
        (bytes(zipped(name="../dev.tsv")), "'../dev.tsv' is outside the archive"),
        (bytes(zipped(name="/etc/dev.tsv")), "is outside the archive"),
        (bytes(zipped(name="..\\dev.tsv")), "is outside the archive"),
    ],
)
def test_zips_that_cannot_be_read(body: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "SST-2.zip").write_bytes(body)
    assert message in fault(tmp_path)


def test_a_newer_version_of_the_format(tmp_path: Path) -> None:
    body = zipped()
    body[body.find(b"PK\1\2") + 6] = 99
    (tmp_path / "SST-2.zip").write_bytes(body)
    assert "SST-2.zip: cannot be read (zip file version 9.9)" in fault(tmp_path)


def test_what_is_not_read_need_not_be_readable(tmp_path: Path) -> None:
    """A zip in which another file is encrypted."""
    body = zipped()
    for signature, flags, _ in HEADERS:
        body[body.find(signature, body.find(signature) + 4) + flags] = 1
    (tmp_path / "SST-2.zip").write_bytes(body)
    assert len(rows(tmp_path)) == 2


def test_bombs(tmp_path: Path) -> None:
    """The archive's record of a file, the length of a row or that of a text gives them away."""
    body = zipped()
    for signature, at in ((b"PK\3\4", 22), (b"PK\1\2", 24)):
        place = body.find(signature) + at
        body[place : place + 4] = struct.pack("<I", 1 << 31)
    (tmp_path / "SST-2.zip").write_bytes(body)
    assert "that unpack to 2,147,483,648 are not text" in fault(tmp_path)
    (tmp_path / "SST-2.zip").unlink()
    with gzip.open(tmp_path / "dev.tsv.gz", "wb") as packed:
        packed.write(b"x" * (1 << 25))
    assert "dev.tsv.gz: row 1 is longer than 16,777,216 bytes" in fault(tmp_path)


def test_a_text_that_is_too_long_to_be_read_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("frontier.datasets.common.files.MAX_TEXT", 100)
    (tmp_path / "a__b.json").write_text("[" + " " * 200)
    with pytest.raises(UserError, match=r"a__b\.json: is longer than 100 bytes"):
        list(Mathematics(modules="all").rows(tmp_path))


@pytest.mark.parametrize("mode", ["", "gz", "bz2", "xz"])
def test_tars_cut_anywhere_are_reported(mode: str, tmp_path: Path) -> None:
    """A cut between two files, which leaves nothing wrong, is reported too: no row is lost silently."""
    noise = "".join(f"row {os.urandom(20).hex()}\t1\n" for _ in range(60))
    body = tarred(mode, f"sentence\tlabel\n{noise}")
    path = tmp_path / f"x.tar{'.' if mode else ''}{mode}"
    refusal = 0
    for cut in (*range(1, 40), *range(512, len(body), 512), *range(len(body) - 80, len(body) + 1)):
        path.write_bytes(body[:cut])
        found = 60
        try:
            found = len(rows(tmp_path))
        except UserError:
            refusal += 1
        assert found == 60, cut
    assert refusal > 40


def test_what_no_archive_is(tmp_path: Path) -> None:
    for name in ("SST-2.7z", "SST-2.rar", "dev.tsv.zst"):
        (tmp_path / name).write_bytes(b"7z\xbc\xaf\x27\x1c")
        assert f"{name}: cannot be unpacked here; unpack it" in fault(tmp_path)
        (tmp_path / name).unlink()
    (tmp_path / "x.tar.gz").write_bytes(b"<html>not found</html>")
    assert "x.tar.gz: damaged or truncated archive" in fault(tmp_path)


@given(kind=st.sampled_from(list(WHOLE)), data=st.data())
def test_any_damage_is_reported_in_one_line(tmp_path: Path, kind: str, data: st.DataObject) -> None:
    body = bytearray(WHOLE[kind]())
    for _ in range(data.draw(st.integers(1, 4))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path / kind
    path.write_bytes(body[: data.draw(st.integers(len(body) // 2, len(body)))])
    refusal = ""
    try:
        rows(tmp_path)
    except UserError as error:
        refusal = str(error)
    path.unlink()
    assert "\n" not in refusal


def test_names() -> None:
    assert archives.is_archive("a/B.Tar.GZ")
    assert not archives.is_archive("dev.tsv.gz")
    assert archives.bare("dev.tsv.GZ") == "dev.tsv"
    assert archives.bare("dev.tsv") == "dev.tsv"
