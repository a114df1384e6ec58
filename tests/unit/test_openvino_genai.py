"""OpenVINO GenAI: several requests together, prompts in parts, its cache and its techniques.

tests/unit/test_engine_contract.py holds it to what every engine does.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

from environments import run_in
from frontier.techniques import Context
from frontier.techniques.cache_eviction import CacheEviction
from frontier.techniques.draft import Draft
from frontier.techniques.kv_dtype import KvDtype
from stories import stories260k

ONCE = "Once upon a time"
AGAIN = f"{ONCE}, there was a little girl. {ONCE}"
LONG = "One day, Lily and Ben went to the big park. They saw a dog and a cat. " * 8
ASKED = [
    [ONCE, 30, []], [AGAIN, 12, []], ["The dog", 25, []], [ONCE, 60, ["girl", ", "]], [LONG, 30, []],
]  # fmt: skip
PLAIN = 5 * 4 * 8 * 2 * 4
"""Bytes of a token: layers, heads, numbers of a head, keys and values, bytes of a number."""
PROGRAM = """
import contextlib, dataclasses, json, sys, time
from pathlib import Path

with contextlib.redirect_stdout(sys.stderr):
    import numpy as np
    import openvino
    from frontier.conversions.openvino import OpenVino
    from frontier.engines import Choose, Due, Generate, Settings
    from frontier.engines.loaded import openvino as optimum, openvino_genai
    from frontier.errors import UnsupportedError
    from frontier.techniques import technique_of
    from quantizing import quantizer

    place, asked, cells = Path(sys.argv[1]), json.loads(sys.argv[2]), json.loads(sys.argv[3])
    requests = [Generate(prompt, tokens, tuple(stop)) for prompt, tokens, stop in asked]
    quantizers = {"": quantizer("native"), "int8": quantizer("openvino", weights="int8")}
    for name in ("stories", "worse"):
        for weights in quantizers:
            if (name, weights) == ("worse", "int8"):
                continue
            (place / f"{name}{weights}-ov").mkdir()
            OpenVino(weights=weights or None).convert(place / name, place / f"{name}{weights}-ov", [])

    def loaded(engine, weights, techniques, draft=None, most=256, tokens=2048):
        settings = Settings("cpu", "float32", 1, "plain", quantizers[weights])
        ways = tuple(map(technique_of, techniques))
        settings = dataclasses.replace(settings, techniques=ways, draft=draft and place / f"{draft}-ov")
        folder = place / f"stories{weights}-ov"
        if engine == "openvino":
            return optimum.load(folder, settings)
        return openvino_genai.load(folder, settings, most, tokens)

    def refused(model, requests):
        try:
            model.reserve(requests)
        except UnsupportedError as error:
            return str(error)

    def answers(cell):
        try:
            model = loaded(**cell)
        except UnsupportedError as error:
            return str(error)
        found = [dataclasses.asdict(model.generate(one)) for one in requests]
        usage = model.model.get_metrics().cache_usage if cell["engine"] == "openvino_genai" else None
        again = [model.generate(one).text for one in requests]
        due = [Due(str(at), one, time.perf_counter_ns()) for at, one in enumerate(requests)]
        together = {name: dataclasses.asdict(one) for name, one in model.answer(due)}
        own = None
        if any(one.get("kind") == "draft" for one in cell["techniques"]):
            from openvino_genai import GenerationConfig
            tokens = requests[0].max_new_tokens
            config = GenerationConfig(max_new_tokens=tokens, ignore_eos=True, eos_token_id=2, **model.keys)
            model._clear()
            ids = openvino.Tensor(np.array([model.prompting.encode(requests[0].prompt, 0)]))
            own = model.model.generate([ids], [config])[0].extended_perf_metrics.get_num_accepted_tokens()
        chosen = None if getattr(model, "speculates", False) else model.choose(Choose(requests[1].prompt, (", there", " was"))).logprobs
        held = model.loaded
        model.close()
        return {"answers": found, "again": again, "together": together, "accepted": own, "chosen": chosen, "usage": usage, "room": refused(model, requests[:3]),
                "loaded": dataclasses.asdict(held)}

    found = {label: answers(cell) for label, cell in cells.items()}
print(json.dumps(found))
"""


def cell(engine: str = "openvino_genai", weights: str = "", *techniques: Any, **keys: Any) -> Any:
    """The engine, the weights and the techniques that are loaded."""
    return {"engine": engine, "weights": weights, "techniques": techniques, **keys}


DRAFT = {"kind": "draft", "draft": "worse", "tokens": 4}
LOOKUP = {"kind": "prompt_lookup", "tokens": 3, "ngram": 1}
EVICTION = {"kind": "cache_eviction", "start": 32, "heavy": 32, "recent": 32}
U8 = {"kind": "kv_dtype", "dtype": "u8"}
CELLS = {
    "optimum": cell("openvino"), "optimum int8": cell("openvino", "int8"),
    "plain": cell(), "int8": cell(weights="int8"),
    "one at a time": cell(most=1), "two": cell(most=2), "in parts": cell(tokens=4),
    "lookup": cell("openvino_genai", "", LOOKUP),
    "draft": cell("openvino_genai", "", DRAFT, draft="worse"),
    "evicted": cell("openvino_genai", "", EVICTION),
    "u8": cell("openvino_genai", "", U8),
    "int8 u8": cell("openvino_genai", "int8", U8),
    "optimum u8": cell("openvino", "", U8), "optimum int8 u8": cell("openvino", "int8", U8),
}  # fmt: skip


@pytest.fixture(scope="module")
def found(
    test_data: Path, environment: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    """The answers of each, from one process; a draft is the model with noise in its weights."""
    place = tmp_path_factory.mktemp("genai")
    stories = stories260k(test_data, place / "stories")
    model = transformers.AutoModelForCausalLM.from_pretrained(stories)
    torch.manual_seed(0)
    for weight in model.model.layers.parameters():
        weight.data += 0.25 * weight.data.std() * torch.randn_like(weight.data)
    model.save_pretrained(place / "worse")
    transformers.AutoTokenizer.from_pretrained(stories).save_pretrained(place / "worse")
    printed = run_in(
        environment("openvino"), PROGRAM, str(place), json.dumps(ASKED), json.dumps(CELLS)
    )
    answers: dict[str, Any] = json.loads(printed)
    return answers


def said(recorded: dict[str, Any]) -> list[tuple[str, int, str, int]]:
    """All of the answers but their times, and how many tokens came together."""
    return [
        (
            one["text"],
            sum(n for _, n in one["arrivals"]),
            one["finish_reason"],
            one["prompt_tokens"],
        )
        for one in recorded["answers"]
    ]


@pytest.mark.parametrize("weights", ["", "int8"])
def test_answers_are_those_of_the_other_engine(weights: str, found: dict[str, Any]) -> None:
    """The same graph and the same tokens, one after another."""
    own, other = (
        found[name.strip()] for name in (weights or "plain", f"optimum {weights}".strip())
    )
    assert said(own) == said(other)
    assert own["again"] == [one["text"] for one in own["answers"]]
    assert {tokens for one in own["answers"] for _, tokens in one["arrivals"]} == {1}
    assert all(one["accepted_tokens"] is None for one in own["answers"])
    if not weights:
        assert own["chosen"] == pytest.approx(other["chosen"], abs=1e-3)


@pytest.mark.parametrize(
    ("name", "most"), [("plain", 5), ("two", 2), ("one at a time", 1), ("lookup", 5), ("draft", 5)]
)
def test_requests_join_and_leave_one_by_one(name: str, most: int, found: dict[str, Any]) -> None:
    """The answers are those of each alone; no more are begun than it works on at once."""
    recorded = found[name]
    together = recorded["together"]
    assert [together[str(at)]["text"] for at in range(len(ASKED))] == [
        one["text"] for one in recorded["answers"]
    ]
    spans = [(one["start_ns"], one["start_ns"] + one["end_ns"]) for one in together.values()]
    at_once = [sum(begin <= moment < end for begin, end in spans) for moment, _ in spans]
    assert max(at_once) == most
    words = recorded["loaded"]["batching"]
    assert words == (
        None if most == 1 else f"continuous, at most {2 if most == 2 else 256} requests"
    )


def test_a_prompt_may_be_read_in_parts(found: dict[str, Any]) -> None:
    """A step of four tokens changes neither an answer nor a likelihood."""
    assert said(found["in parts"]) == said(found["plain"])
    assert found["in parts"]["chosen"] == pytest.approx(found["plain"]["chosen"], abs=1e-3)


@pytest.mark.parametrize("name", ["lookup", "draft"])
def test_drafts_change_no_answer(name: str, found: dict[str, Any]) -> None:
    """Several tokens come together, and those that the answer has are counted."""
    fast = found[name]
    assert said(fast) == said(found["plain"])
    for one in fast["answers"]:
        tokens, steps = sum(n for _, n in one["arrivals"]), len(one["arrivals"])
        # A last step that is cut has no token of the model's own.
        assert one["accepted_tokens"] in (tokens - steps, tokens - steps + 1)
        assert one["drafted_tokens"] is None
    assert max(n for one in fast["answers"] for _, n in one["arrivals"]) > 2


def test_accepted_tokens_are_those_that_it_counts_itself(found: dict[str, Any]) -> None:
    """The metrics of its own `generate` are the same, but leave out an answer's last step."""
    fast = found["draft"]
    first = fast["answers"][0]
    last = first["arrivals"][-1][1] - 1
    assert 0 < fast["accepted"] == first["accepted_tokens"] - last
    weights = found["plain"]["loaded"]["weights_bytes"]
    assert fast["loaded"]["weights_bytes"] == pytest.approx(2 * weights, rel=0.01)


def test_the_cache_has_the_bytes_that_are_stored(found: dict[str, Any]) -> None:
    """Those of a quantized one have scales."""
    sizes = {name: found[name]["loaded"]["kv_bytes_per_token"] for name in ("plain", "u8")}
    assert sizes["plain"] == PLAIN
    assert PLAIN // 4 < sizes["u8"] < PLAIN // 2
    assert found["int8"]["loaded"]["kv_bytes_per_token"] == sizes["u8"]
    assert "key-value cache in u8" in found["u8"]["loaded"]["kernel"]
    assert found["u8"]["chosen"] != found["plain"]["chosen"]
    assert found["optimum u8"]["loaded"]["kv_bytes_per_token"] == PLAIN // 4
    assert "key-value cache in u8" in found["optimum u8"]["loaded"]["kernel"]


@pytest.mark.parametrize("name", ["int8 u8", "optimum int8 u8"])
def test_a_cache_that_it_has_anyway_is_found_out(name: str, found: dict[str, Any]) -> None:
    """OpenVINO caches in 8 bits where the weights are quantized."""
    assert found[name] == "kv_dtype changed nothing: OpenVINO caches in u8 without it"


def test_evicted_tokens_are_forgotten(found: dict[str, Any]) -> None:
    """Only a request that is longer than the cache is answered otherwise, from fewer blocks."""
    own, plain = found["evicted"], found["plain"]
    assert said(own)[:4] == said(plain)[:4]
    assert said(own)[4] != said(plain)[4]
    assert own["usage"] < plain["usage"]
    assert own["loaded"]["kv_windows"] == [[96, PLAIN]]
    assert own["room"].startswith(
        "cache_eviction changed nothing: its 96 tokens have room for each"
    )
    assert plain["room"] is None


def test_blocks_are_evicted_whole() -> None:
    """Another number of tokens is refused with the key."""
    with pytest.raises(ValueError, match="heavy: must be a multiple of 32"):
        CacheEviction(heavy=40)


def test_what_it_has_not_is_refused_while_planning() -> None:
    """Formats of other engines, and drafts whose length changes."""
    here = Context("openvino_genai", "cpu", "float32", "native")
    assert "not in q8_0" in (KvDtype(dtype="q8_0").unsupported(here) or "")
    assert KvDtype(dtype="u8").unsupported(here) is None
    assert "constant" in (Draft(draft="d", confidence=0.4).unsupported(here) or "")
    assert Draft(draft="d", tokens=3).unsupported(here) is None
