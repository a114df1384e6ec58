"""Servers in containers: the commands of the runtime that starts one, finds it and ends it.

Not tried with a real runtime here, but with a stand-in; written after the runtimes' documents.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Literal

import psutil
from pydantic import Field

from frontier.blocks import Block
from frontier.machine.hardware import MAKERS
from frontier.serving import ports

EVERYWHERE = "0.0.0.0"
FLAGS = {"cuda": "--nv", "rocm": "--rocm"}
"""Apptainer's options for GPUs; Intel's need none."""
DEVICES = {
    "rocm": ("--device", "/dev/kfd", "--device", "/dev/dri"),
    "xpu": ("--device", "/dev/dri"),
}
"""The files of GPUs that a container gets as they are. Source: ROCm's and Intel's documentation."""
ASK_S = 10.0
"""The time for a runtime to answer a question."""


class Container(Block):
    """The image in which a server's command is run."""

    image: str = Field(min_length=1, pattern=r"^[^\s-]\S*$")
    """Its name, with a tag or digest; a file for apptainer. It must be there: nothing is pulled."""
    runtime: Literal["docker", "podman", "apptainer"] = "docker"
    """The program that runs it."""
    options: tuple[str, ...] = ()
    """Further options of that program's `run` (`exec` for apptainer)."""

    @property
    def detached(self) -> bool:
        """True if its processes are not those of the command that starts it."""
        return self.runtime != "apptainer"

    @property
    def host(self) -> str:
        """The address to listen on inside."""
        return ports.HOST if _shares_the_network() or not self.detached else EVERYWHERE

    def command(
        self,
        arguments: Sequence[str],
        variables: Collection[str],
        name: str,
        port: int,
        mounts: Iterable[Path],
        folder: Path,
        memory_bytes: int | None = None,
    ) -> list[str]:
        """The command that runs `arguments` in it, as a container of that name.

        It sees `mounts`, read-only, and its `folder`, at the same paths; of `variables` the values
        are those of the command's own environment, so that none is an argument.
        """
        seen = real_places(mounts)
        if not self.detached:
            binds = [f"{path}:{path}:ro" for path in seen] + [f"{folder}:{folder}"]
            gpus = [FLAGS[one] for one in FLAGS if _held(one)]
            shown = [part for bind in binds for part in ("--bind", bind)]
            return ["apptainer", "exec", *gpus, *shown, *self.options, self.image, *arguments]
        shown = [
            part
            for path, mode in [*((path, ",readonly") for path in seen), (folder, "")]
            for part in ("--mount", f"type=bind,src={path},dst={path}{mode}")
        ]
        network = (
            ["--network", "host"]
            if _shares_the_network()
            else ["-p", f"{ports.HOST}:{port}:{port}"]
        )
        return [
            self.runtime, "run", "--rm", "--pull", "never", "--name", name, "--ipc", "host",
            *network, *self._gpus(), *shown,
            *(part for variable in sorted(variables) for part in ("--env", variable)),
            *(["--memory", str(memory_bytes)] if memory_bytes else []),
            *self.options, self.image, *arguments,
        ]  # fmt: skip

    def _gpus(self) -> list[str]:
        """The options for the GPUs that this job holds.

        AMD's and Intel's are all seen inside, so the variable that hides the others is passed on.
        """
        held = _held("cuda")
        for name, options in DEVICES.items():
            if _held(name):
                groups = ["--group-add", "keep-groups" if self.runtime == "podman" else "video"]
                return [*options, *groups, "--env", MAKERS[name].VARIABLE]
        if self.runtime == "podman":
            return [part for one in held for part in ("--device", f"nvidia.com/gpu={one}")]
        return ["--gpus", f'"device={",".join(held)}"'] if held else []

    def removal(self, name: str) -> list[list[str]]:
        """The commands that end and remove the container of that name."""
        return [[self.runtime, "rm", "--force", name]] if self.detached else []

    def processes(self, name: str) -> set[int]:
        """The pids of the container of that name on this host; empty where it has none here."""
        if not self.detached:
            return set()
        asked = [self.runtime, "inspect", "--format", "{{.State.Pid}}", name]
        try:
            said = subprocess.run(
                asked, capture_output=True, text=True, check=True, timeout=ASK_S,
                stdin=subprocess.DEVNULL,
            )  # fmt: skip
            first = psutil.Process(int(said.stdout))
            return {first.pid, *(one.pid for one in first.children(recursive=True))}
        except (OSError, subprocess.SubprocessError, ValueError, psutil.Error):
            return set()


def _held(accelerator: str) -> list[str]:
    """The GPUs of an accelerator that this job holds, as its variable has them."""
    maker = MAKERS[accelerator]
    value = os.environ.get(maker.VARIABLE, maker.NONE)
    return [] if value == maker.NONE else [one for one in value.split(",") if one]


def _shares_the_network() -> bool:
    """True if a container can listen at the host's own address; elsewhere it is in a machine."""
    return sys.platform == "linux"


def real_places(paths: Iterable[Path]) -> list[Path]:
    """The paths, and the folders of the files that links in them lead to."""
    found: dict[Path, None] = {}
    for path in paths:
        found[path] = None
        for one in path.iterdir() if path.is_dir() else [path]:
            if one.is_symlink():
                found[one.resolve().parent] = None
    return [*found]
