"""Import the libraries of measurements, then fork for each program that forked.py requests.

It ends with the Snakemake whose pid is in the environment, and with the last copy of itself. It
imports none of the workflow's code, which may change meanwhile, starts no thread and uses no
accelerator.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import gc
import importlib
import itertools
import mmap
import os
import runpy
import select
import signal
import socket
import sys
from array import array
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).parent))  # PYTHONSAFEPATH leaves it out

import forked

# The programs set these before their imports, because libraries read them while imported.
SET = {"HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": "", "TIKTOKEN_CACHE_DIR": ""}
IMPORTED = (
    "filelock", "numpy.random", "psutil", "pydantic", "pynvml", "safetensors.torch", "torch",
    "transformers.generation", "transformers.modeling_utils",
    "transformers.models.auto.modeling_auto",
)  # fmt: skip
REQUEST_S = 10.0
PR_SET_PDEATHSIG = 1  # <sys/prctl.h>
MADV_POPULATE_READ = 22  # <sys/mman.h>
PAGE_WORD, PRESENT_BIT = 8, 63  # of /proc/self/pagemap


class Copy(NamedTuple):
    """A copy that runs a program, and its waiting client."""

    pid: int
    ended: int  # a file descriptor that becomes readable when the copy has ended
    client: socket.socket


def libraries() -> dict[str, tuple[int, int]]:
    """Size and time of the file of each imported module."""
    paths = {getattr(module, "__file__", None) for module in [*sys.modules.values()]}
    found = {}
    for path in filter(None, paths):
        with contextlib.suppress(OSError):
            facts = Path(path).stat()
            found[path] = facts.st_size, facts.st_mtime_ns
    return found


def touched() -> list[tuple[int, int]]:
    """Address and length of the parts of mapped files (libraries) that this process has read."""
    found: list[tuple[int, int]] = []
    with Path("/proc/self/maps").open() as maps, Path("/proc/self/pagemap").open("rb") as pages:
        for line in maps:
            addresses, _, _, _, _, *path = line.split(maxsplit=5)
            if not path or not path[0].startswith("/"):
                continue
            start, end = (int(one, 16) for one in addresses.split("-"))
            pages.seek(start // mmap.PAGESIZE * PAGE_WORD)
            entries = array("Q", pages.read((end - start) // mmap.PAGESIZE * PAGE_WORD))
            for present, group in itertools.groupby(entries, lambda entry: entry >> PRESENT_BIT):
                length = len(list(group)) * mmap.PAGESIZE
                found += [(start, length)] if present else []
                start += length
    return found


def touch(ranges: list[tuple[int, int]]) -> None:
    """Reads these parts, if the kernel can do so at once, so that they count as this process's."""
    madvise = ctypes.CDLL(None).madvise
    madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    for start, length in ranges:
        madvise(start, length, MADV_POPULATE_READ)


class Server:
    """Forks for programs, one after the other or several at once, while its run is alive."""

    def __init__(self, path: Path) -> None:
        """Imports, then listens at `path`; writes a byte to standard output after each."""
        self.surroundings = forked.surroundings()
        given = self.surroundings["environment"]
        os.environ.update(SET)
        for name in IMPORTED:
            importlib.import_module(name)
        for name in SET:  # a program gets its run's values, and sets these itself
            os.environ.pop(name)
            os.environ.update({name: given[name]} if name in given else {})
        self.libraries = libraries()
        gc.collect()
        gc.freeze()  # exempt from collection, so that its memory stays shared
        self.touched = touched()
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the copies
        os.write(1, b".")  # fails if the starter has exited: there may be another one by now
        path.unlink(missing_ok=True)
        self.listening = socket.socket(socket.AF_UNIX)
        os.umask(0o177)
        self.listening.bind(str(path))
        os.umask(self.surroundings["umask"])
        self.listening.listen()
        self.runner = os.pidfd_open(int(os.environ[forked.RUNNER]))
        self.copies: list[Copy] = []
        os.write(1, b".")
        os.dup2(0, 1)

    def serve(self) -> list[str] | None:
        """Forks until the run and all copies have ended; in a copy, returns the command to run."""
        over = False
        while not over or self.copies:
            known: list[Any] = [] if over else [self.listening, self.runner]
            for copy in self.copies:
                known += [copy.ended, copy.client]
            ready = set(select.select(known, [], [])[0])
            for copy in [one for one in self.copies if {one.ended, one.client} & ready]:
                self.end(copy, killed=copy.ended not in ready)
            over = over or self.runner in ready
            if self.listening in ready and (command := self.answer()):
                return command
        return None

    def end(self, copy: Copy, killed: bool) -> None:
        """Reports a copy's exit to its client; a copy whose client has gone is `killed`."""
        if killed:
            os.kill(copy.pid, signal.SIGKILL)
        _, status = os.waitpid(copy.pid, 0)
        with contextlib.suppress(OSError):
            copy.client.sendall(b"%d\n" % os.waitstatus_to_exitcode(status))
        copy.client.close()
        os.close(copy.ended)
        self.copies.remove(copy)

    def answer(self) -> list[str] | None:
        """Forks for a client, if nothing has changed; in the copy, returns the command to run."""
        client, _ = self.listening.accept()
        client.settimeout(REQUEST_S)
        try:
            asked, files = forked.receive(client)
        except (OSError, ValueError):  # the client has gone
            client.close()
            return None
        same = asked["surroundings"] == self.surroundings and libraries() == self.libraries
        server = os.getpid()
        pid = os.fork() if same else None
        if pid == 0:
            self.become_copy(server, client, files)
            return list(asked["command"])
        for file in files:
            os.close(file)
        with contextlib.suppress(OSError):
            client.sendall(b"%d\n" % (pid or 0))
        if pid:
            self.copies.append(Copy(pid, os.pidfd_open(pid), client))
        else:
            client.close()
        return None

    def become_copy(self, server: int, client: socket.socket, files: list[int]) -> None:
        """Releases the server's resources and takes on a program's initial state."""
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != server:
            os._exit(1)
        client.close()
        self.listening.close()
        os.close(self.runner)
        for other in self.copies:
            other.client.close()
            os.close(other.ended)
        for number, file in enumerate(files):
            os.dup2(file, number)
            os.close(file)
        sys.stdout.reconfigure(line_buffering=os.isatty(1))  # type: ignore[union-attr]
        signal.signal(signal.SIGINT, signal.default_int_handler)
        touch(self.touched)  # otherwise the copy's peak memory would lack the imports
        # Python's own generator is seeded by os.fork.
        sys.modules["numpy.random"].seed()
        sys.modules["torch"].default_generator.seed()


def main() -> None:
    """Serves; in a copy, runs the program, whose exit is this process's."""
    sys.path.pop(0)
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("path", type=Path, help="the socket to listen on")
    path = parser.parse_args().path
    command = Server(path).serve()
    if command is None:
        path.unlink(missing_ok=True)
        os._exit(0)
    sys.argv = command
    if not sys.flags.safe_path:
        sys.path[0] = str(Path(command[0]).absolute().parent)
    runpy.run_path(command[0], run_name="__main__")


if __name__ == "__main__":
    main()
