"""Every test is run by one tier, and every tier by the Makefile and by continuous integration."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

import tiers
from conftest import ROOT

FILES = sorted(ROOT.joinpath("tests").rglob("test_*.py"))


def test_every_file_is_collected() -> None:
    """It is where pytest looks for tests, and its name is unique, since tiers go by names."""
    settings = tomllib.loads(ROOT.joinpath("pyproject.toml").read_text(encoding="utf-8"))
    places = settings["tool"]["pytest"]["ini_options"]["testpaths"]
    assert {str(path.parent.relative_to(ROOT)) for path in FILES} == set(places)
    assert len({path.stem for path in FILES}) == len(FILES)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_test_has_one_tier(path: Path) -> None:
    """This holds for all fixtures; and that tier reads the test's file."""
    mixed = tiers.ENVIRONMENT in path.read_text(encoding="utf-8")
    for fixtures in ([], [tiers.ENVIRONMENT])[: 1 + mixed]:
        (tier,) = [one for one in tiers.TIERS if tiers.holds(path, fixtures, one)]
        assert tiers.may_hold(path, tier)
        assert tier == "main" or not tiers.holds(path, fixtures, tiers.FAST)


def test_every_name_is_a_files() -> None:
    """One that was renamed would change its tier."""
    named = tiers.TIER_OF.keys() | tiers.SLOW
    assert named <= {path.stem for path in FILES}
    groups = (tiers.ENGINES, tiers.SERVERS, tiers.SLURM, tiers.SLOW)
    assert len(named) == sum(map(len, groups))


def test_every_tier_is_run() -> None:
    """A target of the Makefile runs it, and so does continuous integration unless it takes too long."""
    targets: dict[str, str] = {}
    for line in ROOT.joinpath("Makefile").read_text(encoding="utf-8").splitlines():
        if not line.startswith(("\t", " ", "#")):
            target = line.partition(":")[0]
        elif "--tier=" in line:
            targets[line.split("--tier=")[1].split()[0]] = target
    assert targets.keys() == {*tiers.TIERS, tiers.FAST}
    built = ROOT.joinpath(".ci/run").read_text(encoding="utf-8")
    for tier in tiers.TIERS:
        assert (f'"make {targets[tier]}"' in built) == (tier != "servers")
