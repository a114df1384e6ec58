"""The check of files against the lock next to them, as a job makes it before it reads weights."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from frontier.errors import UserError
from frontier.host import files, locks
from frontier.values import sha256

OLD, NEW = b"old weights", b"new weights"


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A local checkpoint's file, which counts as large, linked into a folder with a lock."""
    monkeypatch.setattr(locks, "SMALL_BYTES", 0)
    source = tmp_path / "mine" / "model.safetensors"
    source.parent.mkdir()
    source.write_bytes(OLD)
    link = tmp_path / "fetched" / source.name
    files.link(source, link)
    facts = {"bytes": len(OLD), "sha256": sha256(source)}
    files.write_json(link.with_name(locks.NAME), {"files": {link.name: facts}})
    return link


def test_unaltered_ones_are_as_locked(weights: Path) -> None:
    locks.check_lock(weights.parent)
    os.utime(weights, (0, 0))  # another status change, the same content
    locks.check_lock(weights.parent)


def test_a_linked_file_that_was_replaced_in_its_place(weights: Path) -> None:
    """Neither its size nor its time, which may be set back, shows it."""
    source = weights.resolve()
    time.sleep(0.02)  # one tick of the file system's clock
    source.write_bytes(NEW)
    os.utime(source, (0, 0))
    with pytest.raises(UserError, match=r"model\.safetensors: altered since it was locked"):
        locks.check_lock(weights.parent)


def test_one_that_has_gone(weights: Path) -> None:
    weights.resolve().unlink()
    with pytest.raises(UserError, match="altered since it was locked"):
        locks.check_lock(weights.parent)


def test_weights_that_are_not_links_are_not_read_again(
    weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A large file of the folder itself is written once, by the job that locks it."""
    content = weights.read_bytes()
    weights.unlink()
    weights.write_bytes(content)
    monkeypatch.delattr(locks, "sha256")
    locks.check_lock(weights.parent)
