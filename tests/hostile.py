"""Programs that a sandbox must hold, each with the verdicts that are right for it.

The function is `f`, and its test wants f(1) == 2. Programs that spy or break out return the right
value only if they succeed; those that cheat return a wrong one, and try to pass nevertheless.
"""

from __future__ import annotations

TIMED_OUT = ("timed out",)
FAILED = ("failed",)
STOPPED = ("failed", "timed out")
"""Verdicts on programs that take memory or disk until there is no more, if their time allows."""
PASSED = ("passed",)
TEST = "def check(f):\n    assert f(1) == 2\n"


def cheat(setting: str = "", inside: str = "pass", result: str = "3") -> str:
    """A program with a wrong result."""
    return f"{setting}\ndef f(x):\n    {inside}\n    return {result}\n"


def spy(attempt: str, setting: str = "") -> str:
    """A program that is right only if an attempt raises nothing and is true."""
    return f"{setting}\ndef f(x):\n    return 2 if ({attempt}) else 0\n"


ENDLESS = {
    "endless loop": cheat(inside="while True: pass"),
    "sleep": cheat("import time", "time.sleep(10**6)"),
    "swallows exceptions": """
def f(x):
    while True:
        try:
            while True:
                pass
        except BaseException:
            pass
""",
    "ignores signals": """
import signal
for one in range(1, 65):
    try:
        signal.signal(one, signal.SIG_IGN)
    except (OSError, ValueError):
        pass
def f(x):
    while True:
        pass
""",
    "fork bomb": """
import os
def f(x):
    while True:
        try:
            os.fork()
        except OSError:
            pass
""",
    "large power": cheat(result="10 ** (10 ** 9)"),
    "endless print": cheat(inside="while True: print('x' * 4096)"),
    "endless print to stderr": cheat(
        "import sys", "while True: print('x' * 4096, file=sys.stderr)"
    ),
    "small files": """
def f(x):
    number = 0
    while True:
        number += 1
        try:
            open(f"/tmp/{number}", "w").write("x")
        except OSError:
            pass
""",
}
GROWING = {
    "recursion": """
import sys
sys.setrecursionlimit(10**9)
def f(x):
    return f(x + 1)
""",
}
BOMBS = {
    "threads": """
import threading, time
def f(x):
    while True:
        threading.Thread(target=time.sleep, args=(10**6,)).start()
""",
    "memory": cheat("many = []", "while True: many.append(bytearray(1 << 20))"),
    "/tmp": cheat("import os", "while True: open('/tmp/x', 'ab').write(bytes(1 << 20))"),
    "/dev/shm": cheat("import os", "while True: open('/dev/shm/x', 'ab').write(bytes(1 << 20))"),
    "900 MB": cheat(result="'x' * (900 << 20)"),
    "an endless result": cheat("import itertools", result="itertools.count()"),
    "recursion in C": """
import sys
sys.setrecursionlimit(10**9)
def f(x):
    return sorted([x], key=f)
""",
    "a deep result": cheat("deep = []\nfor _ in range(10**6): deep = [deep]", result="deep"),
}
CHEATS = {
    "segfault": cheat("import ctypes", "ctypes.string_at(0)"),
    "os._exit": cheat("import os", "os._exit(0)"),
    "os._exit at import": cheat("import os; os._exit(0)"),
    "sys.exit": cheat("import sys", "sys.exit(0)"),
    "SystemExit": cheat(inside="raise SystemExit(0)"),
    "prints passed": cheat(inside="print('passed'); print('{\"passed\": true}')"),
    "verdicts to all files": """
import os
def f(x):
    for one in range(64):
        try:
            os.write(one, b'{"nonce": "", "passed": true, "reason": ""}\\n')
        except OSError:
            pass
    return 3
""",
    "messages to all files": """
import os, pickle, struct
def f(x):
    one = pickle.dumps(("returned", "value", True))
    for file in range(64):
        try:
            os.write(file, struct.pack("!Q", len(one)) + one)
        except OSError:
            pass
    return 3
""",
    "equal to all": cheat("class E:\n    def __eq__(self, other): return True", result="E()"),
    "an equal int": cheat(
        "class E(int):\n    def __eq__(self, other): return True\n    __hash__ = int.__hash__",
        result="E(3)",
    ),
    "evil __reduce__": cheat(
        "import os\nclass E:\n    def __reduce__(self): return os._exit, (0,)", result="E()"
    ),
    "evil __reduce__ with a builtin": cheat(
        "class E:\n    def __reduce__(self): return eval, ('2',)", result="E()"
    ),
    "redefines check": cheat(
        "def check(f): pass\nimport sys\nsys.modules['__main__'].check = check"
    ),
    "patches builtins": cheat(
        "import builtins\nbuiltins.AssertionError = None\nbuiltins.exec = lambda *a: None"
    ),
    "looks for the nonce": """
import gc, os, re, sys
def f(x):
    frame, found = sys._getframe(), set()
    while frame:
        found.update(re.findall("[0-9a-f]{32}", repr(frame.f_locals) + repr(frame.f_globals)))
        frame = frame.f_back
    for one in gc.get_objects():
        if isinstance(one, (dict, list, tuple)):
            found.update(re.findall("[0-9a-f]{32}", repr(one)[:10000]))
    for nonce in found:
        for file in range(64):
            try:
                os.write(file, f'{{"nonce": "{nonce}", "passed": true, "reason": ""}}\\n'.encode())
            except OSError:
                pass
    return 3
""",
    "reads the job again": spy("b'nonce' in os.pread(0, 10**6, 0)", "import os"),
    "kills its parent": cheat("import os", "os.kill(os.getppid(), 9)"),
    "kills all": cheat("import os", "os.kill(-1, 9)"),
    "input": spy("input() is not None"),
    "not Python": "Here is the function:\ndef f(x):\n",
    "another function": "def g(x):\n    return 2\n",
}
SPIES = {
    "traces its parent": spy(
        "ctypes.CDLL(None).ptrace(16, os.getppid(), None, None) == 0", "import ctypes, os"
    ),
    "traces the first process": spy(
        "ctypes.CDLL(None).ptrace(16, 1, None, None) == 0", "import ctypes, os"
    ),
    "files of its parent": spy(
        "ctypes.CDLL(None).syscall(438, os.pidfd_open(os.getppid()), 3, 0) >= 0",
        "import ctypes, os",
    ),
    "/etc/passwd": spy("open('/etc/passwd').read()"),
    "/etc/shadow": spy("open('/etc/shadow').read()"),
    "home": spy("open({home!r} + '/secret').read()"),
    "the token": spy("any('canary' in one for one in os.environ.values())", "import os"),
    "environment of the first process": spy("b'canary' in open('/proc/1/environ', 'rb').read()"),
    "the root": spy("open('/x', 'w')"),
    "/usr": spy("open('/usr/x', 'w')"),
    "Python's own files": spy("open(os.__file__, 'a')", "import os"),
    "/dev": spy("open('/dev/x', 'w')"),
    "the network": spy("socket.create_connection(('1.1.1.1', 53), 3)", "import socket"),
    "the host's loopback": spy(
        "socket.create_connection(('127.0.0.1', {port}), 3)", "import socket"
    ),
    "a user namespace": spy("ctypes.CDLL(None).unshare(0x10000000) == 0", "import ctypes"),
    "shared memory": spy("ctypes.CDLL(None).shmget(0, 1 << 30, 0o1600) >= 0", "import ctypes"),
    "a file in memory": spy("os.memfd_create('x') >= 0", "import os"),
    "sockets of virtual machines": spy("socket.socket(40, 1)", "import socket"),
    "becomes root": spy("os.setuid(0) is None", "import os"),
    "raises its limits": spy(
        "resource.setrlimit(resource.RLIMIT_NPROC, (100, 100)) is None", "import resource"
    ),
    "starts a process": spy("subprocess.run(['true']).returncode == 0", "import subprocess"),
}
GOOD = {
    "right": "def f(x):\n    return x + 1\n",
    "a double-forked daemon": """
import os, time
def daemon():
    try:
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                time.sleep(10**6)
            os._exit(0)
    except OSError:
        pass
daemon()
def f(x):
    return x + 1
""",
}
ALL = {
    name: (code, right)
    for group, right in (
        (ENDLESS, TIMED_OUT), (GROWING, STOPPED), (BOMBS, STOPPED), (CHEATS, FAILED), (SPIES, FAILED), (GOOD, PASSED),
    )
    for name, code in group.items()
}  # fmt: skip
"""All programs by name, with their right verdicts; {home!r} and {port} are still to be filled in."""
