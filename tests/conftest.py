"""Fixtures and hooks that several tests share."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.internal.conjecture import providers
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

import tiers
import tiny
from frontier.fetching import environments
from started import Little
from workspace import Workspace

ROOT = Path(__file__).resolve().parent.parent
SPREAD = {
    "test_all_changes", "test_altered", "test_bad_input", "test_changes", "test_gpus",
    "test_server_ends",
}  # fmt: skip

# Run by make, by a hook of git or in a job of Slurm's, the tests and the programs that they start
# behave as in any shell.
OF_THE_CALLER = (
    "MAKE", "MFLAGS", "GIT_", "SLURM_", "SNAKEMAKE_", "LLM_FRONTIER_", "HF_", "COLUMNS", "LINES",
)  # fmt: skip
TEST_DATA = "LLM_FRONTIER_TEST_DATA"
for name in [name for name in os.environ if name.startswith(OF_THE_CALLER) and name != TEST_DATA]:
    del os.environ[name]
os.umask(0o022)

# On a busy machine an example may take any time, which is not a failure. The same
# examples each time, so that a run can be repeated; `make explore` draws others.
ANY_TIME: dict[str, Any] = {
    "deadline": None, "print_blob": True,
    "suppress_health_check": [HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
}  # fmt: skip
settings.register_profile("repeatable", **ANY_TIME, derandomize=True, database=None)
settings.register_profile("explore", **ANY_TIME, derandomize=False)
settings.load_profile("repeatable")
# Hypothesis also draws constants from the modules that happen to be imported, which differ by worker.
providers._get_local_constants = providers.Constants


@pytest.fixture(scope="session")
def test_data() -> Path:
    """The folder of real data; tests that need it skip, and say so, where it is absent."""
    folder = Path(os.environ.get(TEST_DATA, ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"real data not found at {folder} (set LLM_FRONTIER_TEST_DATA)")
    return folder


class Spread(LoadScopeScheduling):
    """Gives a worker a whole file at a time, or one test of those files whose tests share little."""

    def _split_scope(self, nodeid: str) -> str:
        file, _, _ = nodeid.partition("::")
        return nodeid if Path(file).stem in SPREAD else file


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Spread:
    """Distributes tests over several workers; marks for --dist loadgroup have no effect."""
    return Spread(config, log)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds the choice of a tier; without it all tests that are named are run."""
    parser.addoption(
        "--tier", choices=(*tiers.TIERS, tiers.FAST), help="run the tests of this tier"
    )


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leaves files unread that hold no test of the tier: importing them takes long."""
    tier = config.getoption("tier")
    of_tests = collection_path.name.startswith("test_") and collection_path.suffix == ".py"
    return True if tier and of_tests and not tiers.may_hold(collection_path, tier) else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leaves the tests of other tiers out, and orders the rest.

    The routes first: they take longest, and build what others need; single tests fill the end.
    """
    if tier := config.getoption("tier"):
        left_out = [item for item in items if not tiers.holds(item.path, fixtures(item), tier)]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in set(left_out)]
    items.sort(key=lambda item: (item.path.stem in SPREAD, item.path.stem != "test_routes"))


def fixtures(item: pytest.Item) -> list[str]:
    """The names of all fixtures that a test uses, directly or through others."""
    return list(getattr(item, "fixturenames", ()))


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the tiny study, built once for all workers; to be copied, never changed.

    TINY_STUDY names another folder for it, which is to be empty, so that several sessions share it.
    """
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    return tiny.finished(Path(os.environ.get("TINY_STUDY", folder / "tiny")))


@pytest.fixture
def place(finished: Path, tmp_path: Path) -> Workspace:
    """A copy of the finished tiny study, to change as a test likes."""
    return tiny.copied(finished, tmp_path)


@pytest.fixture(scope="session")
def environment() -> Callable[[str], Path]:
    """Gives the python of the environment that workflow/envs/NAME.txt pins, built if need be."""

    def python(name: str) -> Path:
        with contextlib.chdir(ROOT):
            return environments.python(name)

    return python


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[subprocess.Popen[bytes]]:
    """A process that programs believe to be their Snakemake, which runs in `tmp_path`."""
    (tmp_path / ".snakemake").mkdir()
    monkeypatch.chdir(tmp_path)
    wait = "import time; time.sleep(3600)"
    with subprocess.Popen([sys.executable, "-c", wait, "snakemake"]) as process:
        monkeypatch.setenv("LLM_FRONTIER_RUNNER", str(process.pid))
        yield process
        process.kill()


@pytest.fixture
def little(tmp_path: Path) -> Iterator[Little]:
    """Plans of servers, none of which a test may leave."""
    made = Little(tmp_path)
    yield made
    left = made.running()
    for one in left:
        one.kill()
    assert left == []
