"""Results that travel: whole, unaltered, and beside what was measured here."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from frontier import bundles
from frontier.errors import UserError


def made(results: Path, place: str = "falcon7b/a6000/sst2", **told: object) -> Path:
    """A cell with all of its files."""
    cell = results / f"{place}.json"
    run = cell.with_suffix("") / "0123456789abcdef"
    run.mkdir(parents=True)
    variant, device, task = place.split("/")
    names = {"variant": variant, "model": variant, "device": device, "task": task}
    summary = {"cell": names, "outcome": "measured", "requests_sha256": "r", **told}
    cell.write_text(json.dumps(summary))
    cell.with_suffix(".parquet").write_bytes(b"a table")
    (run / "measurement.json").write_text(json.dumps({"requests_sha256": "r"}))
    (run / "requests.jsonl").write_text("{}\n")
    return cell


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """A packed cell."""
    made(tmp_path / "there")
    bundles.pack(tmp_path / "there", tmp_path / "server.tar.gz")
    return tmp_path / "server.tar.gz"


def files(folder: Path) -> dict[str, bytes]:
    """Everything below a folder."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_a_cell_arrives_as_it_was_sent(bundle: Path, tmp_path: Path) -> None:
    """Byte for byte, with its device called after where it comes from; again changes nothing."""
    sent = files(tmp_path / "there")
    for _ in range(2):
        assert bundles.add(bundle, "server", tmp_path / "here") == (["falcon7b/a6000/sst2"], [])
        got = files(tmp_path / "here")
        del got["added/server.json"]
        assert got == {name.replace("a6000", "a6000@server"): one for name, one in sent.items()}
    bundles.check_added(tmp_path / "here")


def test_what_was_measured_here_stays(bundle: Path, tmp_path: Path) -> None:
    """The same cell on other hardware is a conflict, of which both are kept."""
    here = tmp_path / "here"
    made(here, provenance={"hardware": {"cpu": "another"}})
    before = files(here)
    assert bundles.add(bundle, "server", here)[1] == ["falcon7b/a6000/sst2"]
    after = files(here)
    assert {name: after[name] for name in before} == before
    assert "falcon7b/a6000@server/sst2.json" in after


def test_added_cells_are_not_packed_again(bundle: Path, tmp_path: Path) -> None:
    """Each machine sends what it has measured."""
    made(tmp_path / "here", "falcon7b/mps/sst2")
    bundles.add(bundle, "server", tmp_path / "here")
    assert bundles.pack(tmp_path / "here", tmp_path / "mac.tar.gz") == 1
    assert not any("@" in name for name in bundles.read(tmp_path / "mac.tar.gz"))


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_altered_or_cut_off_bundles_are_refused(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Wherever a byte of the content was changed or the file ends too early; nothing is added."""
    folder = tmp_path_factory.mktemp("altered")
    made(folder / "there")
    bundle = folder / "server.tar.gz"
    bundles.pack(folder / "there", bundle)
    content = bytearray(gzip.decompress(bundle.read_bytes()))
    if data.draw(st.booleans(), label="cut off"):
        packed = bundle.read_bytes()
        bundle.write_bytes(packed[: data.draw(st.integers(0, len(packed) - 1), label="length")])
    else:
        start = content.index(b'"outcome"')
        at = data.draw(st.integers(start, start + 30), label="position")
        content[at] ^= 1
        bundle.write_bytes(gzip.compress(bytes(content)))
    with pytest.raises(UserError):
        bundles.add(bundle, "server", folder / "here")
    assert not (folder / "here").exists()


def test_altered_after_it_was_added(bundle: Path, tmp_path: Path) -> None:
    """The file is named."""
    bundles.add(bundle, "server", tmp_path / "here")
    table = tmp_path / "here/falcon7b/a6000@server/sst2.parquet"
    table.write_bytes(b"another table")
    with pytest.raises(UserError, match=r"a6000@server/sst2\.parquet: altered"):
        bundles.check_added(tmp_path / "here")


@pytest.mark.parametrize("secret", ["home", "token", "folder"])
def test_nothing_private_travels(
    secret: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A home folder, this folder's path or a key in any file: refused, naming the file."""
    monkeypatch.setenv("HOME", "/home/somebody")
    monkeypatch.setenv("HF_TOKEN", "hf_abcdefghijkl")
    monkeypatch.chdir(tmp_path)
    text = {"home": "/home/somebody/x", "token": "hf_abcdefghijkl", "folder": str(tmp_path)}[secret]
    made(tmp_path / "results", reason=f"cannot read {text}")
    with pytest.raises(UserError, match=r"sst2\.json: contains"):
        bundles.pack(tmp_path / "results", tmp_path / "x.tar.gz")
    assert not (tmp_path / "x.tar.gz").exists()


def test_owners_do_not_travel(bundle: Path) -> None:
    """No user's name or number, no times."""
    header = gzip.decompress(bundle.read_bytes())[:512]
    assert b"root" not in header
    assert int(header[108:115], 8) == int(header[116:123], 8) == int(header[136:147], 8) == 0


@pytest.mark.parametrize("name", ["", "Server", "a/b", "a@b", "..", "a b"])
def test_names(name: str, bundle: Path, tmp_path: Path) -> None:
    """They become part of a path and of an id."""
    with pytest.raises(UserError, match="name"):
        bundles.add(bundle, name, tmp_path / "here")
