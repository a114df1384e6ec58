"""Errors in the user's input or on the machine: one clear line each, no traceback."""

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
"""Time after Ctrl-C for a program to release what it holds."""
UNWRITABLE = (
    errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EISDIR,
    errno.EEXIST, errno.EIO,
)  # fmt: skip
# As a dynamic loader, the system and the start of a thread say it.
LITTLE_MEMORY = ("failed to map segment", "annot allocate memory", "can't start new thread")


Reason = str
"""A sentence saying why something is impossible; rewording one changes no identity.

A function annotated to return it returns such a sentence or None (frontier/identity).
"""


class UserError(Exception):
    """An error in what the user gave; the message is one line saying where and why."""


class UnsupportedError(Exception):
    """An engine, device or quantization cannot run a variant; the message is the reason shown."""


class OutOfMemoryError(Exception):
    """More memory was needed than there is: an outcome of a cell, not a bug."""


def closest(name: str, names: Iterable[str]) -> str | None:
    """The closest of `names`, None if none is close; case and '-' versus '_' do not matter."""
    known = {_plain(one): one for one in names}
    typed = _plain(name[:LONGEST])
    close = difflib.get_close_matches(typed, known, n=1, cutoff=0.5)
    close += [one for one in known if len(typed) > 1 and (typed in one or one in typed)]
    return known[close[0]] if close else None


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """The hint at the end of an error message: " (did you mean 'x'?)" for the closest name.

    If none is close, the names are listed, unless there are many.
    """
    names = list(names)
    if close := closest(name, names):
        return f" (did you mean {close!r}?)"
    return f" (there are: {', '.join(names)})" if 0 < len(names) <= FEW else ""


def _plain(name: str) -> str:
    return name.casefold().replace("_", "-")


def one_line(error: BaseException) -> str:
    """An exception's message as a single line that is safe to print."""
    return visible(" ".join(str(error).split()), LONGEST_LINE) or type(error).__name__


def run(main: Callable[[], None]) -> None:
    """Runs a program's `main` and exits; errors of the input or the machine print one line.

    A full disk or too little memory is not a bug, so it gets a line as well; any other exception
    is a bug and shows its traceback.
    """
    signal.signal(signal.SIGINT, _interrupt)
    try:
        main()
    except BaseException as error:
        if _interrupted.is_set():  # a library may have replaced the exception
            exit_process(INTERRUPTED)
        if line := _fault(error):
            sys.exit(f"error: {line}")
        raise
    exit_process(INTERRUPTED if _interrupted.is_set() else 0)


def _fault(error: BaseException) -> str | None:
    """The line for an error of the input or of the machine; None for a bug."""
    if isinstance(error, UserError):
        return one_line(error)
    if isinstance(error, OSError) and error.errno in UNWRITABLE:
        return f"cannot write: {one_line(error)}"
    if isinstance(error, Exception) and (cause := lack_of_memory(error)):
        return f"out of memory: {one_line(cause)}"
    return None


def lack_of_memory(error: BaseException | None) -> BaseException | None:
    """The exception, among an error and its causes, that reports a lack of memory, if any."""
    while error is not None:
        out = isinstance(error, MemoryError | OutOfMemoryError)
        if out or any(words in str(error) for words in LITTLE_MEMORY):
            return error
        error = error.__cause__ or error.__context__
    return None


def exit_process(code: int) -> NoReturn:
    """Ends the process without the interpreter's teardown, most of a second with torch.

    A normal exit's guarantees hold: threads end, exit handlers run, output is flushed.
    """
    signal.signal(signal.SIGINT, lambda *_: os._exit(INTERRUPTED))
    # Neither is public. The interpreter does the same at exit, for executors' threads too.
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
    """Raises KeyboardInterrupt again if a library has swallowed it.

    Called before anything is recorded: a library that carried on may have returned anything.
    """
    if _interrupted.is_set():
        raise KeyboardInterrupt


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    """Ends the program soon: by an exception that releases everything, by force if it is swallowed.

    Acts once: Ctrl-C may arrive from the terminal and from Snakemake.
    """
    if _interrupted.is_set():
        return
    _interrupted.set()
    os.write(2, b"interrupted; run the same command again to continue\n")

    def end() -> None:
        time.sleep(RELEASE_S)
        os._exit(INTERRUPTED)

    # Not threading.Thread: the interrupted code may hold one of threading's locks.
    _thread.start_new_thread(end, ())
    raise KeyboardInterrupt
