"""Datasets from a hub, a URL and local folders, over real HTTP on this machine."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import hub
from conftest import ROOT
from frontier.datasets.mathematics import CATEGORIES, Mathematics
from frontier.errors import UserError
from frontier.fetching import downloads

ADDRESS = "owner/glue"
DOWNLOADS = Path("resources/downloads")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[hub.Hub]:
    root = tmp_path / "served"
    repository = root / "datasets" / ADDRESS
    (repository / "sst2").mkdir(parents=True)
    (repository / "sst2/train.tsv").write_text("sentence\tlabel\nfine\t1\n")
    (repository / "sst2/train.parquet").write_bytes(bytes(range(256)) * 40)
    (repository / "cola").mkdir()
    (repository / "cola/train.parquet").write_bytes(b"other")
    (root / "files").mkdir()
    (root / "files/corpus.zip").write_bytes(os.urandom(300_000))
    with hub.serve(root) as served:
        yield served


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def fetch(
    source: dict[str, object], workplace: Path, output: str = "dataset", **environment: str
) -> subprocess.CompletedProcess[str]:
    """The program as a user runs it; no token or proxy of this machine's gets in."""
    inherited = {key: os.environ[key] for key in ("PATH", "LANG") if key in os.environ}
    return subprocess.run(
        [
            *(sys.executable, ROOT / "workflow/scripts/fetch_dataset.py"),
            *("--spec", json.dumps({"source": source}), "--output", output),
        ],
        cwd=workplace,
        env={**inherited, "HOME": str(workplace), "HF_HOME": str(workplace / "hf"), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def assert_refused(done: subprocess.CompletedProcess[str], *words: str) -> None:
    """The program failed with one clear line that says all this."""
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("error: ")
    for word in words:
        assert word in last, last


def from_hub(server: hub.Hub, **changes: object) -> dict[str, object]:
    commit = server.commit(server.root / "datasets" / ADDRESS)
    return {"hub": ADDRESS, "revision": commit, "files": ["sst2/*"]} | changes


def test_hub_dataset(server: hub.Hub, workplace: Path) -> None:
    done = fetch(from_hub(server), workplace, HF_ENDPOINT=server.url)
    assert done.returncode == 0, done.stderr
    folder = workplace / "dataset"
    served = server.root / "datasets" / ADDRESS
    lock = json.loads((folder / "lock.json").read_text())
    assert set(lock["files"]) == {"sst2/train.tsv", "sst2/train.parquet"}
    for name, facts in lock["files"].items():
        assert (folder / name).read_bytes() == (served / name).read_bytes()
        assert facts["sha256"] == hashlib.sha256((served / name).read_bytes()).hexdigest()
    assert lock["source"]["commit"] == server.commit(served)
    assert not any("cola/train" in path for path in server.paths("GET"))

    # A second folder takes everything from the cache: no request, no network needed.
    before = len(server.requests)
    done = fetch(from_hub(server), workplace, "again", HF_ENDPOINT="http://127.0.0.1:9")
    assert done.returncode == 0, done.stderr
    assert len(server.requests) == before
    assert (workplace / "again/lock.json").read_text() == (folder / "lock.json").read_text()


def test_branch_is_resolved_into_the_lock(server: hub.Hub, workplace: Path) -> None:
    assert (
        fetch(from_hub(server, revision="main"), workplace, HF_ENDPOINT=server.url).returncode == 0
    )
    source = json.loads((workplace / "dataset/lock.json").read_text())["source"]
    assert source["revision"] == "main"
    assert source["commit"] == server.commit(server.root / "datasets" / ADDRESS)


@pytest.mark.parametrize("name", ["train.parquet", "train.tsv"])
def test_altered_hub_file_is_thrown_away(name: str, server: hub.Hub, workplace: Path) -> None:
    server.altered = {name}
    done = fetch(from_hub(server), workplace, HF_ENDPOINT=server.url)
    assert_refused(done, name, "altered", "run again")
    assert not (workplace / "dataset").exists()
    server.altered = set()
    assert fetch(from_hub(server), workplace, HF_ENDPOINT=server.url).returncode == 0


def test_truncated_hub_file(server: hub.Hub, workplace: Path) -> None:
    server.stops_at = {"train.parquet": 5000}
    done = fetch(from_hub(server), workplace, HF_ENDPOINT=server.url)
    assert_refused(done, ADDRESS, "was interrupted", "run again")
    assert not (workplace / "dataset").exists()
    server.stops_at = {}
    before = len(server.requests)
    assert fetch(from_hub(server), workplace, HF_ENDPOINT=server.url).returncode == 0
    assert not any("train.tsv" in path for _, path, _ in server.requests[before:]), "had it already"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"hub": "owner/gleu"}, ["owner/gleu", "hub has no dataset"]),
        ({"revision": "f" * 40}, ["no revision ffff"]),
        ({"files": ["sst3/*"]}, ["no file that matches sst3/*"]),
        ({"hub": "not an id"}, ["not an id"]),
        ({"path": "x"}, ["exactly one of hub, url, urls, path, generator"]),
        ({"file": ["x"]}, ["source.file"]),
    ],
)
def test_faults_of_a_hub_source(
    changes: dict[str, object], words: list[str], server: hub.Hub, workplace: Path
) -> None:
    assert_refused(fetch(from_hub(server, **changes), workplace, HF_ENDPOINT=server.url), *words)


def test_no_network(server: hub.Hub, workplace: Path) -> None:
    nowhere = "http://127.0.0.1:9"
    done = fetch(from_hub(server), workplace, HF_ENDPOINT=nowhere)
    assert_refused(done, ADDRESS, nowhere, "'sources:' in config/config.yaml")
    done = fetch(from_hub(server), workplace, HF_ENDPOINT=server.url, HF_HUB_OFFLINE="1")
    assert_refused(done, ADDRESS, "'sources:' in config/config.yaml")
    done = fetch({"url": f"{nowhere}/corpus.zip"}, workplace)
    assert_refused(done, f"{nowhere}/corpus.zip", "refused", "'sources:' in config/config.yaml")
    assert not (workplace / "dataset").exists()


# A file at a URL


def test_url_with_and_without_hash(server: hub.Hub, workplace: Path) -> None:
    body = (server.root / "files/corpus.zip").read_bytes()
    sha = hashlib.sha256(body).hexdigest()
    url = f"{server.url}/files/corpus.zip"
    for output, source in (("a", {"url": url}), ("b", {"url": url, "sha256": sha})):
        done = fetch(source, workplace, output)
        assert done.returncode == 0, done.stderr
        assert (workplace / output / "corpus.zip").read_bytes() == body
        lock = json.loads((workplace / output / "lock.json").read_text())
        assert lock["source"] == {"url": url, "sha256": sha}
    before = len(server.requests)
    assert fetch({"url": url, "sha256": sha}, workplace, "c").returncode == 0
    assert len(server.requests) == before, "the download stays"


def test_checkout_can_be_moved_with_its_downloads(server: hub.Hub, workplace: Path) -> None:
    fetch({"url": f"{server.url}/files/corpus.zip"}, workplace)
    moved = workplace.rename(workplace.parent / "moved")
    assert (moved / "dataset/corpus.zip").stat().st_size == 300_000


@pytest.mark.parametrize("pinned", [True, False])
def test_interrupted_download_goes_on(server: hub.Hub, workplace: Path, pinned: bool) -> None:
    body = (server.root / "files/corpus.zip").read_bytes()
    sha = hashlib.sha256(body).hexdigest() if pinned else None
    url = f"{server.url}/files/corpus.zip"
    server.stops_at = {"corpus.zip": 123_456}
    with pytest.raises(
        UserError, match=r"was interrupted after 123,456 of 300,000 bytes; run again"
    ):
        downloads.download(url, sha)
    assert all(path.name.endswith((".part", ".etag", ".lock")) for path in DOWNLOADS.iterdir())
    server.stops_at = {}
    before = len(server.requests)
    done = downloads.download(url, sha)
    assert done.read_bytes() == body
    assert [request[2] for request in server.requests[before:]] == ["bytes=123456-"]
    assert {path.name for path in DOWNLOADS.iterdir()} - {f"{done.name}.lock"} == {done.name}


def test_file_replaced_between_two_pieces_is_fetched_anew(server: hub.Hub, workplace: Path) -> None:
    url = f"{server.url}/files/corpus.zip"
    server.stops_at = {"corpus.zip": 123_456}
    with pytest.raises(UserError, match="was interrupted"):
        downloads.download(url, None)
    server.stops_at = {}
    (server.root / "files/corpus.zip").write_bytes(b"new" * 100_000)
    assert downloads.download(url, None).read_bytes() == b"new" * 100_000
    assert workplace.exists()


def test_altered_download_is_not_kept(server: hub.Hub, workplace: Path) -> None:
    sha = hashlib.sha256((server.root / "files/corpus.zip").read_bytes()).hexdigest()
    source = {"url": f"{server.url}/files/corpus.zip", "sha256": sha}
    server.altered = {"corpus.zip"}
    assert_refused(
        fetch(source, workplace), "corpus.zip", "altered", sha, "the download was deleted"
    )
    assert not (workplace / "dataset").exists()
    kept = [path.name for path in (workplace / "resources/downloads").iterdir()]
    assert [name for name in kept if not name.endswith(".lock")] == []
    server.altered = set()
    assert fetch(source, workplace).returncode == 0


def test_missing_url(server: hub.Hub, workplace: Path) -> None:
    assert_refused(
        fetch({"url": f"{server.url}/files/none.zip"}, workplace), "none.zip", "HTTP 404"
    )
    assert_refused(fetch({"url": "ftp://x/y"}, workplace), "ftp://x/y", "not an http")
    assert_refused(fetch({"url": server.url, "sha256": "abc"}, workplace), "source.sha256")


def test_several_files_each_with_its_hash(server: hub.Hub, workplace: Path) -> None:
    """An altered one is refused; so are two of the same name, which would be one file."""
    body = (server.root / "files/corpus.zip").read_bytes()
    (server.root / "files/other.jsonl").write_text("{}\n", encoding="utf-8")
    shas = [hashlib.sha256(one).hexdigest() for one in (body, b"{}\n")]
    names = [f"{server.url}/files/{name}" for name in ("corpus.zip", "other.jsonl")]
    source = {"urls": dict(zip(names, shas, strict=True))}
    done = fetch(source, workplace, "a")
    assert done.returncode == 0, done.stderr
    assert (workplace / "a/other.jsonl").read_text(encoding="utf-8") == "{}\n"
    lock = json.loads((workplace / "a/lock.json").read_text())
    assert lock["source"] == source
    assert set(lock["files"]) == {"corpus.zip", "other.jsonl"}
    altered = {"urls": {**source["urls"], names[1]: shas[0]}}
    assert_refused(fetch(altered, workplace, "b"), "other.jsonl", "altered")
    same = {"urls": {names[0]: shas[0], f"{server.url}/more/corpus.zip": shas[0]}}
    assert_refused(fetch(same, workplace, "c"), "different names")
    assert_refused(fetch({"urls": {names[0]: "abc"}}, workplace, "d"), "urls")


# Local


def test_local_folder_and_file(workplace: Path, tmp_path: Path) -> None:
    here = tmp_path / "mine"
    (here / "sub").mkdir(parents=True)
    (here / "a.tsv").write_text("1")
    (here / "sub/b.tsv").write_text("2")
    (here / ".hidden").write_text("3")
    assert fetch({"path": str(here)}, workplace, "folder").returncode == 0
    assert fetch({"path": str(here / "a.tsv")}, workplace, "file").returncode == 0
    assert (workplace / "folder/sub/b.tsv").read_text() == "2"
    lock = (workplace / "folder/lock.json").read_text()
    assert set(json.loads(lock)["files"]) == {"a.tsv", "sub/b.tsv"}
    assert str(tmp_path) not in lock, "the lock must not name the data's place"
    assert set(json.loads((workplace / "file/lock.json").read_text())["files"]) == {"a.tsv"}

    there = shutil.copytree(here, tmp_path / "elsewhere")
    assert fetch({"path": str(there)}, workplace, "folder").returncode == 0
    assert (workplace / "folder/lock.json").read_text() == lock

    (workplace / "empty").mkdir()
    assert_refused(fetch({"path": "empty"}, workplace), "empty: no files")
    assert_refused(fetch({"path": "nowhere"}, workplace), "nowhere: no such file or folder")


def test_demo_generator_has_nothing_to_fetch(workplace: Path) -> None:
    assert fetch({"generator": "demo"}, workplace).returncode == 0
    lock = json.loads((workplace / "dataset/lock.json").read_text())
    assert lock["source"] == {"generator": "demo"}
    assert lock["files"] == {}


def test_faults_of_a_generator_source(workplace: Path) -> None:
    assert_refused(
        fetch({"generator": "mathematic"}, workplace), "source.generator", "'mathematics'"
    )
    assert_refused(
        fetch({"generator": "mathematics"}, workplace), "per_module and seed go together"
    )


def test_mathematics_generator(workplace: Path, environment: Callable[[str], Path]) -> None:
    """Real questions from the original generator; a larger run begins with the smaller one."""
    try:
        environment("mathematics")
    except UserError as error:
        pytest.skip(str(error))
    (workplace / "resources").mkdir()
    (workplace / "resources/envs").symlink_to(ROOT / "resources/envs")
    small = {"generator": "mathematics", "per_module": 2, "seed": 5}
    done = fetch(small, workplace, "small")
    assert done.returncode == 0, done.stderr
    assert fetch({**small, "per_module": 3}, workplace, "large").returncode == 0
    assert fetch({**small, "seed": 6}, workplace, "other").returncode == 0
    files = sorted(path.name for path in (workplace / "small/interpolate").iterdir())
    assert len(files) == 56
    for name in files:
        first, more = (workplace / run / "interpolate" / name for run in ("small", "large"))
        assert more.read_bytes().startswith(first.read_bytes()), name
    contents = {
        run: json.loads((workplace / run / "lock.json").read_text())["sha256"]
        for run in ("small", "large", "other")
    }
    assert len(set(contents.values())) == 3
    rows = list(Mathematics().rows(workplace / "small"))
    assert len(rows) == 2 * 56
    assert {row.fields["category"] for row in rows} == set(CATEGORIES)


def test_real_data_from_folder_to_sample(test_data: Path, workplace: Path) -> None:
    assert fetch({"path": str(test_data / "opensubtitles")}, workplace).returncode == 0
    spec = {"loader": {"kind": "opensubtitles", "options": {"direction": "en-zh"}}, "size": 200}
    done = subprocess.run(
        [
            *(sys.executable, ROOT / "workflow/scripts/sample.py", "--spec", json.dumps(spec)),
            *("--dataset", "dataset", "--output", "sample.jsonl", "--lock", "lock.json"),
        ],
        cwd=workplace,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    lock = json.loads((workplace / "lock.json").read_text())
    content = json.loads((workplace / "dataset/lock.json").read_text())["sha256"]
    assert lock["source"] == {"local": True, "content_sha256": content}
    assert lock["rows"] == 200
