"""Servers in containers, whose processes are those of a daemon; with a stand-in for docker."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import ValidationError

import little_docker
from frontier.errors import UserError
from frontier.serving import servers
from frontier.serving.commands import Command
from frontier.serving.containers import Container
from frontier.serving.plans import Plan
from started import CANARY, PROGRAM, Little, ask, starter

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="elsewhere a container's processes are in another machine"
)
DOCKER = Container(image="model/server:1")


@pytest.fixture
def daemon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[little_docker.Daemon]:
    """The stand-in, found in the search path."""
    folder = tmp_path / "docker"
    folder.mkdir()
    monkeypatch.setenv(little_docker.SPOOL, str(folder))
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    with little_docker.Daemon(folder) as running:
        yield running


def contained(little: Little, *more: str) -> Plan:
    """A small server in a container."""
    plan = little.plan(*more, secrets={"LITTLE_KEY": CANARY}, container=DOCKER)
    # Its interpreter is the container's own.
    command = Command([sys.executable, *plan.command.arguments[1:]])
    return replace(plan, command=command)


def test_a_container(little: Little, daemon: little_docker.Daemon, tmp_path: Path) -> None:
    """It sees what is named and no more; its processes are known, and it is removed."""
    weights, checkpoint = tmp_path / "weights", tmp_path / "checkpoint"
    weights.mkdir()
    checkpoint.mkdir()
    (checkpoint / "model").symlink_to(weights / "model")
    plan = replace(contained(little, "--workers", "1"), values={"checkpoint": checkpoint})
    with servers.start(plan, ask) as server:
        (asked,) = daemon.asked
        inside = [one.pid for one in little.running() if "--name" not in one.cmdline()]
        assert len(inside) == 2
        assert {*inside} < server.pids()
        assert (server.peak_bytes() or 0) > 1e7
    assert little.running() == []
    assert asked["image"] == "model/server:1"
    assert asked["variables"]["LITTLE_KEY"] == CANARY
    assert asked["variables"]["HF_HUB_OFFLINE"] == "1"
    assert not {"PATH", "HOME"} & asked["variables"].keys()
    read_only = [f"type=bind,src={one},dst={one},readonly" for one in (checkpoint, weights)]
    assert asked["mounts"][:2] == read_only
    assert len(asked["mounts"]) == 3
    assert asked["command"][:2] == [sys.executable, PROGRAM]


@pytest.mark.parametrize("fault", [(), ("--stubborn",)])
def test_a_container_whose_command_is_killed(
    little: Little, daemon: little_docker.Daemon, fault: tuple[str, ...]
) -> None:
    """The container, of which the command was only a client, ends with it."""
    with servers.start(contained(little, *fault), ask) as server:
        (client,) = [one for one in little.running() if "--name" in one.cmdline()]
        client.kill()
        with pytest.raises(UserError, match="killed by signal 9"):
            server.check(60)
    assert little.running() == []


def test_a_stubborn_container(little: Little, daemon: little_docker.Daemon) -> None:
    """It is removed by force."""
    server = servers.start(contained(little, "--stubborn"), ask)
    server.stop(grace_s=0.3)
    assert little.running() == []


def test_its_starter_is_killed(little: Little, daemon: little_docker.Daemon) -> None:
    """The container is removed."""
    again = (
        f"server.stop(); sys.path.append({str(Path(__file__).parent)!r}); import test_containers; "
        "server = servers.start(test_containers.contained(little), ask)"
    )
    with starter(little, then=again) as process:
        assert process.stdout.readline() == "ready\n"
        assert [one for one in little.running() if "--name" not in one.cmdline()]
        process.kill()
    little.is_gone()


def test_there_is_no_runtime(little: Little, monkeypatch: pytest.MonkeyPatch) -> None:
    """One line says so."""
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(UserError, match=r"^little: cannot run 'docker': no such command"):
        servers.start(contained(little), ask)


def test_gpus_and_other_runtimes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each runtime gets them as it is documented to take them."""

    def command(container: Container) -> list[str]:
        return container.command(["serve"], {"B", "A"}, "n", 8000, [], tmp_path, 10**9)

    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-1,GPU-2")
    docker = " ".join(command(DOCKER))
    assert '--network host --gpus "device=GPU-1,GPU-2" --mount ' in docker
    assert docker.endswith("--env A --env B --memory 1000000000 model/server:1 serve")
    podman = Container(image="i", runtime="podman", options=("--userns", "keep-id"))
    words = " ".join(command(podman))
    assert words.startswith("podman run --rm --pull never --name n ")
    assert " --device nvidia.com/gpu=GPU-1 --device nvidia.com/gpu=GPU-2 --mount " in words
    assert words.endswith(" --userns keep-id i serve")
    apptainer = Container(image="i.sif", runtime="apptainer")
    bind = ["--bind", f"{tmp_path}:{tmp_path}"]
    assert command(apptainer) == ["apptainer", "exec", "--nv", *bind, "i.sif", "serve"]
    assert apptainer.removal("n") == []
    assert apptainer.processes("n") == set()


@pytest.mark.parametrize(
    ("held", "files", "variable", "flags"),
    [
        ({"ROCR_VISIBLE_DEVICES": "GPU-1", "ZE_AFFINITY_MASK": "127"}, "--device /dev/kfd --device /dev/dri", "ROCR_VISIBLE_DEVICES", ["--rocm"]),
        ({"ROCR_VISIBLE_DEVICES": "", "ZE_AFFINITY_MASK": "0,1"}, "--device /dev/dri", "ZE_AFFINITY_MASK", []),
    ],
    ids=["AMD", "Intel"],
)  # fmt: skip
def test_gpus_of_other_makers(
    held: dict[str, str], files: str, variable: str, flags: list[str],
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """All are seen inside; the variable that leaves the job's own visible is passed on."""
    for name, value in ({"CUDA_VISIBLE_DEVICES": ""} | held).items():
        monkeypatch.setenv(name, value)

    def words(container: Container) -> str:
        return " ".join(container.command(["serve"], [], "n", 8000, [], tmp_path))

    assert f" {files} --group-add video --env {variable} --mount " in words(DOCKER)
    podman = Container(image="i", runtime="podman")
    assert f" {files} --group-add keep-groups --env {variable} --mount " in words(podman)
    bind = ["--bind", f"{tmp_path}:{tmp_path}"]
    inside = words(Container(image="i.sif", runtime="apptainer"))
    assert inside == " ".join(["apptainer", "exec", *flags, *bind, "i.sif", "serve"])


@pytest.mark.parametrize("image", ["", "--privileged", "a b"])
def test_an_image_is_no_option(image: str) -> None:
    """It would be one of the runtime's."""
    with pytest.raises(ValidationError):
        Container(image=image)


def test_nothing_is_known_of_a_container_that_is_not_there(daemon: little_docker.Daemon) -> None:
    """Neither by the runtime nor without one."""
    assert DOCKER.processes("none") == set()
    assert Container(image="i", runtime="podman").processes("none") == set()
