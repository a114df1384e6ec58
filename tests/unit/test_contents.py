"""Digests of local data: content decides, nothing else."""

from __future__ import annotations

import json
import os
import shutil
import time
from pathlib import Path

import pytest

from frontier.errors import UserError
from frontier.fetching import contents


@pytest.fixture(autouse=True)
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def tree(folder: Path, files: dict[str, bytes]) -> Path:
    for name, body in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
    return folder


def settle(path: Path) -> None:
    """Lets a file look as if it had been left alone for a while."""
    state = path.stat()
    wait = contents.SETTLED_NS - (time.time_ns() - state.st_ctime_ns)
    time.sleep(max(0, wait) / 1e9 + 0.01)


def test_place_times_and_hidden_files_do_not_count() -> None:
    one = tree(Path("one"), {"a.txt": b"1", "b/c.txt": b"2"})
    digest = contents.digest(one)
    two = shutil.copytree(one, Path("elsewhere/two"))
    os.utime(two / "a.txt", (0, 0))
    tree(two, {".git/x": b"3", "b/.hidden": b"4"})
    assert contents.digest(two) == digest
    assert contents.digest(two.resolve()) == digest


@pytest.mark.parametrize(
    "change",
    [{"a.txt": b"2"}, {"b/d.txt": b""}, {"a.txt": b""}],
)
def test_content_and_names_count(change: dict[str, bytes]) -> None:
    folder = tree(Path("one"), {"a.txt": b"1", "b/c.txt": b"2"})
    before = contents.digest(folder)
    tree(folder, change)
    assert contents.digest(folder) != before


def test_renaming_and_swapping_count() -> None:
    digests = {
        contents.digest(tree(Path(str(number)), files))
        for number, files in enumerate(
            [{"a": b"1", "b": b"2"}, {"a": b"2", "b": b"1"}, {"a": b"1", "c": b"2"}]
        )
    }
    assert len(digests) == 3


def test_link_to_a_file_counts_as_the_file() -> None:
    tree(Path("data"), {"a.txt": b"1"})
    Path("linked").mkdir()
    Path("linked/a.txt").symlink_to(Path("data/a.txt").resolve())
    assert contents.digest(Path("linked")) == contents.digest(Path("data"))


def test_large_file_is_remembered_and_a_change_behind_its_mtime_is_seen() -> None:
    path = tree(Path("one"), {"big": bytes(contents.REMEMBERED_BYTES)}) / "big"
    first = contents.digest(path)
    settle(path)
    assert contents.digest(path) == first
    known = json.loads(contents.CACHE.read_text())
    assert [entry[-1] for entry in known.values()] == [first]

    # What is remembered is used, even if it is wrong.
    (key,) = known
    known[key][-1] = "lie"
    contents.CACHE.write_text(json.dumps(known))
    assert contents.digest(path) == "lie"

    state = path.stat()
    path.write_bytes(b"x" + bytes(contents.REMEMBERED_BYTES - 1))
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert path.stat().st_mtime_ns == state.st_mtime_ns
    assert contents.digest(path) not in ("lie", first)


@pytest.mark.parametrize("broken", ["", "[1, 2]", "{", '{"a": 3}'])
def test_a_broken_memory_costs_only_time(broken: str) -> None:
    path = tree(Path("one"), {"big": bytes(contents.REMEMBERED_BYTES)}) / "big"
    expected = contents.digest(path)
    contents.CACHE.parent.mkdir(exist_ok=True)
    contents.CACHE.write_text(broken)
    assert contents.digest(path) == expected


def test_missing_path_is_the_users_fault() -> None:
    with pytest.raises(UserError, match=r"nowhere/data.*no such file or folder"):
        contents.digest(Path("nowhere/data"))


def test_a_part_that_may_not_be_read_is_not_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Root may read all, so the file system's answer is given for it."""
    (tmp_path / "closed").mkdir()
    listed = os.scandir

    def scandir(path: str) -> object:
        if str(path).endswith("closed"):
            raise PermissionError(13, "Permission denied", str(path))
        return listed(path)

    monkeypatch.setattr(os, "scandir", scandir)
    with pytest.raises(UserError, match=r"closed: cannot be read \(Permission denied\)"):
        contents.digest(tmp_path)


def test_many_files_are_remembered_and_those_that_are_gone_forgotten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A look at one of them forgets no other."""
    monkeypatch.setattr(contents, "SETTLED_NS", 0)
    folder = tree(Path("one"), {str(n): bytes([n]) for n in range(5)})
    digests = contents.Digests(Path("known.json"))
    first = {path: digests.of(path) for path in folder.iterdir()}
    assert digests.of(folder / "x") is None
    digests.save()
    (folder / "0").unlink()
    (folder / "1").write_bytes(b"another")
    again = contents.Digests(Path("known.json"))
    assert again.of(folder / "1") != first[folder / "1"]
    again.save()
    known = json.loads(Path("known.json").read_bytes())
    assert set(known) == {str(folder / str(n)) for n in range(1, 5)}
    assert known[str(folder / "2")][-1] == first[folder / "2"]
