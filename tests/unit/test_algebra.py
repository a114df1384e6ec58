"""Expressions that models wrote: what is admitted, what it means, and the killable comparison."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

from frontier.answers.equivalence import algebra
from frontier.answers.equivalence.algebra import SCRIPTS, Worker, compare, is_too_large
from frontier.answers.equivalence.equivalent import equivalent
from frontier.answers.equivalence.expressions import MAX_DEPTH, parse, variables
from frontier.answers.equivalence.problems import Problem
from frontier.answers.equivalence.strict import strict
from waiting import has_ended, wait_until

ENDLESS = "((a+b+c+d+e+f)**16)**16"


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    with Worker(limit_s=60) as running:
        yield running


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('touch pwned')",
        "9**9**9**9",
        "(9)**(9**9)",
        "x**9**9**9",
        "x**99999999999999",
        "(x+1)**1000000",
        "2*x" + "*9" * 5000,
        "(" * 1000 + "x" + ")" * 1000,
        "-" * 100_000 + "x",
        "lambda: x",
        "x.subs(x, 1)",
        "exec",
        "sqrt(sqrt(x + 1))",
        "1/0",
        "x/(0)",
        "x if x else x",
        "x\u0000",
        "2x",
        "x y",
        "1_000",
        "0x10",
        "１２",
        "()",
        "x**",
        "",
    ],
)
def test_hostile_or_malformed_text_is_no_expression(text: str, worker: Worker) -> None:
    assert parse(text) is None
    before = time.process_time()
    problem = Problem("6*x", "Expand 6*x.", "polynomials__expand")
    assert strict(text, problem, worker.equal) is False
    assert equivalent(text, problem, worker.equal).right is False
    assert time.process_time() - before < 5
    assert not Path("pwned").exists()
    assert not (SCRIPTS / "pwned").exists()


def test_nesting_is_bounded() -> None:
    assert parse("(" * MAX_DEPTH + "x" + ")" * MAX_DEPTH) is not None
    assert parse("(" * (MAX_DEPTH + 1) + "x" + ")" * (MAX_DEPTH + 1)) is None


ATOMS = st.integers(0, 99).map(str) | st.sampled_from("xyz") | st.just("sqrt(5)")
EXPRESSIONS = st.recursive(
    ATOMS,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["+", " - ", "*"]), inner).map("".join),
        inner.map(lambda text: f"({text})"),
        inner.map(lambda text: f"-{text}"),
        inner.map(lambda text: f"{text}/7"),
        st.sampled_from(["x**2", "(x - 3)**2", "y**(-1/2)"]),
    ),
    max_leaves=8,
)


@settings(max_examples=150)
@given(EXPRESSIONS)
def test_expressions_mean_what_sympy_takes_them_for(text: str) -> None:
    """Our parser against sympy's, which may read these texts: they are the test's own."""
    node = parse(text)
    assert node is not None
    letters = {name: sympy.Symbol(name, positive=True) for name in "xyz"}
    expected = sympy.sympify(text, locals=letters)
    assert variables(node) >= {str(symbol) for symbol in expected.free_symbols}
    spelled = str(sympy.expand(expected))
    if parse(spelled) is not None:
        assert compare(sympy, text, spelled)
    assert not compare(sympy, text, f"{text} + 1")


@settings(max_examples=60)
@given(
    letters=st.integers(1, 5),
    powers=st.lists(st.integers(1, 16), min_size=1, max_size=3),
    number=st.integers(1, 10**20),
)
def test_what_is_sent_to_sympy_is_small(letters: int, powers: list[int], number: int) -> None:
    """The bound is at least the true number of terms and digits, counted by sympy."""
    base = "+".join([str(number), *"vwxyz"[:letters]])
    text = "*".join(f"({base})**{power}" for power in powers)
    node = parse(text)
    assert node is not None
    if not is_too_large(node):
        expanded = sympy.Poly(sympy.sympify(text), *map(sympy.Symbol, "vwxyz"[:letters]))
        assert len(expanded.terms()) <= algebra.MAX_TERMS
        assert all(abs(c) < 10**algebra.MAX_COEFFICIENT_DIGITS for c in expanded.coeffs())


def test_what_is_too_large_is_unequal_at_once(worker: Worker) -> None:
    before = time.process_time()
    for text in (ENDLESS, "(((9*x)**16)**16)**16", "(x+1)**16*(y+1)**16*(z+1)**16"):
        assert worker.equal(text, "x + 1") is False
        assert worker.equal("x + 1", text) is False
    assert time.process_time() - before < 5


@pytest.mark.skipif(sys.platform != "linux", reason="macOS takes no limit of the address space")
def test_the_worker_has_a_limit_of_memory() -> None:
    program = (
        "from frontier.answers.equivalence import algebra\n"
        "algebra._limit_memory()\n"
        "try:\n"
        "    bytearray(2 * algebra.MEMORY_BYTES)\n"
        "except MemoryError:\n"
        "    print('refused')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=SCRIPTS, capture_output=True, text=True, check=True
    )
    assert done.stdout == "refused\n"


def process_of(worker: Worker) -> psutil.Process:
    """The process that compares."""
    assert worker.process is not None
    return psutil.Process(worker.process.pid)


def ends(process: psutil.Process) -> None:
    """Waits until a process has ended."""
    wait_until(lambda: has_ended(process), "it has ended")


def test_a_comparison_without_end_is_killed_and_the_next_one_works(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(algebra, "MAX_TERMS", 10**99)
    with Worker(limit_s=60) as worker:
        assert worker.equal("x + x", "2*x") is True
        first = process_of(worker)
        worker.limit_s = 2
        before = time.monotonic()
        assert worker.equal(ENDLESS, "a") is None
        assert time.monotonic() - before < 60  # not only when no comparison may continue
        ends(first)
        worker.limit_s = 60
        assert worker.equal("x + x", "3*x") is False
        second = process_of(worker)
        assert second != first
    ends(second)


def test_a_worker_that_dies_leaves_its_comparison_unscored() -> None:
    with Worker(limit_s=60) as worker:
        assert worker.equal("x", "x") is True
        process_of(worker).kill()
        ends(process_of(worker))
        assert worker.equal("x", "x") is None
        assert worker.equal("x", "x") is True


def test_the_worker_is_gone_however_the_context_ends() -> None:
    processes = []

    def interrupted() -> None:
        with Worker(limit_s=60) as worker:
            worker.equal("x", "y")
            processes.append(process_of(worker))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    ends(processes[0])


def test_the_worker_does_not_outlive_a_killed_program() -> None:
    program = (
        "from frontier.answers.equivalence import algebra\n"
        "from frontier.answers.equivalence.algebra import Worker\n"
        "algebra.MAX_TERMS = 10**99\n"
        "with Worker(limit_s=60) as worker:\n"
        "    worker.equal('x', 'y')\n"
        "    print(worker.process.pid, flush=True)\n"
        "    worker.limit_s = 8\n"
        f"    worker.equal({ENDLESS!r}, 'a')\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", program], cwd=SCRIPTS, stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    worker = psutil.Process(int(parent.stdout.readline()))
    begun = worker.cpu_times().user

    def compares() -> bool:
        try:
            return worker.cpu_times().user > begun + 0.2
        except psutil.NoSuchProcess:  # so slow a machine that its parent has ended it by now
            return True

    wait_until(compares, "it compares", parent)
    parent.kill()
    parent.communicate()
    ends(worker)


def test_it_starts_where_python_leaves_the_working_folder_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PYTHONSAFEPATH", "1")
    with Worker(limit_s=60) as worker:
        assert worker.equal("x + 1", "1 + x")
