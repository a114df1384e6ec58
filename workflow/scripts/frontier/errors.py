"""How a fault of the user's input, or of the machine, is told: in one clear line, no traceback."""

from __future__ import annotations

import difflib
import errno
import os
import signal
import sys
from collections.abc import Callable, Iterable
from types import FrameType

from frontier.text import LONGEST, visible

FEW = 8  # names that are listed where none is close to what was typed
LONGEST_LINE = 1000  # characters
UNWRITABLE = (
    errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EISDIR,
    errno.EEXIST, errno.EIO,
)  # fmt: skip
# Of a library that is loaded, of the system, of a thread that is started.
LITTLE_MEMORY = ("failed to map segment", "annot allocate memory", "can't start new thread")


class UserError(Exception):
    """What the user gave cannot work; the message is one line that says where and why."""


class OutOfMemoryError(Exception):
    """More memory was needed than there is: a cell's outcome, and nobody's fault."""


def closest(name: str, names: Iterable[str]) -> str | None:
    """The one of `names` that is close enough to be meant; case, '-' and '_' count for nothing."""
    known = {_plain(one): one for one in names}
    typed = _plain(name[:LONGEST])
    close = difflib.get_close_matches(typed, known, n=1, cutoff=0.5)
    close += [one for one in known if len(typed) > 1 and (typed in one or one in typed)]
    return known[close[0]] if close else None


def nearest(name: str, names: Iterable[str]) -> str:
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
    """Run a program's `main`; tell faults of the input or of the machine in one line and exit 1.

    A full disk or too little memory is the machine's fault, not ours, so it gets a line as well;
    every other exception is a fault of ours and keeps its traceback.
    """
    signal.signal(signal.SIGINT, _interrupted)
    try:
        main()
    except UserError as error:
        sys.exit(f"error: {one_line(error)}")
    except Exception as error:
        if isinstance(error, OSError) and error.errno in UNWRITABLE:
            sys.exit(f"error: cannot write: {one_line(error)}")
        if cause := lack_of_memory(error):
            sys.exit(f"error: too little memory to go on: {one_line(cause)}")
        raise


def lack_of_memory(error: BaseException | None) -> BaseException | None:
    """The exception among an error and its causes that says that memory ran out, if one does."""
    while error is not None:
        out = isinstance(error, MemoryError | OutOfMemoryError)
        if out or any(words in str(error) for words in LITTLE_MEMORY):
            return error
        error = error.__cause__ or error.__context__
    return None


def _interrupted(_signal: int, _frame: FrameType | None) -> None:
    """End at once: an exception is at times swallowed by libraries, and the program went on."""
    os.write(2, b"interrupted: the same command goes on from here\n")
    os._exit(130)
