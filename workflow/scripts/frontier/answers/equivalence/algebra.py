"""Equality of expressions, decided by sympy in a process that can be killed.

sympy may never finish, so it runs in a separate worker, shared by many comparisons, which is killed
and replaced when it exceeds the time limit. It gets expressions parsed by expressions.py; sympy
never sees a text. An expression too large to expand is not sent: it has the form of no reference.
"""

from __future__ import annotations

import json
import math
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any

import frontier
from frontier.answers.equivalence.expressions import (
    Node,
    Number,
    Power,
    Product,
    Root,
    Sum,
    Variable,
    parse,
)

SCRIPTS = Path(frontier.__file__).resolve().parents[1]
START_LIMIT_S = 120.0  # importing sympy takes half a second, but many on a busy machine
MEMORY_BYTES = 1 << 30  # of address space; the worker with sympy takes 60 MB
MAX_TERMS = 1_000  # of an expansion, before like terms are collected: a second of sympy's time
MAX_COEFFICIENT_DIGITS = 5_000


class Worker:
    """A context manager: the worker starts when first needed and is stopped at the end."""

    def __init__(self, limit_s: float) -> None:
        """`limit_s`: seconds of wall time for one comparison."""
        self.limit_s = limit_s
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Worker:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def equal(self, first: str, second: str) -> bool | None:
        """True if two admitted expressions are equal; None without a verdict within the limit.

        False if one is not admitted or too large to expand. Raises RuntimeError if the worker
        cannot start.
        """
        nodes = (parse(first), parse(second))
        if any(node is None or is_too_large(node) for node in nodes):
            return False
        process = self.process or self._start()
        request = json.dumps([first, second, self.limit_s]) + "\n"
        try:
            _stdin(process).write(request.encode())
            reply = _reply(process, self.limit_s)
        except BrokenPipeError:
            reply = b""
        if not reply:  # out of time, or the comparison crashed the worker
            self.stop()
            return None
        verdict: bool = json.loads(reply)
        return verdict

    def stop(self) -> None:
        """Kills the worker and waits until it has exited."""
        if self.process is not None:
            self.process.kill()
            self.process.communicate()
            self.process = None

    def _start(self) -> subprocess.Popen[bytes]:
        # `frontier` is imported from the working folder, independently of the caller's path;
        # PYTHONSAFEPATH would exclude it.
        inherited = {key: text for key, text in os.environ.items() if key != "PYTHONSAFEPATH"}
        self.process = subprocess.Popen(
            [sys.executable, "-m", __name__],
            cwd=SCRIPTS,
            env=inherited,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
        )
        if not _reply(self.process, START_LIMIT_S):
            self.stop()
            raise RuntimeError("the process that compares expressions with sympy did not start")
        return self.process


def _stdin(process: subprocess.Popen[bytes]) -> Any:
    assert process.stdin is not None
    return process.stdin


def _reply(process: subprocess.Popen[bytes], limit_s: float) -> bytes:
    """The worker's next line; empty if it exits or the limit passes first."""
    assert process.stdout is not None
    handle = process.stdout.fileno()
    deadline = time.monotonic() + limit_s
    line = b""
    while not line.endswith(b"\n"):
        ready, _, _ = select.select([handle], [], [], max(0.0, deadline - time.monotonic()))
        part = os.read(handle, 4096) if ready else b""
        if not part:
            return b""
        line += part
    return line


def is_too_large(node: Node) -> bool:
    """True if expanding an expression may take sympy more than about a second."""
    terms, digits = _expansion(node)
    return terms > MAX_TERMS or digits > MAX_COEFFICIENT_DIGITS


def _expansion(node: Node) -> tuple[int, int]:
    """Upper bounds of an expansion's terms and of a coefficient's digits, capped above the limits.

    A power n of t terms has at most C(t + n - 1, n): the ways to choose n of t with repetition.
    """
    terms, digits = 1, 1
    match node:
        case Number(value):
            digits = len(str(value))
        case Power(base, exponent) if not isinstance(base, Variable):
            times = abs(exponent.numerator)
            terms, digits = _expansion(base)
            terms, digits = math.comb(terms + times - 1, times), digits * times
        case Product(_, factors):
            parts = [_expansion(factor) for factor in factors]
            terms, digits = math.prod(t for t, _ in parts), sum(d for _, d in parts)
        case Sum(summands):
            parts = [_expansion(summand) for summand in summands]
            terms, digits = sum(t for t, _ in parts), sum(d for _, d in parts)
    return min(terms, MAX_TERMS + 1), min(digits, MAX_COEFFICIENT_DIGITS + 1)


def _limit_memory() -> None:
    """Makes allocations beyond MEMORY_BYTES fail, if the platform can do that.

    macOS has no limit of the address space; there only the bounds above apply.
    """
    try:
        import resource

        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        limits = [limit for limit in (MEMORY_BYTES, hard) if limit != resource.RLIM_INFINITY]
        resource.setrlimit(resource.RLIMIT_AS, (min(limits), hard))
    except (ImportError, AttributeError, ValueError, OSError):
        pass


def serve() -> None:
    """The worker: compares pairs of expressions from stdin until EOF, one verdict per line.

    An alarm ends a comparison whose parent was killed and can no longer end it.
    """
    import sympy

    signal.signal(
        signal.SIGINT, signal.SIG_IGN
    )  # Ctrl-C reaches the parent, which stops this process
    _limit_memory()
    sys.stdout.write("true\n")
    sys.stdout.flush()
    for line in sys.stdin:
        first, second, limit_s = json.loads(line)
        signal.alarm(math.ceil(limit_s) + 1)
        try:
            verdict = compare(sympy, first, second)
        except (MemoryError, RecursionError, OverflowError):  # too large to expand
            verdict = False
        signal.alarm(0)
        sys.stdout.write(json.dumps(verdict) + "\n")
        sys.stdout.flush()


def compare(sympy: Any, first: str, second: str) -> bool:
    """True if the difference of two expressions expands to zero, with positive variables."""
    nodes = [parse(first), parse(second)]
    if any(node is None for node in nodes):
        return False
    difference = _build(sympy, nodes[0]) - _build(sympy, nodes[1])
    return bool(sympy.expand(difference) == 0)


def _build(sympy: Any, node: Node | None) -> Any:
    """The sympy expression for a parsed one."""
    match node:
        case Number(value):
            return sympy.Integer(value)
        case Root(radicand):
            return sympy.sqrt(sympy.Integer(radicand))
        case Variable(name):
            return sympy.Symbol(name, positive=True)
        case Power(base, exponent):
            rational = sympy.Rational(exponent.numerator, exponent.denominator)
            return sympy.Pow(_build(sympy, base), rational)
        case Product(sign, factors):
            return sympy.Mul(sign, *(_build(sympy, factor) for factor in factors))
        case Sum(terms):
            return sympy.Add(*(_build(sympy, term) for term in terms))
    raise TypeError(f"no expression: {node!r}")


if __name__ == "__main__":
    serve()
