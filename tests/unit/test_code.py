"""Generated programs: how they are found in a text, and scored; the whole of HumanEval."""

from __future__ import annotations

import gzip
import json
import random
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from conftest import ROOT
from frontier import templates
from frontier.answers import code
from frontier.catalogue.configuration import read_catalogue
from frontier.errors import UserError
from frontier.identity.code import code as identity
from frontier.sandbox import programs, running
from frontier.sandbox.programs import unavailable
from frontier.sandbox.running import TIMED_OUT, Program
from frontier.scorers import Score, ScoredItem
from frontier.scorers.code import Code

PREFIX = 'import math\n\n\ndef half(x: int) -> float:\n    """Half of x."""\n'
WHOLE = "def half(x):\n    return x / 2"
BODY = "    return x / 2"
TEST = "def check(half):\n    assert half(3) == 1.5\n"
CONTINUATION, CHAT = Code(form="continuation"), Code(form="chat")


@pytest.fixture
def sandbox() -> None:
    """Skips where programs cannot be run."""
    if reason := unavailable():
        pytest.skip(reason)


def fields(prefix: str = PREFIX, test: str = TEST, name: str = "half") -> dict[str, str]:
    return {"prompt": prefix, "test": test, "entry_point": name}


def score(scorer: Code, *texts: str, **given: str) -> Score:
    """The score of texts for the same row."""
    row = fields(**given)
    return scorer.score(
        [ScoredItem(str(n), one, "", row, row["prompt"]) for n, one in enumerate(texts)]
    )


def scores(scorer: Code, *texts: str, **given: str) -> list[Any]:
    return [row["score"] for row in score(scorer, *texts, **given).requests]


FENCED = [
    f"Here it is:\n```python\n{WHOLE}\n```\nIt halves.",
    f"```\n{WHOLE}\n```",
    f"```py\r\n{WHOLE.replace(chr(10), chr(13) + chr(10))}\r\n```",
    f"```python\n{WHOLE}",
    f"~~~python\n{WHOLE}\n~~~",
    f"````python\n{WHOLE}\n````",
    f"1. First:\n\n   ```python\n{WHOLE.replace('def', '   def').replace('    return', '       return')}\n   ```\n",
    f"Wrong:\n```python\ndef half(x):\n    return x\n```\nRight:\n```python\n{WHOLE}\n```",
    f"```python\n{WHOLE}\n```\nUse:\n```python\nprint(half(3))\n```",
    f"```bash\nls\n```\n```python\n{WHOLE}\n```",
    WHOLE,
    f"{WHOLE}\n",
    f"```python\n{BODY}\n```",
    "```python\nreturn x / 2\n```",
    "```python\ny = x\nif y:\n    return y / 2\nreturn 0\n```",
    BODY,
    "return x / 2",
    f"<think>\n```python\ndef half(x):\n    return x\n```\n</think>\n```python\n{WHOLE}\n```",
    f"a plan</think>\n```python\n{WHOLE}\n```",
    "```python\nhalf = lambda x: x / 2\n```",
    f"\n{WHOLE}\n```\nIt halves.",
    f"{WHOLE}\n```\nIt halves:\n```\nhalf(3)\n```",
    "```python\nimport math\n\ndef half(x):\n    return math.fabs(x) / 2\n```",
]  # fmt: skip


@pytest.mark.usefixtures("sandbox")
def test_a_chat_answers_in_many_forms() -> None:
    """The last block that defines the function, else the first, else the text; or a body."""
    found = score(CHAT, *FENCED)
    failed = [text for text, row in zip(FENCED, found.requests, strict=True) if row["score"] != 1]
    assert failed == []


@pytest.mark.parametrize(
    "text",
    ["", "  \n", "<think>\n```python\n" + WHOLE, "```python\n```", "```python\n\n```"],
)
def test_a_chat_without_code_is_wrong(text: str) -> None:
    """Nothing is run; thoughts that do not end are no answer."""
    assert code.answered(PREFIX, text, "half") is None


def test_what_is_no_fence_begins_no_block() -> None:
    """Code in a line, and marks inside of a block."""
    assert list(code.blocks("```x = 1```\n``` a ` b\nc")) == []
    assert list(code.blocks("````\n```\nx\n```\n````\n~~~\ny\n```\n~~~")) == [
        "```\nx\n```",
        "y\n```",
    ]


@pytest.mark.parametrize(
    ("text", "defined"),
    [
        ("def half(x): pass", True), ("async def half(x): pass", True), ("x\ndef half(x): pass", True),
        ("half = max", True), ("    def half(x): pass", False), ("def halfway(x): pass", False),
        ("half == 2", False), ("half(3)", False),
    ],
)  # fmt: skip
def test_a_definition_begins_a_line(text: str, defined: bool) -> None:
    assert code.defines(text, "half") is defined


@pytest.mark.usefixtures("sandbox")
def test_a_continuation_is_taken_as_it_is() -> None:
    """White space included; nothing is cut, added or indented."""
    right = [BODY, f"{BODY}\n", f"{BODY}\n\n\nprint(half(2))\n",
             f"\n{BODY}", "    return helped(x)\n\n\ndef helped(x):\n    return x / 2\n"]  # fmt: skip
    wrong = [
        "    \ud800",
        "\0",
        "(" * 1000,
        "return x / 2",
        "  return x / 2",
        "    return x",
        "",
        f"```python\n{WHOLE}\n```",
        "<|endoftext|>",
    ]
    assert scores(CONTINUATION, *right, *wrong) == [1] * len(right) + [0] * len(wrong)


def test_a_prompt_without_its_last_line_break() -> None:
    """The text begins with it."""
    bare = PREFIX.rstrip("\n")
    assert code.continued(PREFIX, f"\n{BODY}", prompt=bare) == bare + f"\n{BODY}"
    assert code.continued(PREFIX, BODY, prompt=f"Complete:\n{PREFIX}") == PREFIX + BODY
    assert code.continued(PREFIX, BODY, "\n    return 0\n") == f"{PREFIX}{BODY}\n    return 0\n"


@pytest.mark.usefixtures("sandbox")
def test_results_that_are_no_plain_values() -> None:
    """A test sees what it would see in the same process, and never the program's own types."""
    test = "def check(f):\n    assert {}\n"
    prefix = "from collections import *\nfrom fractions import *\nfrom decimal import *\ndef f():\n"
    for result, seen in [
        ("(i for i in [1, 2])", "tuple(f()) == (1, 2)"),
        ("map(str, [1])", "list(f()) == ['1'] and f() != ['1']"),
        ("{1: 2}.keys()", "f() == {1} and f() != [1]"),
        ("{1: 2}.values()", "list(f()) == [2]"),
        ("{1: 2}.items()", "f() == {(1, 2)}"),
        ("namedtuple('P', 'a b')(1, 2)", "f() == (1, 2)"),
        ("defaultdict(list, a=[1])", "f() == {'a': [1]}"),
        ("Counter('aab')", "f() == {'a': 2, 'b': 1}"),
        ("[1, 2.5, True, None, 'ä', b'x', {3}, range(4), 1j, Fraction(1, 3), Decimal('0.1')]",
         "len(f()) == 11 and f()[3] is None and f()[8] == 1j"),
        ("type('E', (int,), {'__eq__': lambda a, b: True, '__hash__': None})(3)", "f() == 3"),
    ]:  # fmt: skip
        found = score(
            CONTINUATION, f"    return {result}", prefix=prefix, test=test.format(seen), name="f"
        )
        assert found.requests[0]["score"] == 1, (result, found.requests)


@pytest.mark.usefixtures("sandbox")
def test_helpers_of_a_prefix_are_the_datasets_own() -> None:
    """The test of HumanEval/32, for example, calls `poly`: a program cannot replace it."""
    prefix = "def twice(x):\n    return 2 * x\n\n\ndef half(x):\n"
    test = "def check(half):\n    assert twice(half(3)) == 3\n"
    evil = "    return 0\n\n\ndef twice(x):\n    return 3\n"
    assert scores(CONTINUATION, BODY, evil, prefix=prefix, test=test) == [1, 0]


@pytest.mark.usefixtures("sandbox")
def test_expected_errors_and_other_forms_of_tests() -> None:
    """Tests that catch an error, call their check themselves, or have none."""
    raises = "    if x < 0:\n        raise ValueError\n    return x / 2"
    catching = "def check(half):\n    try:\n        half(-1)\n    except ValueError:\n        return\n    assert False\n"
    assert scores(CONTINUATION, raises, BODY, test=catching) == [1, 0]
    assert scores(CONTINUATION, BODY, test=f"{TEST}\ncheck(half)\n") == [1]
    assert scores(CONTINUATION, BODY, "    return x", test="assert half(3) == 1.5") == [1, 0]
    swallowing = (
        "def check(half):\n    try:\n        half(-1)\n    except Exception:\n        pass\n"
    )
    assert scores(CONTINUATION, "    import os; os._exit(0)", test=swallowing) == [0]


@pytest.mark.usefixtures("sandbox")
@pytest.mark.parametrize(
    ("test", "reason"),
    [
        ("def check(half):\n    pass\n", "does not call half"),
        ("def check(half):\n    half(lambda: 1)\n", "of a type that cannot be sent"),
        ("import no_module\ndef check(half):\n    half(1)\n", "ModuleNotFoundError: no_module"),
        ("def check(half):\n    import no_module\n    half(1)\n", "ModuleNotFoundError: no_module"),
    ],
)
def test_a_test_that_tests_nothing_scores_nothing(test: str, reason: str) -> None:
    """Neither right nor wrong, and counted with the reason."""
    found = score(CONTINUATION, BODY, test=test)
    assert found.metrics["pass_at_1"].value is None
    assert reason in next(iter(found.unscored))


def test_rows_that_cannot_be_tested_are_refused() -> None:
    """One line, with the request and the field."""
    with pytest.raises(UserError, match=r"request 0: test is not Python"):
        score(CONTINUATION, BODY, test="def check(")
    with pytest.raises(UserError, match=r"request 0: entry_point 'a b' names no function"):
        score(CONTINUATION, BODY, name="a b")
    with pytest.raises(UserError, match=r"request 0: the row has no field 'tests'.*'test'"):
        score(Code(form="chat", test="tests"), BODY)


def test_without_a_sandbox_nothing_is_scored(monkeypatch: pytest.MonkeyPatch) -> None:
    """Never run in the open: unscored, with the reason."""
    monkeypatch.setenv("PATH", "/nowhere")
    programs.unavailable.cache_clear()
    try:
        found = score(CONTINUATION, BODY, "    return x")
        reason = CONTINUATION.unavailable()
    finally:
        programs.unavailable.cache_clear()
    assert reason
    assert "bubblewrap" in reason or "sandbox-exec" in reason
    assert found.unscored == {reason: 2}
    assert found.metrics["pass_at_1"].value is None
    assert [row["score"] for row in found.requests] == [None, None]


@pytest.mark.usefixtures("sandbox")
def test_a_program_that_times_out_is_tried_once_more() -> None:
    """Time is the clock's; the second try is alone; equal programs once for all."""
    found = score(Code(form="continuation", time_limit_s=0.3), *["    while True: pass"] * 3, BODY)
    assert [row["failure"] for row in found.requests[:3]] == [TIMED_OUT] * 3
    assert found.details["timed_out"] == 3


@pytest.mark.usefixtures("sandbox")
def test_programs_run_alike_each_time() -> None:
    """The order of sets, and the random numbers of a test."""
    fixed = subprocess.run(
        [sys.executable, "-c", "print(list(set('abcdefgh')))"],
        env={"PYTHONHASHSEED": "0"}, check=True, capture_output=True, text=True,
    ).stdout.strip()  # fmt: skip
    test = f"""
import random
def check(f):
    assert f() == {fixed} == list(set("abcdefgh"))
    assert random.random() == {random.Random(0).random()!r}
"""
    program = Program("def f():\n    return list(set('abcdefgh'))", test, "f")
    assert running.run(program, limit_s=60).passed


HARNESS = "humaneval"


def lines(path: Path) -> list[dict[str, Any]]:
    content = path.read_bytes()
    whole = gzip.decompress(content) if path.suffix == ".gz" else content
    return [json.loads(line) for line in whole.splitlines()]


def scored(scorer: Code, rows: list[dict[str, Any]], texts: list[str]) -> Score:
    def item(row: Mapping[str, Any], text: str) -> ScoredItem:
        return ScoredItem(row["task_id"], text, "", {name: str(one) for name, one in row.items()})

    return scorer.score([item(row, text) for row, text in zip(rows, texts, strict=True)])


SOME = slice(None, None, 4)
"""A quarter of the rows, where others show the same."""


@pytest.mark.usefixtures("sandbox")
def test_all_canonical_solutions_pass(test_data: Path) -> None:
    """The 164 of HumanEval behind their prompts, and some as a chat's block."""
    rows = lines(test_data / HARNESS / "HumanEval.jsonl.gz")
    texts = [row["canonical_solution"] for row in rows]
    found = scored(Code(form="continuation", time_limit_s=60), rows, texts)
    assert [row["failure"] for row in found.requests] == [None] * 164
    blocks = [
        f"So:\n```python\n{row['prompt']}{text}```\n" for row, text in zip(rows, texts, strict=True)
    ]
    found = scored(Code(form="chat", time_limit_s=60), rows[SOME], blocks[SOME])
    assert [row["failure"] for row in found.requests] == [None] * 41


@pytest.mark.usefixtures("sandbox")
def test_all_buggy_solutions_fail(test_data: Path) -> None:
    """HumanEvalFix, whose tests call `check` themselves: 164 buggy ones fail, right ones pass."""
    rows = lines(test_data / HARNESS / "humanevalpack_python.jsonl.gz")
    short = Code(form="continuation", prefix="declaration", time_limit_s=0.5)
    found = scored(short, rows, [row["buggy_solution"] for row in rows])
    assert [row["score"] for row in found.requests] == [0] * 164
    long = Code(form="continuation", prefix="declaration", time_limit_s=60)
    found = scored(long, rows[SOME], [row["canonical_solution"] for row in rows[SOME]])
    assert [row["score"] for row in found.requests] == [1] * 41


@pytest.mark.usefixtures("sandbox")
def test_the_examples_of_human_eval(test_data: Path) -> None:
    """The original's own example: pass@1 0.5."""
    (row,) = lines(test_data / HARNESS / "humaneval_example_problem.jsonl")
    texts = [
        one["completion"] for one in lines(test_data / HARNESS / "humaneval_example_samples.jsonl")
    ]
    found = scored(Code(form="continuation", time_limit_s=3), [row] * len(texts), texts)
    assert found.metrics["pass_at_1"].value == 0.5


@pytest.mark.usefixtures("sandbox")
@pytest.mark.parametrize(
    ("task", "file", "rows"),
    [
        ("humaneval", "HumanEval.jsonl.gz", 164),
        ("humaneval-chat", "HumanEval.jsonl.gz", 164),
        ("humaneval-fix", "humanevalpack_python.jsonl.gz", 164),
        ("humaneval-fix-chat", "humanevalpack_python.jsonl.gz", 164),
        ("humaneval-infilling", "HumanEval-SingleLineInfilling.jsonl.gz", 1033),
    ],
)
def test_tasks_of_the_catalogue(
    test_data: Path, tmp_path: Path, task: str, file: str, rows: int
) -> None:
    """Their tables are read, and right answers are right; the stop text is no part of a line."""
    shutil.copy(test_data / HARNESS / file, tmp_path)
    catalogue = read_catalogue(ROOT / "config")
    found = list(catalogue.loaders[task].rows(tmp_path))
    assert len({row.id for row in found}) == rows
    scorer = catalogue.scorers[task]
    assert isinstance(scorer, Code)
    prompt = catalogue.tasks[task].prompt
    items = []
    for row in found[:: rows // 8]:
        text = row.reference
        if scorer.form == "chat":
            text = f"```python\n{row.fields['prompt']}{text}\n```"
        if scorer.whole_lines:
            text = text.removesuffix("\n")
        seen = templates.fill(prompt, row.fields)
        items.append(ScoredItem(row.id, text, "", row.fields, seen))
    assert [row["failure"] for row in scorer.score(items).requests] == [None] * len(items)


def test_the_prompt_of_a_correction(test_data: Path, tmp_path: Path) -> None:
    """The faulty function, its test, and the beginning of the right one, as published."""
    shutil.copy(test_data / HARNESS / "humanevalpack_python.jsonl.gz", tmp_path)
    catalogue = read_catalogue(ROOT / "config")
    row = next(iter(catalogue.loaders["humaneval-fix"].rows(tmp_path)))
    seen = templates.fill(catalogue.tasks["humaneval-fix"].prompt, row.fields)
    faulty = row.fields["declaration"] + row.fields["buggy_solution"]
    fix = f"\nFix bugs in {row.fields['entry_point']}.\n\n{row.fields['declaration']}"
    assert seen == f"{faulty}\n{row.fields['test']}{fix}"


def test_all_of_the_checker_decides_a_score() -> None:
    """The parts too that only the sandbox's interpreter reads."""
    own = identity("score", Code.__module__).modules
    assert {
        "frontier.sandbox.inside",
        "frontier.sandbox.plain_values",
        "frontier.answers.code",
    } <= set(own)
