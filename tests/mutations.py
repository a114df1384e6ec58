"""Configurations with one thing wrong, by seed; each must plan, or be refused in one line.

    python tests/mutations.py 0 5000    # these seeds, and how the refusals read

A mutation changes the values (a key missing, misspelt, given twice, another value in its place) or
in the text of a file (a byte, a line), and read and planned by what Snakemake and plan.py use.
"""

from __future__ import annotations

import random
import sys
import tempfile
import time
from collections import Counter
from copy import deepcopy
from datetime import date
from pathlib import Path
from typing import Any

import yaml

import tiny
from frontier.catalogue.configuration import read_catalogue, read_study
from frontier.errors import UserError, one_line
from frontier.planning import costs, shutdowns
from frontier.planning.steps import Steps
from frontier.text import visible

HERE = "PLACEHOLDER"
DAY = date(2026, 12, 24)
LONGEST_LINE = 300
# Replacements for a value, as YAML.
VALUES = [
    "~", "true", "no", "0", "-1", "1", "3.5", "1e3", "1e300", "1e999", ".inf", "-.inf", ".nan",
    "1000000000", "9" * 5000, "010", "1:30", "0x1F", "2024-01-01", "2024-13-45", "=", "''", "' '",
    "'7'", "'x'", "x" * 5000, "[]", "{}", "[~]", "[[]]", "{x: 1}", "[1, 1]", "[x, x]", "[" * 2000,
    "sk-proj-abcdefgh1234", "Bearer abcdefghijkl123", "[" * 40 + "]" * 40, "{a: " * 70 + "1" + "}" * 70, "!!int abc", "!!float abc", "!!bool abc",
    "!!timestamp abc", "!!binary abc", "!!set {a}", "!!python/object/apply:os.getcwd []", "*unknown",
    "&a [*a]", "&b {<<: *b}", "{<<: 1}", '"\\0"', '"\\e[31m"', '"\\ud800"', '"\\u202e"', "'../x'", "'a/b'",
    "'{x}'", "'{0}'", "'{'", "'{sentence.foo}'", "/dev/zero", "/nowhere", ".", "'https://x'", "é",
    "'" + "中" * 300 + "'", "[" + ", ".join(["y"] * 3000) + "]",
    "[&c [l, l, l, l, l, l, l, l, l], &d [*c, *c, *c, *c, *c, *c, *c, *c, *c],"
    " &e [*d, *d, *d, *d, *d, *d, *d, *d, *d], &f [*e, *e, *e, *e, *e, *e, *e, *e, *e],"
    " &g [*f, *f, *f, *f, *f, *f, *f, *f, *f], [*g, *g, *g, *g, *g, *g, *g, *g, *g]]",
]  # fmt: skip
# Replacements for a key, as YAML.
KEYS = [
    "123", "~", "true", "no", "4.5", "2024-01-01", "2024-13-45", "[1, 2]", "? {a: b}\n", "<<", "=",
    "''", "'a b'", "A", "a/b", "..", ".", "-a", "'@a'", "report.html", "charts", "added", "study.csv",
    "a.json", "x" * 250, "x" * 5000, '"\\e[31m"', '"\\0"', '"\\ud800"', "é", "__use_yte__", "native",
    "!!int abc", "&k k", "*unknown", "sk-proj-abcdefgh1234",
]  # fmt: skip
BYTES = [b"\xe9", b"\xff", b"\0", b"\x07", b"\x0b", b"\x1b[31m", b"\t", b"\r", b"\xef\xbb\xbf", b"'",
         b'"', b"{", b"]", b":", b"- ", b"#", b"&a ", b"*a ", b"!", b"%", b"|", b"\xe2\x80\xa8", b"\n---\n"]  # fmt: skip

Path_ = tuple[Any, ...]


def whole(data: Path) -> dict[str, dict[str, Any]]:
    """The tiny study with every kind of block and nearly every key of the catalogue."""
    files = tiny.catalogue(data)
    files["models"]["models"] |= {
        "published": {
            "hub": "org/name", "revision": "a" * 40, "label": "P", "licence": "MIT", "gated": True,
            "dtype": "bfloat16", "prompt": "chat", "template_arguments": {"enable_thinking": False},
            "template_date": "2025-01-01", "parameters": 10**9, "layers": 2,
            "vocabulary": 1000, "hidden": 64, "tied": True, "kv_heads": 2, "head_dim": 32,
            "architecture": "llama", "active_parameters": 10**8, "trust_remote_code": False,
            "adapter": {"hub": "org/adapter", "revision": "b" * 40},
        },
        "local": {"path": str(data)},
        "adapted": {
            "grow": tiny.recipe("gpt2"), "base": "local",
            "adapter": {
                "merged": True,
                "grow": {
                    "method": "lora", "rank": 4, "steps": 2, "learning_rate": 0.01, "seed": 1,
                    "corpora": {"arithmetic": {"prompt": "{question}", "examples": 9, "rows": 3}},
                },
            },
        },
        "named": {
            "served": "named-1", "endpoints": ["far"], "shutdown": "2027-01-14", "prompt": "chat",
            "system": "Be brief.", "label": "N",
            "price_per_million_tokens": {"input": 2.5, "cached_input": 1.25, "output": 10},
        },
    }  # fmt: skip
    files["quantizations"]["quantizations"] |= {
        "gptq": {"method": "gptq", "bits": 4, "group_size": 64, "calibration": "texts"},
        "rtn": {"method": "rounding", "bits": 4, "granularity": "group", "group_size": 32},
    }
    files["quantizations"]["calibrations"] = {"texts": {"tasks": ["sums"], "size": 4, "seed": 1}}
    files["engines"] = {
        "engines": {
            "transformers": {
                "kind": "transformers", "reads": ["hub", "gptq"], "accelerators": ["cpu", "cuda"],
                "dtypes": ["float32", "float16"], "cache": {"falcon": "broadcast"}, "own_code": True,
                "scenarios": ["single-stream"], "asks": ["generate"], "adapters": True, "label": "T",
            },
            "mine": {"like": "transformers", "cache": "grouped"},
            "cpp": {
                "kind": "llama_cpp", "reads": ["gguf"], "accelerators": ["cpu"],
                "environment": "llama_cpp",
            },
            "far": {
                "kind": "server", "reads": ["hub"], "accelerators": ["remote"],
                "base_url": "https://api.example.org/v1", "query": "a=b",
                "key": {"variable": "FAR_KEY", "header": "api-key"},
                "dialect": {"api": "chat", "leave_out": ["seed"], "add": {"seed": 0}},
                "price_per_million_tokens": {"input": 1, "output": 2}, "max_failed": 0.1,
                "retries": 2, "timeout_s": 9.5, "connections": 4, "lists_models": False,
            },
            "near": {
                "kind": "server", "reads": ["hub"], "accelerators": ["cpu"], "context": 512,
                "command": ["serve", "{checkpoint}", ["--port", "{port}", "--host", "{host}"]],
                "variables": {"A": "{threads}"}, "health": "/health", "ready_s": 10,
                "prefix_caching": {"disable": {"arguments": ["--no-cache"]}, "enable": {}},
                "dialect": {"usage": "always", "prompt_ids": True},
            },
        }
    }  # fmt: skip
    files["devices"]["devices"]["like"] = {"like": "cpu", "engine": "cpp", "threads": 2}
    files["devices"]["devices"]["gpu"] = {
        "engine": "mine", "accelerator": "cuda", "gpu": "A6000", "gpus": 1,
        "gpu_model": "a6000", "dtype": "float16", "unsupported_dtypes": ["bfloat16"], "memory_gb": 48,
        "bandwidth_gb_s": 768, "price_per_hour": 0.5, "label": "GPU",
    }  # fmt: skip
    files["devices"]["devices"]["far"] = {
        "accelerator": "remote", "engine": "far", "serves": {"published": "org/name"},
        "max_cost": 3.5, "label": "F",
    }  # fmt: skip
    files["devices"]["devices"]["near"] = {
        "accelerator": "cpu", "engine": "near", "prefix_cache": True, "price_per_hour": 2,
    }  # fmt: skip
    files["tasks"]["tasks"]["briefly"] = {**files["tasks"]["tasks"]["sums"], "system": "Briefly."}
    files["tasks"]["datasets"]["far"] = {
        "loader": "sst2",
        "source": {"hub": "org/data", "revision": "c" * 40, "files": ["*.parquet"]},
    }
    files["tasks"]["datasets"]["maths"] = {
        "loader": "mathematics",
        "source": {"url": "https://example.org/x.tar.gz", "sha256": "d" * 64},
    }
    files["config"]["study"]["also"] = [
        {"models": ["published"], "devices": ["gpu"]},
        {"models": ["named"], "quantizations": ["native"], "devices": ["far"]},
    ]  # fmt: skip
    files["config"]["study"] |= {"reference": "named", "max_cost": 9}
    files["config"]["sources"] = {"far": {"path": str(data)}}
    return files


def places(value: Any, path: Path_ = ()) -> list[Path_]:
    """The paths of everything in nested values, without the whole."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    found = []
    for key, part in items:
        found.append((*path, key))
        if isinstance(part, (dict, list)):
            found += places(part, (*path, key))
    return found


def misspelt(name: str, dice: random.Random) -> str:
    """A name with a letter gone, doubled, changed, or two in the wrong order."""
    at = dice.randrange(max(1, len(name) - 1))
    first, rest = name[:at], name[at:]
    return dice.choice([first + rest[1:], first + rest[:1] + rest, first + "q" + rest[1:],
                        first + rest[1:2] + rest[:1] + rest[2:], name.upper()])  # fmt: skip


def mutate(files: dict[str, dict[str, Any]], seed: int) -> dict[str, bytes]:
    """The files' contents with one thing changed."""
    dice = random.Random(seed)
    files = deepcopy(files)
    stem = dice.choice(list(files))
    *parents, last = dice.choice(places(files[stem]))
    block = files[stem]
    for key in parents:
        block = block[key]
    how = dice.choice(
        ["value", "value", "value", "key", "rename", "gone", "twice", "bytes", "line"]
    )
    raw = HERE  # the replacement
    if how in ("key", "rename", "twice") and isinstance(block, dict):
        new = HERE if how == "key" else misspelt(last, dice) if how == "rename" else last + HERE
        items = [
            (new if key == last and how != "twice" else key, part) for key, part in block.items()
        ]
        block.clear()
        block.update(items)
        if how == "twice":
            block[new] = block[last]
        raw = dice.choice(KEYS) if how == "key" else ""
    elif how == "gone":
        del block[last]
    elif how == "value":
        block[last], raw = HERE, dice.choice(VALUES)
    contents = {}
    for name, content in files.items():
        text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=10**6)
        contents[name] = text.replace(HERE, raw).encode("utf-8", "surrogatepass")
    if how == "bytes":
        at = dice.randrange(len(contents[stem]))
        contents[stem] = contents[stem][:at] + dice.choice(BYTES) + contents[stem][at:]
    elif how == "line":
        lines = contents[stem].splitlines(keepends=True)
        at = dice.randrange(len(lines))
        lines[at : at + 1] = dice.choice(
            [[], [lines[at]] * 2, [b" " + lines[at]], [b"\t" + lines[at]]]
        )
        contents[stem] = b"".join(lines)
    return contents


def outcome(contents: dict[str, bytes], folder: Path) -> str | None:
    """The line that refuses a configuration, None where it can be planned."""
    for name, content in contents.items():
        (folder / f"{name}.yaml").write_bytes(content)
    try:
        catalogue = read_catalogue(folder)
        study = read_study([folder / "config.yaml"], [], catalogue)
        steps = Steps(catalogue, study, lambda _accelerator, _gpus: 64 * 10**9)
        steps.check()
        for line in (
            *shutdowns.lines(catalogue, steps.cells, DAY),
            *costs.lines(steps, steps.cells),
        ):
            assert visible(line, 10**6) == line
        shutdowns.refuse(catalogue, steps.cells, DAY)
        costs.refuse(steps, steps.cells)
    except UserError as error:
        return one_line(error)
    return None


def fault(line: str | None, seconds: float) -> str | None:
    """The fault in an outcome, if there is one."""
    if seconds > 10:
        return f"took {seconds:.1f} s of a processor"
    if line is not None and (
        len(line) > LONGEST_LINE or visible(line, 10**6) != line or "\n" in line
    ):
        return f"no short line: {line!r}"
    return None


def main() -> None:
    """Tries the seeds of the command line and counts the outcomes."""
    counts: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as name:
        files = whole(tiny.reviews(Path(name) / "reviews"))
        for seed in range(int(sys.argv[1]), int(sys.argv[2])):
            contents = mutate(files, seed)
            begun = time.process_time()
            try:
                line = outcome(contents, Path(name))
            except Exception as error:
                counts["exception"] += 1
                print(seed, "EXCEPTION", repr(error)[:300])
                continue
            seconds = time.process_time() - begun  # of this process: a busy machine is no fault
            counts["planned" if line is None else "refused"] += 1
            if wrong := fault(line, seconds):
                counts["fault"] += 1
                print(seed, "FAULT", wrong)
            if "-v" in sys.argv:
                print(seed, line)
    print(dict(counts))


if __name__ == "__main__":
    main()
