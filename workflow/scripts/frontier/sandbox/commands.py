"""The command lines of sandboxes: bubblewrap on Linux, sandbox-exec on macOS.

bubblewrap was tried as root and as an ordinary user. sandbox-exec follows its documentation and was
not tried. What a sandbox holds is also tested each time before one is used (running.py).
"""

from __future__ import annotations

import inspect
import os
import secrets
import shutil
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from frontier.sandbox import inside, plain_values

BUBBLEWRAP = (
    "--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try",
    "--die-with-parent", "--new-session", "--clearenv",
)  # fmt: skip
FILES = (
    "--dev", "/dev", "--size", "1048576", "--tmpfs", "/dev/shm", "--remount-ro", "/dev",
    "--perms", "1777", "--size", "16777216", "--tmpfs", "/tmp", "--chdir", "/tmp",
    "--remount-ro", "/",
)  # fmt: skip
"""All that is writable: 1 MiB and 16 MiB of memory. Without a size, each may take half of it."""
AS_USER = ("--unshare-user", "--disable-userns", "--cap-drop", "ALL")
AS_ROOT = (
    "--cap-drop", "ALL", "--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID",
    "--cap-add", "CAP_SETPCAP",
)  # fmt: skip
"""No user namespace, in which root's number of processes would have no limit."""
FEWEST_ID = 10**9  # of users; above those of all accounts
SYSTEM = ("lib", "lib32", "lib64", "bin", "sbin")
OPTIONS = ("-P", "-s", "-S", "-B")
"""Python's, like -I, but PYTHONHASHSEED counts, so that a program runs alike each time."""
VARIABLES = {"PYTHONHASHSEED": "0", "LC_ALL": "C.UTF-8"}

PROFILE = """
(version 1)
(deny default)
(allow process-fork)
(allow process-exec (subpath "{prefix}"))
(allow file-read-metadata)
(allow file-read* (subpath "{prefix}") (subpath "/usr/lib") (subpath "/System")
    (subpath "/private/var/db/dyld") (literal "/") (literal "/dev/null") (literal "/dev/urandom"))
(allow file-read* file-write* (subpath "{folder}"))
(allow file-write* (literal "/dev/null"))
(allow sysctl-read)
"""


class MissingSandboxError(Exception):
    """The reason why this machine has no sandbox."""


@dataclass(frozen=True)
class Python:
    """The interpreter of programs: this one's, without any packages."""

    prefix: Path
    executable: Path
    """Relative to the prefix."""

    @classmethod
    def found(cls) -> Python:
        """This process's interpreter. Raises MissingSandboxError if its folder holds more."""
        prefix = Path(sys.base_prefix).resolve()
        executable = Path("bin", f"python{sys.version_info.major}.{sys.version_info.minor}")
        if not (prefix / executable).is_file():
            raise MissingSandboxError(f"Python has no {executable} in {prefix}")
        if Path.home().resolve().is_relative_to(prefix):
            raise MissingSandboxError(f"Python is installed in {prefix}, above the home folder")
        return cls(prefix, executable)


def command(verdicts: int, denied: int, seconds: int, folder: Path) -> list[str]:
    """The command that checks a program in a sandbox; on macOS `folder` is for its use alone.

    `verdicts` is the open file that gets the verdict, `denied` the one with the filter of system
    calls, `seconds` the most time of the processor. Raises MissingSandboxError.
    """
    checker = ["-c", _checker(), str(verdicts), str(seconds)]
    python = Python.found()
    if sys.platform == "darwin":
        return [*_sandbox_exec(python, folder.resolve()), *OPTIONS, *checker]
    if sys.platform == "linux":
        return [*_bubblewrap(python, denied), str("/py" / python.executable), *OPTIONS, *checker]
    raise MissingSandboxError(f"there is none for {sys.platform}")


@cache
def _checker() -> str:
    """The program of the checker, with the modules that it consists of."""
    sources = {one.__name__: inspect.getsource(one) for one in (plain_values, inside)}
    return f"""
import sys, types
for name in ("frontier", "frontier.sandbox"):
    sys.modules[name] = types.ModuleType(name)
for name, source in {sources!r}.items():
    sys.modules[name] = types.ModuleType(name)
    exec(compile(source, name, "exec"), vars(sys.modules[name]))
sys.modules[{inside.__name__!r}].main()
"""


def _bubblewrap(python: Python, denied: int) -> list[str]:
    root = os.geteuid() == 0
    files = ["--ro-bind", "/usr", "/usr", *_system(), "--ro-bind", str(python.prefix), "/py"]
    # Python's own library where the loader's cache, which is not there, would have it.
    variables = {**VARIABLES, "LD_LIBRARY_PATH": "/py/lib"}
    given = [part for name in variables for part in ("--setenv", name, variables[name])]
    own = AS_ROOT if root else AS_USER
    denying = ["--seccomp", str(denied)]
    found = [_program("bwrap", "bubblewrap"), *BUBBLEWRAP, *own, *denying, *given, *files, *FILES]
    return [*found, *_as_nobody()] if root else found


def _as_nobody() -> list[str]:
    """A user and group that nobody has, without privileges."""
    number = str(FEWEST_ID + secrets.randbelow(FEWEST_ID))
    return [
        _program("setpriv", "util-linux"),
        *("--reuid", number, "--regid", number, "--clear-groups"),
        *("--inh-caps=-all", "--bounding-set=-all", "--no-new-privs"),
    ]


def _system() -> list[str]:
    """The system's libraries and programs where they are not in /usr, or are links to it."""
    found = []
    for path in (Path("/", name) for name in SYSTEM):
        if path.is_symlink():
            found += ["--symlink", str(path.readlink()), str(path)]
        elif path.is_dir():
            found += ["--ro-bind", str(path), str(path)]
    return found


def _sandbox_exec(python: Python, folder: Path) -> list[str]:
    if os.geteuid() == 0:  # whose number of processes macOS does not limit
        raise MissingSandboxError("on macOS it works for an ordinary user only")
    paths = {"prefix": python.prefix, "folder": folder}
    if any(set('"\\') & set(str(path)) for path in paths.values()):
        raise MissingSandboxError(f"a path has quotes in it: {python.prefix} or {folder}")
    variables = [f"{name}={value}" for name, value in VARIABLES.items()]
    sandbox = [_program("sandbox-exec", "macOS"), "-p", PROFILE.format(**paths)]
    return [*sandbox, "/usr/bin/env", "-i", *variables, str(python.prefix / python.executable)]


def _program(name: str, package: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise MissingSandboxError(f"there is no {name} (package {package})")
    return found
