"""Results that travel: whole, unaltered, without anybody's name, next to what was measured here."""

from __future__ import annotations

import gzip
import io
import json
import platform
import tarfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cells
from cells import Cell
from frontier.errors import UserError
from frontier.exchange import adding, packing, private
from frontier.results import bundles, checksums, layout
from frontier.values import sha256

FALCON = Cell("falcon7b", device="a6000", task="sst2", requests=20)
PLACE = "falcon7b/a6000/sst2"


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The content of a packed cell."""
    folder = tmp_path_factory.mktemp("packed")
    cells.measured(folder / "there", FALCON)
    packing.pack(folder / "there", folder / "server.tar.gz")
    return (folder / "server.tar.gz").read_bytes()


@pytest.fixture
def bundle(content: bytes, tmp_path: Path) -> Path:
    """The packed cell and the folder that it is from."""
    cells.measured(tmp_path / "there", FALCON)
    (tmp_path / "server.tar.gz").write_bytes(content)
    return tmp_path / "server.tar.gz"


def files(folder: Path) -> dict[str, bytes]:
    """Everything below a folder."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize("source", ["server.tar.gz", "there"])
def test_a_cell_arrives_as_it_was_sent(source: str, bundle: Path, tmp_path: Path) -> None:
    """Byte for byte, with its device called after where it comes from; again changes nothing."""
    sent, here = files(tmp_path / "there"), tmp_path / "here"
    for _ in range(2):
        assert adding.add(tmp_path / source, "server", here) == ([PLACE], {})
        got = files(here)
        del got["added/server.json"]
        assert got == {name.replace("a6000", "a6000@server"): one for name, one in sent.items()}
    bundles.check_added(here)
    assert bundles.added_cells(here).keys() == {here / "falcon7b/a6000@server/sst2.json"}


def test_a_bundle_is_made_of_its_content(bundle: Path, tmp_path: Path) -> None:
    """Packed again it has the same bytes: no time, no owner, no name of a file or machine."""
    packing.pack(tmp_path / "there", tmp_path / "again.tar.gz")
    assert (tmp_path / "again.tar.gz").read_bytes() == bundle.read_bytes()
    assert platform.node().encode() not in bundle.read_bytes()[:200]
    with tarfile.open(bundle) as archive:
        assert {(one.uid, one.gid, one.uname, one.gname, one.mtime) for one in archive} == {
            (0, 0, "", "", 0)
        }


OTHER = {"hardware": {"cpu": "Example CPU", "cores": 64, "gpus": ["A100"]}}


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"provenance": OTHER}, ["other GPU: A100 here, none there", "other number of cores: 64 here, 2 there",
                                 "other memory: none here, 8.00 GB there"]),
        ({"identity": {"digest": "f" * 16, "code": {"score": "1"}}}, ["scored by other code"]),
        ({"identity": {"digest": "f" * 16, "inputs": "1"}},
         ["measured from another specification, code or input"]),
        ({"identity": {"digest": "f" * 16}, "provenance": {"packages": {"torch": "2.12.0\x1b[2J"}}},
         ["other torch: 2.12.0⟨U+001B⟩[2J here, 2.13.0 there", "other transformers: none here, 5.23.0 there",
          "another identity"]),
    ],
)  # fmt: skip
def test_a_conflict_is_reported_and_both_are_kept(
    changed: dict[str, object], words: list[str], bundle: Path, tmp_path: Path
) -> None:
    """The same cell on other hardware or of something else: in words, without terminal controls."""
    here = tmp_path / "here"
    cells.measured(here, Cell("falcon7b", device="a6000", task="sst2", requests=20, **changed))  # type: ignore[arg-type]
    before = files(here)
    assert adding.add(bundle, "server", here)[1] == {PLACE: words}
    after = files(here)
    assert {name: after[name] for name in before} == before
    assert "falcon7b/a6000@server/sst2.json" in after


def test_the_same_measured_twice_is_no_conflict(bundle: Path, tmp_path: Path) -> None:
    """The hardware and the specification are the same."""
    cells.measured(tmp_path / "here", FALCON)
    assert adding.add(bundle, "server", tmp_path / "here")[1] == {}


def test_added_cells_are_not_packed_again(bundle: Path, tmp_path: Path) -> None:
    """Each machine sends what it has measured."""
    cells.measured(tmp_path / "here", Cell("falcon7b", device="mps", requests=20))
    adding.add(bundle, "server", tmp_path / "here")
    assert packing.pack(tmp_path / "here", tmp_path / "mac.tar.gz") == 1
    with tarfile.open(tmp_path / "mac.tar.gz") as archive:
        assert not any("@" in name for name in archive.getnames())


@settings(max_examples=40)
@given(data=st.data())
def test_altered_or_cut_off_bundles_are_refused(
    data: st.DataObject, content: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Wherever a byte of the content was changed or the file ends too early; nothing is added."""
    folder = tmp_path_factory.mktemp("altered")
    bundle = folder / "server.tar.gz"
    if data.draw(st.booleans(), label="cut off"):
        bundle.write_bytes(content[: data.draw(st.integers(0, len(content) - 1), label="length")])
    else:
        altered = bytearray(gzip.decompress(content))
        start = altered.index(b'"outcome"')
        at = data.draw(st.integers(start, start + 30), label="position")
        altered[at] ^= 1
        bundle.write_bytes(gzip.compress(bytes(altered)))
    with pytest.raises(UserError):
        adding.add(bundle, "server", folder / "here")
    assert files(folder / "here") == {}


@pytest.mark.parametrize(
    ("name", "shown"), [("sst2.parquet", True), ("sst2.json", True), ("*/requests.jsonl", False)]
)
@pytest.mark.parametrize("how", ["altered", "missing"])
def test_altered_after_it_was_added(
    name: str, shown: bool, how: str, bundle: Path, tmp_path: Path
) -> None:
    """The file is named, and what to do; added again, or removed, all is well."""
    here = tmp_path / "here"
    adding.add(bundle, "server", here)
    (path,) = (here / "falcon7b/a6000@server").glob(name.replace("*", "sst2/*"))
    if how == "altered":
        path.write_bytes(path.read_bytes()[:-1] + b" ")
    else:
        path.unlink()
    message = rf"{path.name}: .*{how}.*add server again, or run add_results.py --remove server"
    with pytest.raises(UserError, match=message):
        bundles.check_added(here)
    if shown:
        with pytest.raises(UserError, match=message):
            bundles.check_added(here, shown=True)
    adding.add(bundle, "server", here)
    bundles.check_added(here)


@pytest.mark.parametrize("moved", range(4))
def test_ended_while_adding(
    moved: int, bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next report fails after an end between any two files; the same command mends it."""
    here, real = tmp_path / "here", Path.replace
    left = [moved + 1]  # the manifest is the first to be put in its place

    def replace(path: Path, target: Path) -> Path:
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt
        return real(path, target)

    monkeypatch.setattr(Path, "replace", replace)
    with pytest.raises(KeyboardInterrupt):
        adding.add(bundle, "server", here)
    monkeypatch.undo()
    with pytest.raises(UserError, match="add server again"):
        bundles.check_added(here)
    adding.add(bundle, "server", here)
    bundles.check_added(here)


def test_removed(bundle: Path, tmp_path: Path) -> None:
    """All of it, and nothing else; also where a former removal was ended in between."""
    here = tmp_path / "here"
    cells.measured(here, Cell("falcon7b", device="mps", requests=20))
    before = files(here)
    for _ in range(2):
        adding.add(bundle, "server", here)
        adding.remove("server", here)
        assert files(here) == before
    adding.add(bundle, "server", here)
    layout.added(here, "server").unlink()
    assert bundles.added(here) == {}
    adding.remove("server", here)
    with pytest.raises(UserError, match="nothing was added as 'server'"):
        adding.remove("server", here)


PRIVATE = {
    "home": "cannot read /home/somebody/x",
    "key": "hf_abcdefghijkl was refused",
    "user": "/scratch/jdoe42/models",
    "host": "no answer from node-17",
    "path": "cannot read '/tmp/of-somebody'",
}


@pytest.mark.parametrize("what", [*PRIVATE, "folder", "key in a table"])
def test_nothing_private_travels(
    what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder, name or key of the sender's in any file: refused, naming the file."""
    monkeypatch.setenv("HOME", "/home/somebody")
    monkeypatch.setenv("HF_TOKEN", "hf_abcdefghijkl")
    monkeypatch.setenv("LOGNAME", "jdoe42")
    monkeypatch.setattr(platform, "node", lambda: "node-17.cluster")
    monkeypatch.chdir(tmp_path)
    reason = PRIVATE.get(what, f"cannot read {tmp_path}/x" if what == "folder" else "")
    text = PRIVATE["key"] if what == "key in a table" else "positive"
    cell = Cell("falcon7b", task="sst2", reason=reason, requests=20, text=lambda row, right: text)
    cells.measured(tmp_path / "results", cell)
    with pytest.raises(UserError, match=r"sst2\.(json|parquet): contains .*delete the cell"):
        packing.pack(tmp_path / "results", tmp_path / "x.tar.gz")
    assert not (tmp_path / "x.tar.gz").exists()


@pytest.mark.parametrize(
    "touched", ["sst2.json", "sst2.parquet", "measurement.json", "requests.jsonl"]
)
def test_what_was_altered_is_not_packed(touched: str, tmp_path: Path) -> None:
    """The files of a cell have each other's checksums, as the workflow writes them."""
    cell = cells.measured(tmp_path / "results", Cell("falcon7b", task="sst2", requests=20))
    summary = json.loads(cell.read_text(encoding="utf-8"))
    checksums.write(cell, summary | {"table_sha256": sha256(cell.with_suffix(".parquet"))})
    measurement = next(cell.with_suffix("").glob("*/measurement.json"))
    checksums.write(measurement, json.loads(measurement.read_text(encoding="utf-8")))
    assert packing.pack(tmp_path / "results", tmp_path / "x.tar.gz") == 1
    (path,) = (tmp_path / "results").rglob(touched)
    content = path.read_bytes()
    at = {"sst2.json": content.rfind(b"20"), "measurement.json": content.find(b"sessions")}.get(
        touched, len(content) // 2
    )
    path.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
    with pytest.raises(UserError, match="rebuild it"):
        packing.pack(tmp_path / "results", tmp_path / "y.tar.gz")
    assert not (tmp_path / "y.tar.gz").exists()


SECRET = 'p"ss\\w/rd-of-mine'
HOLDERS = {
    "HF_PAT": {"HF_PAT": SECRET}, "GITHUB_PAT": {"GITHUB_PAT": SECRET}, "OPENAI_API_KEY": {"OPENAI_API_KEY": SECRET},
    "AWS_SECRET_ACCESS_KEY": {"AWS_SECRET_ACCESS_KEY": SECRET}, "WANDB_KEY": {"WANDB_KEY": SECRET},
    "PGPASSWORD": {"PGPASSWORD": SECRET}, "DB_PASS": {"DB_PASS": SECRET}, "X_CREDENTIALS": {"X_CREDENTIALS": SECRET},
    "hub_token": {"hub_token": SECRET}, "proxy": {"HTTPS_PROXY": "http://me:p%22ss%5Cw%2Frd-of-mine@proxy:3128"},
}  # fmt: skip
FILES = {
    ".netrc": "machine example.org login me password s3cret-of-mine",
    "hub/token": "s3cret-of-mine\n",
    "hub/stored_tokens": "[work]\nhf_token = s3cret-of-mine\n",
}


@pytest.mark.parametrize("where", ["reason", "answer"])
@pytest.mark.parametrize("holder", [*HOLDERS, *FILES])
def test_no_secret_travels(
    holder: str, where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A secret is found in any field and at any place, also with letters that JSON escapes."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr(private, "HF_STORED_TOKENS_PATH", str(tmp_path / "home/hub/stored_tokens"))
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(tmp_path / "home/hub/token"))
    for name, value in HOLDERS.get(holder, {}).items():
        monkeypatch.setenv(name, value)
    if holder in FILES:
        path = tmp_path / "home" / holder
        path.parent.mkdir(parents=True)
        path.write_text(FILES[holder], encoding="utf-8")
    secret = "s3cret-of-mine" if holder in FILES else SECRET
    reason = f"no answer to {secret}" if where == "reason" else ""
    text = f"it is {secret}." if where == "answer" else "positive"
    cell = Cell("falcon7b", task="sst2", reason=reason, requests=20, text=lambda row, right: text)
    cells.measured(tmp_path / "results", cell)
    with pytest.raises(UserError, match=r"sst2\.(json|parquet): contains .*delete the cell"):
        packing.pack(tmp_path / "results", tmp_path / "x.tar.gz")
    assert not (tmp_path / "x.tar.gz").exists()


def test_no_password_of_an_address_travels(tmp_path: Path) -> None:
    """A summary of any user has none; an address without a password is not a secret."""
    for reason, sent in (
        ("see https://me:secret@example.org/x", False),
        ("see https://example.org:80/@x", True),
    ):
        cell = Cell("falcon7b", task="sst2", reason=reason, requests=20)
        cells.measured(tmp_path / str(sent) / "results", cell)
        place = tmp_path / str(sent)
        if sent:
            assert packing.pack(place / "results", place / "x.tar.gz") == 1
        else:
            with pytest.raises(UserError, match="a password in an address"):
                packing.pack(place / "results", place / "x.tar.gz")


def test_a_name_among_the_answers_is_no_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Users and machines have names that models and catalogues use as well."""
    monkeypatch.setenv("LOGNAME", "positive")
    monkeypatch.setattr(platform, "node", lambda: "falcon7b")
    reason = "CPU w/ GPU: see https://pytorch.org/docs (at /pytorch/c10/core, /usr/lib/x)"
    cells.measured(tmp_path / "results", Cell("falcon7b", task="sst2", reason=reason, requests=20))
    assert packing.pack(tmp_path / "results", tmp_path / "x.tar.gz") == 1


def test_a_cell_of_a_former_version_is_not_packed(tmp_path: Path) -> None:
    """It could not be added elsewhere; the message says what to do."""
    path = cells.measured(tmp_path / "results", FALCON)
    summary = json.loads(path.read_text(encoding="utf-8"))
    del summary["score"]["scorer"]
    path.write_text(json.dumps(summary), encoding="utf-8")
    with pytest.raises(UserError, match=r"sst2\.json: .*score\.scorer.*rebuild it"):
        packing.pack(tmp_path / "results", tmp_path / "x.tar.gz")


@pytest.mark.parametrize("name", ["", "Server", "a/b", "a@b", "..", "a b", "x" * 200])
def test_names(name: str, bundle: Path, tmp_path: Path) -> None:
    """They become part of a path and of an id."""
    with pytest.raises(UserError, match="name"):
        adding.add(bundle, name, tmp_path / "here")
    with pytest.raises(UserError):
        adding.remove(name, tmp_path / "here")


def test_another_layout_is_refused(bundle: Path, tmp_path: Path) -> None:
    """A bundle, a folder and a list of added files that an earlier release wrote."""
    here = tmp_path / "here"
    former = tmp_path / "former.tar.gz"
    with (
        tarfile.open(bundle) as old,
        tarfile.open(former, "w:gz", format=tarfile.USTAR_FORMAT) as new,
    ):
        for member in old:
            content = old.extractfile(member).read()  # type: ignore[union-attr]
            if member.name == packing.MANIFEST:
                content = content.replace(b'"layout": 2,', b"")
            member.size = len(content)
            new.addfile(member, io.BytesIO(content))
    with pytest.raises(UserError, match="written by an earlier release, in another layout"):
        adding.add(former, "server", here)
    adding.add(bundle, "server", here)
    listed = layout.added(here, "server")
    listed.write_text(listed.read_text().replace('"layout": 2,', ""))
    with pytest.raises(UserError, match=r"server.json: written by an earlier release"):
        bundles.added_cells(here)
    cell = tmp_path / "there" / f"{PLACE}.json"
    cell.write_text(json.dumps(json.loads(cell.read_text()) | {"layout": 1}))
    with pytest.raises(UserError, match=r"sst2.json: written by an earlier release"):
        adding.add(tmp_path / "there", "other", here)
