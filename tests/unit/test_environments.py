"""Environments of their own, built for real from small pins."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from frontier import hardware
from frontier.errors import UserError
from frontier.fetching import environments
from frontier.host import caches


@pytest.fixture
def pins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A pins file of one small package, in a place of its own; environments lie beside it."""
    (tmp_path / "small.txt").write_text("# why it is apart\nsix==1.17.0\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(environments, "PINS", tmp_path)
    environments.made_of.cache_clear()
    yield tmp_path / "small.txt"
    environments.made_of.cache_clear()


def version(python: Path) -> str:
    """What the environment's own interpreter imports."""
    command = [python, "-c", "import six; print(six.__version__)"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def test_built_once_and_again_when_it_lost_something(
    pins: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """A whole one is taken as it is; a lost file, an altered one, a lost lock are noticed."""
    python = environments.python("small")
    assert version(python) == "1.17.0"
    lock = json.loads(environments.lock("small").read_text())
    assert lock["packages"]["six"] == "1.17.0"
    assert lock["pins"] == ["six==1.17.0"]
    capfd.readouterr()
    assert environments.python("small") == python
    assert capfd.readouterr().err == ""

    folder = python.parent.parent
    six = environments.site_packages(folder) / "six.py"
    for lost, content, told in (
        (six, None, "six.py is gone"),
        (six, six.read_bytes()[:100], "six.py was altered"),
        (python, None, "its interpreter is gone"),
        (environments.lock("small"), None, "it is not there yet"),
    ):
        aside = lost.rename(tmp_path / "aside")
        if content is not None:
            lost.write_bytes(content)
        assert told in str(environments.broken(folder))
        aside.replace(lost)
        assert environments.broken(folder) is None
    six.unlink()
    assert environments.python("small") == python
    assert "six.py is gone" in capfd.readouterr().err
    assert version(python) == "1.17.0"


def test_identity_is_made_of_pins_and_not_of_comments(pins: Path) -> None:
    """Other words about the same pins are the same environment."""
    before = environments.identity("small")
    pins.write_text("six==1.17.0  # still\n\n# more\n")
    environments.made_of.cache_clear()
    assert environments.identity("small") == before
    pins.write_text("six==1.16.0\n")
    environments.made_of.cache_clear()
    assert environments.identity("small") != before


def test_what_cannot_be_installed_is_told_in_one_line(pins: Path) -> None:
    """pip's last word, and nothing that looks finished is left."""
    pins.write_text("six==0.0.0.1\n")
    environments.made_of.cache_clear()
    with pytest.raises(UserError, match=r"small\.txt: ERROR: No matching distribution"):
        environments.python("small")
    assert not environments.lock("small").exists()
    assert not list(environments.lock("small").parent.parent.glob("*/bin"))


def test_machines_with_other_processors_share_a_folder(
    pins: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """What is compiled is each one's own, so that neither builds it again under the other's feet."""
    monkeypatch.setenv(caches.VARIABLE, str(tmp_path / "shared"))
    pins.write_text("six==1.17.0 --config-settings=one=two\n")
    environments.made_of.cache_clear()
    pythons = []
    for processor in ("Xeon", "EPYC", "Xeon"):
        monkeypatch.setattr(hardware, "cpu_name", lambda name=processor: name)
        pythons.append(environments.python("small"))
    assert pythons[0] == pythons[2] != pythons[1]
    assert capfd.readouterr().err.count("making the environment small") == 2
    assert [version(python) for python in pythons] == ["1.17.0"] * 3
