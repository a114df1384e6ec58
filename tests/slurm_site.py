"""A real Slurm of one node with three stand-in GPUs, in a folder of its own, stopped by pid."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import socket
import stat
import subprocess
from pathlib import Path
from typing import Self

import psutil

from waiting import wait_until

DAEMONS = ("munged", "slurmctld", "slurmd")
GPUS = 3
CONFIG = """
ClusterName=stand-in
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller}
SlurmdPort={node}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
SlurmUser=root
SlurmdUser=root
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
ReturnToService=2
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerParameters=bf_interval=2,sched_interval=2,batch_sched_delay=0,sched_min_interval=0
GresTypes=gpu
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
AccountingStorageType=accounting_storage/none
MinJobAge=300
KillWait=2
SlurmdParameters=config_overrides
NodeName={host} NodeAddr=127.0.0.1 CPUs=8 RealMemory=64000 Gres=gpu:a6000:{gpus}
PartitionName=gpus Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""


def missing() -> list[str]:
    """Programs of a Slurm that this machine lacks."""
    needed = (*DAEMONS, "mungekey", "sbatch", "squeue", "scancel")
    found = [name for name in needed if not shutil.which(name, path=_path())]
    return found if os.geteuid() == 0 else [*found, "root's rights"]


def _path() -> str:
    return f"{os.environ['PATH']}:/usr/sbin:/sbin"


def _free_port() -> int:
    """A port that no connection gets by chance before the daemon has it: those are higher."""
    for port in random.sample(range(20_000, 32_000), 100):
        with socket.socket() as one, contextlib.suppress(OSError):
            one.bind(("127.0.0.1", port))
            return port
    raise AssertionError("no port is free")


class Site:
    """The daemons, and the environment in which Slurm's commands find them."""

    def __init__(self, folder: Path) -> None:
        """Writes the configuration; nothing runs yet."""
        self.folder = folder
        self.running: dict[str, subprocess.Popen[bytes]] = {}
        self.environment = {"SLURM_CONF": str(folder / "slurm.conf")}
        host = socket.gethostname().split(".")[0]
        for name in ("state", "spool"):
            (folder / name).mkdir(parents=True)
        ports = {"controller": _free_port(), "node": _free_port()}
        (folder / "slurm.conf").write_text(
            CONFIG.format(folder=folder, host=host, gpus=GPUS, **ports), "utf-8"
        )
        for index in range(GPUS):
            # Any character device will do; Slurm counts them and passes on their numbers.
            os.mknod(folder / f"gpu{index}", stat.S_IFCHR | 0o666, os.makedev(1, 3))
        (folder / "gres.conf").write_text(
            f"NodeName={host} Name=gpu Type=a6000 File={folder}/gpu[0-{GPUS - 1}]\n", "utf-8"
        )
        self.environment["PATH"] = f"{self._commands()}:{_path()}"
        key = folder / "munge.key"
        subprocess.run(["mungekey", "--create", f"--keyfile={key}"], check=True, env=self._all())

    def _commands(self) -> Path:
        """Slurm's commands as they find this site: Snakemake's jobs forget SLURM_CONF."""
        place = self.folder / "bin"
        place.mkdir()
        for name in ("sbatch", "srun", "squeue", "scancel", "sinfo", "scontrol"):
            script = place / name
            script.write_text(
                f"#!/bin/sh\nexport SLURM_CONF={self.folder}/slurm.conf\n"
                f'exec {shutil.which(name)} "$@"\n',
                "utf-8",
            )
            script.chmod(0o755)
        return place

    def _all(self) -> dict[str, str]:
        return os.environ | self.environment

    def __enter__(self) -> Self:
        """Starts the daemons; ready when the node is idle."""
        for name in DAEMONS:
            self.start(name)
        self.wait_for("idle")
        return self

    def __exit__(self, *_raised: object) -> None:
        """Stops what is running, by pid, jobs first."""
        self.command("scancel", "--user=root")
        for name in reversed(DAEMONS):
            self.stop(name)

    def start(self, name: str) -> None:
        """Starts a daemon in the foreground, its words in a file."""
        folder = self.folder
        options = {
            "munged": ["--foreground", "--force", f"--key-file={folder}/munge.key",
                       f"--socket={folder}/munge.socket", f"--pid-file={folder}/munged.pid",
                       f"--log-file={folder}/munged.log", f"--seed-file={folder}/munged.seed"],
            "slurmctld": ["-D"],
            "slurmd": ["-D"],
        }  # fmt: skip
        with (folder / f"{name}.out").open("ab") as words:
            self.running[name] = subprocess.Popen(
                [shutil.which(name, path=_path()) or name, *options[name]],
                stdout=words, stderr=words, env=self._all(), start_new_session=True,
            )  # fmt: skip
        if name == "munged":
            out = folder / f"{name}.out"
            wait_until((folder / "munge.socket").exists, out, self.running[name], poll_s=0.1)

    def stop(self, name: str, how: signal.Signals = signal.SIGTERM) -> None:
        """Ends a daemon, and for slurmd what it started."""
        process = self.running.pop(name, None)
        if process is None:
            return
        process.send_signal(how)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def command(self, *arguments: str) -> str:
        """The output of one of Slurm's commands."""
        done = subprocess.run(
            arguments, capture_output=True, text=True, check=False, env=self._all()
        )
        return done.stdout

    def jobs(self) -> list[str]:
        """Ids of the jobs that have not ended."""
        return self.command("squeue", "--noheader", "--format=%i").split()

    def wait_for(self, state: str) -> None:
        """Waits until the node is in that state."""
        wait_until(
            lambda: self.command("sinfo", "--noheader", "--format=%T").strip() == state,
            self.folder / "slurmctld.out", self.running["slurmctld"], poll_s=0.1,
        )  # fmt: skip

    def processes(self) -> list[psutil.Process]:
        """The processes of jobs that the node daemon still runs."""
        return [
            process
            for process in psutil.process_iter()
            if process.name() in ("slurmstepd",) and str(self.folder) in " ".join(process.cmdline())
        ]
