"""The client's place among the processes of this machine, and how long it was kept waiting."""

from __future__ import annotations

import os
import socket
import struct
import sys
import time

PRIORITY = 10
"""One of SCHED_FIFO's 1 to 99: above ordinary processes, below the kernel's interrupt threads."""
RIGHT_OF_WAY = "SCHED_FIFO"
SO_TIMESTAMPNS = 35
"""Linux's option for receive times; Python's socket module does not name it."""
_STAMP = struct.Struct("qq")
TCP_INFO = 11
"""Linux's option for a connection's statistics, with tcpi_data_segs_in at byte 152 (tcp.h)."""
_SEGMENTS = struct.Struct("I")
UNDISTURBED_NS = 50_000
"""Two looks at clocks are further apart only if the process did not run in between."""
STAMP_BYTES = socket.CMSG_SPACE(_STAMP.size) if hasattr(socket, "CMSG_SPACE") else 0


def run_first() -> str:
    """Gives this process, but not its children, the right of way; returns what it got.

    Without the right to SCHED_FIFO (root, or CAP_SYS_NICE), or the class itself, the text says so.
    """
    if not hasattr(os, "SCHED_FIFO"):
        return "ordinary: this system has no SCHED_FIFO"
    try:
        policy = os.SCHED_FIFO | os.SCHED_RESET_ON_FORK
        os.sched_setscheduler(0, policy, os.sched_param(PRIORITY))
    except OSError as error:
        return f"ordinary: SCHED_FIFO: {error.strerror}"
    return RIGHT_OF_WAY


def may_run_first() -> bool:
    """True if a client that this process starts gets the right of way."""
    if run_first() != RIGHT_OF_WAY:
        return False
    os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    return True


def stamp_reads(connection: socket.socket) -> bool:
    """Asks the kernel to report when bytes arrived; False if it cannot."""
    if not sys.platform.startswith("linux"):
        return False
    try:
        connection.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        segments_in(connection)
    except (OSError, struct.error):  # a kernel before 4.6
        return False
    return True


def stamp_of(ancillary: list[tuple[int, int, bytes]]) -> int | None:
    """The kernel's time of the last bytes of a read, in nanoseconds of CLOCK_REALTIME."""
    for level, kind, value in ancillary:
        if level == socket.SOL_SOCKET and kind == SO_TIMESTAMPNS and len(value) == _STAMP.size:
            seconds, nanoseconds = _STAMP.unpack(value)
            return int(seconds * 1_000_000_000 + nanoseconds)
    return None


def segments_in(connection: socket.socket) -> int:
    """The number of segments with data that a TCP connection has received. Linux only."""
    statistics = connection.getsockopt(socket.IPPROTO_TCP, TCP_INFO, 160)
    return int(_SEGMENTS.unpack_from(statistics, 152)[0])


def realtime_offset_ns() -> int:
    """CLOCK_REALTIME minus the clock of all our times; any adjustment of the former changes it."""
    for _ in range(3):
        before, real, after = time.perf_counter_ns(), time.time_ns(), time.perf_counter_ns()
        if after - before < UNDISTURBED_NS:
            break
    return real - (before + after) // 2


class RunDelay:
    """The time that this process was ready to run but did not run, according to Linux.

    Unlike the lateness of a timer it is known for every read, however the process was woken.
    """

    def __init__(self) -> None:
        """Opens the process's statistics, if the system has them."""
        self._file: int | None = None
        self._last_ns = 0
        try:
            # A process of one thread.
            self._file = os.open("/proc/self/schedstat", os.O_RDONLY | os.O_CLOEXEC)
            self._last_ns = self._total_ns()
        except (OSError, ValueError, IndexError):
            self.close()

    @property
    def known(self) -> bool:
        """Whether the system has it."""
        return self._file is not None

    def _total_ns(self) -> int:
        assert self._file is not None
        return int(os.pread(self._file, 80, 0).split()[1])

    def since_last_ns(self) -> int:
        """The delay since this was last called."""
        total = self._total_ns()
        passed, self._last_ns = total - self._last_ns, total
        return passed

    def close(self) -> None:
        """Closes the statistics."""
        if self._file is not None:
            os.close(self._file)
        self._file = None
