"""The system calls that bubblewrap's sandbox denies: a seccomp filter, as bytes for `--seccomp`.

They would lead to new user namespaces, to other processes, to sockets that no namespace separates,
or to memory that no limit counts. Source of the format: Linux, Documentation/userspace-api/
seccomp_filter.rst; of the numbers: the kernel's tables of system calls.
"""

from __future__ import annotations

import errno
import platform
import struct

DENIED = {  # name: number on x86_64, on aarch64
    "unshare": (272, 97), "setns": (308, 268), "mount": (165, 40), "umount2": (166, 39),
    "pivot_root": (155, 41), "chroot": (161, 51), "open_tree": (428, 428), "move_mount": (429, 429),
    "fsopen": (430, 430), "mount_setattr": (442, 442), "ptrace": (101, 117), "kcmp": (312, 272),
    "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "pidfd_open": (434, 434),
    "pidfd_getfd": (438, 438), "socket": (41, 198), "memfd_create": (319, 279),
    "memfd_secret": (447, 447), "shmget": (29, 194), "msgget": (68, 186), "semget": (64, 190),
    "mq_open": (240, 180), "add_key": (248, 217), "request_key": (249, 218), "keyctl": (250, 219),
    "bpf": (321, 280), "perf_event_open": (298, 241), "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425), "io_uring_enter": (426, 426), "io_uring_register": (427, 427),
}  # fmt: skip
MACHINES = ("x86_64", "aarch64")
AUDIT = (0xC000003E, 0xC00000B7)
CLONE, CLONE3 = (56, 220), 435
NAMESPACES = 0x7E020080  # the flags of clone for new ones
X32 = 0x40000000  # from here on, calls of another table
NUMBER, ARCHITECTURE, ARGUMENT = 0, 4, 16  # where the kernel has them
LOAD, EQUAL, AT_LEAST, ANY_BIT, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
ALLOW, KILL, FAIL = 0x7FFF0000, 0x80000000, 0x00050000


def of_this_machine() -> bytes:
    """The filter, which denies nothing on other kinds of processors."""
    if platform.machine() not in MACHINES:
        return struct.pack("=HBBI", RETURN, 0, 0, ALLOW)
    kind = MACHINES.index(platform.machine())
    lines = [
        (LOAD, 0, 0, ARCHITECTURE),
        *((EQUAL, 1, 0, AUDIT[kind]), (RETURN, 0, 0, KILL)),
        (LOAD, 0, 0, NUMBER),
        *((AT_LEAST, 0, 1, X32), (RETURN, 0, 0, KILL)),
        # Whose flags a filter cannot read: libraries then use clone.
        *((EQUAL, 0, 1, CLONE3), (RETURN, 0, 0, FAIL | errno.ENOSYS)),
    ]
    for numbers in DENIED.values():
        lines += [(EQUAL, 0, 1, numbers[kind]), (RETURN, 0, 0, FAIL | errno.EPERM)]
    lines += [
        (EQUAL, 0, 3, CLONE[kind]),
        (LOAD, 0, 0, ARGUMENT),
        *((ANY_BIT, 0, 1, NAMESPACES), (RETURN, 0, 0, FAIL | errno.EPERM)),
        (RETURN, 0, 0, ALLOW),
    ]
    return b"".join(struct.pack("=HBBI", *line) for line in lines)
