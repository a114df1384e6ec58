"""The profiles for machines that are not here: what each would do, as far as a dry run tells."""

from __future__ import annotations

import re
import sys
from typing import Any

import pytest
import yaml
from kubernetes import client

from conftest import ROOT
from workspace import Workspace

CORES = {"a6000": ("--cores", "8"), "mps": ("--cores", "8")}  # else the profile or the site decides
PROFILES = sorted(path.name for path in (ROOT / "profiles").iterdir() if path.name != "default")


@pytest.fixture(scope="module")
def plans() -> dict[str, str]:
    """The output of a dry run with each profile."""
    built = {}
    for name in PROFILES:
        done = Workspace(ROOT).run(
            sys.executable, "-m", "snakemake", "--profile", name, "-n", *CORES.get(name, ()),
            "--forceall", "--nolock",
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        built[name] = done.stdout + done.stderr
    return built


@pytest.mark.parametrize("name", PROFILES)
def test_a_profile_plans_its_study(name: str, plans: dict[str, str]) -> None:
    """Its name is enough in a checkout; each cell runs once, without a warning."""
    assert f"Using profiles {name} " in plans[name]
    settings = yaml.safe_load((ROOT / "profiles" / name / "config.yaml").read_text("utf-8"))
    study = yaml.safe_load((ROOT / settings["configfile"]).read_text("utf-8"))["study"]
    axes = ("models", "quantizations", "devices", "tasks")
    cells = 1
    for axis in axes:
        cells *= len(study[axis])
    assert re.search(rf"^score +{cells}$", plans[name], re.MULTILINE), plans[name][-2000:]
    assert "Warning" not in plans[name]


@pytest.mark.parametrize("name", ["slurm", "slurm-account"])
def test_what_slurm_is_asked_for(name: str, plans: dict[str, str]) -> None:
    """Every measurement has a GPU, its memory and its time; the second site's own names."""
    blocks = re.findall(r"^rule measure:\n(?:    .+\n)+", plans[name], re.MULTILINE)
    resources = [
        dict(re.findall(r"(\w+)=([^,\n]*)", block.split("resources:")[1])) for block in blocks
    ]
    assert resources
    for asked in resources:
        assert asked["gpu"] == "1"
        assert int(asked["mem_mb"]) > 10_000
        assert int(asked["runtime"]) > 0
        if name == "slurm-account":
            assert asked["gpu_model"] == "nvidia_a100"
            assert asked["slurm_account"] == "my-project"


def manifests() -> dict[str, Any]:
    """The objects that job.yaml creates, by kind."""
    text = (ROOT / "profiles/kubernetes/job.yaml").read_text("utf-8")
    return {one["kind"]: one for one in yaml.safe_load_all(text)}


def test_the_pod_runs_the_profile() -> None:
    """The pod mounts the volume that it claims."""
    built = manifests()
    pod = built["Job"]["spec"]["template"]["spec"]
    assert "snakemake --profile kubernetes" in pod["containers"][0]["args"][0]
    claimed = pod["volumes"][0]["persistentVolumeClaim"]["claimName"]
    assert claimed == built["PersistentVolumeClaim"]["metadata"]["name"]


def test_the_pod_is_what_kubernetes_takes() -> None:
    """No key that its client does not know, none missing, none of another type."""
    for kind, built in manifests().items():
        read = client.ApiClient()._ApiClient__deserialize(built, f"V1{kind}")
        assert client.ApiClient().sanitize_for_serialization(read) == built
