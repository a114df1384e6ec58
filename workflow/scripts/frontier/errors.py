"""How a fault of the user's input, or of the machine, is told: in one clear line, no traceback."""

from __future__ import annotations

import _thread
import atexit
import difflib
import errno
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable
from types import FrameType
from typing import NoReturn

from frontier.text import LONGEST, visible

FEW = 8  # names that are listed where none is close to what was typed
LONGEST_LINE = 1000  # characters
INTERRUPTED = 130  # the exit code after Ctrl-C
LOST_OUTPUT = 120  # Python's own where the last output cannot be written
RELEASE_S = 5.0
"""How long what a program holds may take to be released after Ctrl-C."""
UNWRITABLE = (
    errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EISDIR,
    errno.EEXIST, errno.EIO,
)  # fmt: skip
# Of a library that is loaded, of the system, of a thread that is started.
LITTLE_MEMORY = ("failed to map segment", "annot allocate memory", "can't start new thread")


Reason = str
"""Words that say why something cannot be; they decide nothing, so rewording them changes nothing.

A function that is annotated to return it returns such words or None (frontier/identity).
"""


class UserError(Exception):
    """What the user gave cannot work; the message is one line that says where and why."""


class UnsupportedError(Exception):
    """An engine, device or quantization cannot run a variant; the message is the reason shown."""


class OutOfMemoryError(Exception):
    """More memory was needed than there is: a cell's outcome, and nobody's fault."""


def closest(name: str, names: Iterable[str]) -> str | None:
    """The one of `names` that is close enough to be meant; case, '-' and '_' count for nothing."""
    known = {_plain(one): one for one in names}
    typed = _plain(name[:LONGEST])
    close = difflib.get_close_matches(typed, known, n=1, cutoff=0.5)
    close += [one for one in known if len(typed) > 1 and (typed in one or one in typed)]
    return known[close[0]] if close else None


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """The hint to end an error with: " (did you mean 'x'?)" for the closest name.

    Where none is close, a few names are listed, many are not.
    """
    names = list(names)
    if close := closest(name, names):
        return f" (did you mean {close!r}?)"
    return f" (there are: {', '.join(names)})" if 0 < len(names) <= FEW else ""


def _plain(name: str) -> str:
    return name.casefold().replace("_", "-")


def one_line(error: BaseException) -> str:
    """An exception's message as a single line that is safe to print, whatever was given."""
    return visible(" ".join(str(error).split()), LONGEST_LINE) or type(error).__name__


def run(main: Callable[[], None]) -> None:
    """Run a program's `main`, and end the process; faults of the input or machine are one line.

    A full disk or too little memory is the machine's fault, not ours, so it gets a line as well;
    every other exception is a fault of ours and keeps its traceback.
    """
    signal.signal(signal.SIGINT, _interrupt)
    try:
        main()
    except BaseException as error:
        if _interrupted.is_set():  # a library may have made another exception of it
            exit_process(INTERRUPTED)
        if line := _fault(error):
            sys.exit(f"error: {line}")
        raise
    exit_process(INTERRUPTED if _interrupted.is_set() else 0)


def _fault(error: BaseException) -> str | None:
    """The line for a fault of the input or of the machine; None for a fault of ours."""
    if isinstance(error, UserError):
        return one_line(error)
    if isinstance(error, OSError) and error.errno in UNWRITABLE:
        return f"cannot write: {one_line(error)}"
    if isinstance(error, Exception) and (cause := lack_of_memory(error)):
        return f"too little memory to go on: {one_line(cause)}"
    return None


def lack_of_memory(error: BaseException | None) -> BaseException | None:
    """The exception among an error and its causes that says that memory ran out, if one does."""
    while error is not None:
        out = isinstance(error, MemoryError | OutOfMemoryError)
        if out or any(words in str(error) for words in LITTLE_MEMORY):
            return error
        error = error.__cause__ or error.__context__
    return None


def exit_process(code: int) -> NoReturn:
    """End the process without taking the interpreter down, which takes most of a second with torch.

    All that an exit promises is done first: threads end, exit handlers run, output is written.
    """
    signal.signal(signal.SIGINT, lambda *_: os._exit(INTERRUPTED))
    # Neither has a public name. The interpreter itself does the same, executors' threads included.
    getattr(threading, "_shutdown", lambda: None)()
    atexit._run_exitfuncs()
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError:
        code = code or LOST_OUTPUT
    os._exit(code)


_interrupted = threading.Event()


def check_interrupted() -> None:
    """Raise KeyboardInterrupt again where a library has swallowed it.

    For before something is written down: a library that went on may have returned anything.
    """
    if _interrupted.is_set():
        raise KeyboardInterrupt


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    """End soon: by an exception, so that all is released, or without where a library swallows it.

    Once: Ctrl-C may reach a program from the terminal and from Snakemake.
    """
    if _interrupted.is_set():
        return
    _interrupted.set()
    os.write(2, b"interrupted: the same command goes on from here\n")

    def end() -> None:
        time.sleep(RELEASE_S)
        os._exit(INTERRUPTED)

    # Not threading's: a lock of it may be held by what was interrupted.
    _thread.start_new_thread(end, ())
    raise KeyboardInterrupt
