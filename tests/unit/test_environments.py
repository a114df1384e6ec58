"""Environments of their own, built for real from small pins."""

from __future__ import annotations

import json
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from conftest import ROOT
from environments import run_in
from frontier.catalogue.configuration import read_catalogue
from frontier.errors import UserError
from frontier.fetching import environments, installed
from frontier.host import caches
from frontier.identity import SCRIPTS
from frontier.identity.graph import Graph
from frontier.machine import hardware
from frontier.scenarios import SCENARIOS


@pytest.fixture
def pins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A pins file of one small package, in a place of its own; environments are next to it."""
    (tmp_path / "small.txt").write_text("# why it is apart\nsix==1.17.0\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(environments, "PINS", tmp_path)
    environments.requirements.cache_clear()
    yield tmp_path / "small.txt"
    environments.requirements.cache_clear()


def version(python: Path) -> str:
    """The version that the environment's own interpreter imports."""
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
    for lost, content, message in (
        (six, None, "six.py is missing"),
        (six, six.read_bytes()[:100], "six.py was altered"),
        (python, None, "its interpreter is missing"),
        (environments.lock("small"), None, "it does not exist yet"),
    ):
        aside = lost.rename(tmp_path / "aside")
        if content is not None:
            lost.write_bytes(content)
        assert message in str(environments.broken(folder))
        aside.replace(lost)
        assert environments.broken(folder) is None
    six.unlink()
    assert environments.python("small") == python
    assert "six.py is missing" in capfd.readouterr().err
    assert version(python) == "1.17.0"


def test_a_lost_program_is_noticed(pins: Path) -> None:
    """One that is compiled, whose package's list of files says nothing about bin/."""
    pins.write_text("ninja==1.13.2\n")
    environments.requirements.cache_clear()
    folder = environments.python("small").parent.parent
    assert environments.broken(folder) is None
    program = folder / "bin" / "ninja"
    program.write_bytes(program.read_bytes()[:-1])
    assert environments.broken(folder) == "bin/ninja was altered"
    program.unlink()
    assert environments.broken(folder) == "bin/ninja is missing"


def test_identity_is_made_of_pins_and_not_of_comments(pins: Path) -> None:
    """Other words about the same pins are the same environment."""
    before = environments.identity("small")
    pins.write_text("six==1.17.0  # still\n\n# more\n")
    environments.requirements.cache_clear()
    assert environments.identity("small") == before
    pins.write_text("six==1.16.0\n")
    environments.requirements.cache_clear()
    assert environments.identity("small") != before


def test_what_cannot_be_installed_is_reported_in_one_line(pins: Path) -> None:
    """pip's last word, and nothing that looks finished is left."""
    pins.write_text("six==0.0.0.1\n")
    environments.requirements.cache_clear()
    with pytest.raises(UserError, match=r"small\.txt: ERROR: No matching distribution"):
        environments.python("small")
    assert not environments.lock("small").exists()
    assert not list(environments.lock("small").parent.parent.glob("*/bin"))


@pytest.fixture
def present(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with a copy of one of our own packages, as if that were all that is installed."""
    folder, own = tmp_path / "present", metadata.distribution("filelock")
    for path in own.files or ():
        if path.parts[0] != ".." and path.suffix != ".pyc":
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(str(path.locate()), folder / path)
    here = {"filelock": next(iter(metadata.distributions(path=[str(folder)])))}
    monkeypatch.setattr(installed, "_here", lambda: here)
    installed._is_whole.cache_clear()
    yield folder
    installed._is_whole.cache_clear()


@pytest.mark.parametrize("linked", [True, False])
def test_what_is_here_already_is_taken(present: Path, tmp_path: Path, linked: bool) -> None:
    """All of a package's files, with what is compiled of them; linked only where that is asked."""
    subprocess.run([sys.executable, "-m", "compileall", "-q", present], check=True)
    version = metadata.version("filelock")
    taken = tmp_path / "taken"
    assert installed.take([f"filelock=={version}", "six==1.17.0"], taken, linked) == {"filelock"}
    files = {path.relative_to(taken): path for path in taken.rglob("*") if path.is_file()}
    assert any(path.suffix == ".pyc" for path in files)
    assert files.keys() == {p.relative_to(present) for p in present.rglob("*") if p.is_file()}
    for path, at in files.items():
        assert at.samefile(present / path) is linked
        assert at.read_bytes() == (present / path).read_bytes()
        assert at.stat().st_mtime_ns == (present / path).stat().st_mtime_ns
    command = [sys.executable, "-S", "-c", "import filelock; print(filelock.__file__)"]
    message = subprocess.run(
        command, env={"PYTHONPATH": str(taken)}, capture_output=True, text=True
    )
    assert message.stdout.strip() == str(taken / "filelock" / "__init__.py"), message.stderr


@pytest.mark.parametrize("harm", ["altered", "lost", "other version", "settings", "from elsewhere"])
def test_what_is_not_whole_is_left_to_pip(
    present: Path, tmp_path: Path, harm: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file of the same size but other content is noticed too."""
    pin = f"filelock=={metadata.version('filelock')}"
    module = present / "filelock" / "__init__.py"
    if harm == "altered":
        module.write_bytes(module.read_bytes()[:-2] + b"#\n")
    elif harm == "lost":
        module.unlink()
    elif harm == "other version":
        pin = "filelock==1.0"
    elif harm == "settings":
        pin += " --config-settings=one=two"
    else:
        monkeypatch.undo()
        metadata_folder = next(present.glob("*.dist-info"))
        (metadata_folder / "direct_url.json").write_text("{}")
        monkeypatch.setattr(sys, "path", [str(present)])
        monkeypatch.setattr(installed, "_here", installed._here.__wrapped__)
    assert installed.take([pin], tmp_path / "taken", True) == set()
    assert not (tmp_path / "taken").exists()


def test_torch_brings_what_nothing_pins() -> None:
    """Torch's own requirements leave out those that are pinned, whose versions the pins decide."""
    pins = environments.requirements("onnxruntime")["pins"]
    torch = next(pin for pin in pins if pin.startswith("torch=="))
    needed: dict[str, metadata.Distribution | None] = {}
    installed._with_unpinned(Requirement(torch), {"sympy"}, needed, set())
    assert {"torch", "jinja2", "markupsafe"} <= needed.keys()
    assert not {"sympy", "mpmath"} & needed.keys()
    assert all(needed.values())


def test_an_environment_that_lacks_a_pin_is_not_finished() -> None:
    """Names are compared as an index does."""
    found = {"Foo_Bar": "1.0", "torch": "2.13.0+cpu"}
    assert installed.lacking(["foo.bar==1.0", "torch==2.13.0"], found) is None
    assert installed.lacking(["foo-bar==1.1 \\", "--config-settings=x"], found) == "foo-bar==1.1"
    for system, lacks in (("Plan9", None), (platform.system(), "of-one-system==1.0")):
        pin = f'of-one-system==1.0; platform_system == "{system}"'
        assert str(installed.lacking([pin], found)).partition(";")[0] == str(lacks)


def test_machines_with_other_processors_share_a_folder(
    pins: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Each has its own compiled files, so that neither rebuilds those of the other."""
    monkeypatch.setenv(caches.VARIABLE, str(tmp_path / "shared"))
    pins.write_text("six==1.17.0 --config-settings=one=two\n")
    environments.requirements.cache_clear()
    pythons = []
    for processor in ("Xeon", "EPYC", "Xeon"):
        monkeypatch.setattr(hardware, "cpu_name", lambda name=processor: name)
        pythons.append(environments.python("small"))
    assert pythons[0] == pythons[2] != pythons[1]
    assert capfd.readouterr().err.count("building the environment small") == 2
    assert [version(python) for python in pythons] == ["1.17.0"] * 3


def test_looking_for_pip_leaves_setuptools_usable() -> None:
    """Quantizers that compile import setuptools, in the process that built an environment too."""
    program = "from frontier.fetching import environments as e; assert e._has_pip(); "
    run_in(Path(sys.executable), program + "import setuptools")


def test_compiled_packages_are_cached_by_their_settings(
    pins: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """pip's cache knows neither settings nor processors; environments with the same ones share."""
    monkeypatch.setenv("PIP_CACHE_DIR", str(pins.parent / "cache"))

    def cache(text: str) -> list[str]:
        pins.write_text(text)
        environments.requirements.cache_clear()
        return environments._own_cache("small")

    compiled = 'six==1.17.0 \\\n    --config-settings="a=1"\n'
    first = cache(compiled)
    assert first[0] == "--cache-dir"
    assert Path(first[1]).is_relative_to(pins.parent / "cache")
    assert cache("idna==3.10\n" + compiled) == first
    others = [cache("six==1.17.0\n"), cache(compiled.replace("a=1", "a=2"))]
    monkeypatch.setenv("CMAKE_ARGS", "-DGGML_CUDA=on")
    others.append(cache(compiled))
    monkeypatch.delenv("CMAKE_ARGS")
    monkeypatch.setattr(hardware, "cpu_name", lambda: "another processor")
    others.append(cache(compiled))
    assert others[0] == []
    assert len({str(one) for one in [first, *others]}) == 5
    monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
    assert cache(compiled) == []


ENGINES = read_catalogue(ROOT / "config").engines
MODULES = {"pynvml": "nvidia-ml-py"}
"""Packages by the module that they are imported as, where the names differ."""


@pytest.mark.parametrize(
    "name", sorted({block.environment for block in ENGINES.values() if block.environment})
)
@pytest.mark.parametrize("part", ["measure", *map(SCENARIOS.module, SCENARIOS.names())])
def test_an_engines_environment_has_what_measuring_needs(name: str, part: str) -> None:
    """Cells are measured in it, in every scenario."""
    lines = (environments.PINS / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    pinned = {canonicalize_name(pin[0]) for line in lines if (pin := re.match(r"[\w.-]+", line))}
    modules = {name.partition(".")[0] for name in Graph(SCRIPTS).reach(part).packages}
    needed = {MODULES.get(one, one) for one in modules - set(sys.stdlib_module_names)}
    assert {canonicalize_name(one) for one in needed} <= pinned
